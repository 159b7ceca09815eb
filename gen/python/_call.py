"""One call: whether to send it again, and when. It does no input or output."""

from __future__ import annotations

import logging
import math
import random
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from ._budget import Budget, Purse
from ._decode import decode, decode_terminal, may_fail, server_time
from ._errors import CallError, Record, error_of
from ._failure import NANOSECONDS, Attempt, Failure, Headers, Retry, Stop
from ._http import Request, TransportError
from ._redact import Secrets
from ._routes import Operation
from ._rules import RULES

MAX_BODY = 64 << 10
"""How many bytes of a failure's body are looked at and kept."""

_MAX_WAIT = 300 * NANOSECONDS
_READS = ("GET", "HEAD", "OPTIONS", "TRACE")


class OnAttempt(Protocol):
    """Told of each attempt, also a successful one, before any wait."""

    def __call__(self, request: Request, attempt: Attempt, /) -> None: ...


@dataclass(frozen=True, slots=True)
class Runtime:
    """Time and chance, for tests that own them."""

    now: Callable[[], int] = time.time_ns
    """The wall clock, in nanoseconds since 1970."""
    monotonic: Callable[[], int] = time.monotonic_ns
    """For deadlines, in nanoseconds."""
    random: Callable[[], float] = random.random
    """Drawn evenly from 0 to 1, 1 excluded."""
    new_key: Callable[[], str] = field(default=lambda: str(uuid.uuid4()))
    """Makes an idempotency key."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What a client is made with. None is the contract's own value."""

    max_attempts: int | None = None
    max_wait: float | None = None
    attempt_timeout: float | None = None
    timeout: float | None = None
    budget: Budget = field(default_factory=Budget)
    auto_keys: bool = True
    count_header: str = ""
    on_attempt: OnAttempt | None = None
    logger: logging.Logger | None = None
    runtime: Runtime = field(default_factory=Runtime)


class Gate:
    """What all calls of a client share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.purse = Purse(settings.budget)
        self.attempts = settings.max_attempts or RULES.attempts
        self.max_wait = (
            RULES.max_hint or _MAX_WAIT
            if settings.max_wait is None
            else int(settings.max_wait * NANOSECONDS)
        )
        self.attempt_timeout = (
            RULES.timeout / NANOSECONDS
            if settings.attempt_timeout is None
            else settings.attempt_timeout
        )

    def begin(
        self,
        request: Request,
        deadline: int | None,
        max_attempts: int | None,
    ) -> Call:
        """Begin a call; the deadline is by the runtime's monotonic clock."""
        self.purse.earn()
        return Call(self, self._keyed(request), deadline, max_attempts or self.attempts)

    def _keyed(self, request: Request) -> Request:
        header = RULES.key_header
        if (
            not self.settings.auto_keys
            or request.header(header)
            or not RULES.honours_key(request.method, request.url)
        ):
            return request
        key = self.settings.runtime.new_key()
        return replace(request, headers=(*request.headers, (header, key)))


@dataclass(frozen=True, slots=True)
class Again:
    """The call is to be sent again after a wait, in nanoseconds."""

    wait: int


class Call:
    """The attempts of one call."""

    def __init__(
        self, gate: Gate, request: Request, deadline: int | None, most: int
    ) -> None:
        self._gate = gate
        self._request = request
        self._deadline = deadline
        self._most = most
        self._runtime = gate.settings.runtime
        self._secrets: Secrets | None = None
        self._attempts: list[Attempt] = []
        self._began = 0
        self._overdue = math.inf
        self._failure = Failure()
        self._headers = Headers()
        self._body = b""
        self._error: TransportError | None = None

    def next(self) -> tuple[Request, float | None]:
        """Return the next attempt, and how many seconds it may take."""
        self._began = self._runtime.monotonic()
        request, header = self._request, self._gate.settings.count_header
        if self._attempts and header:
            others = [h for h in request.headers if h[0].lower() != header.lower()]
            count = (header, str(len(self._attempts)))
            request = replace(request, headers=(*others, count))
        left = self.left()
        self._overdue = math.inf if left is None else time.monotonic() + left
        limits = [s for s in (self._gate.attempt_timeout, left) if s is not None]
        return request, min((s for s in limits if s > 0 or s is left), default=None)

    def left(self) -> float | None:
        """How many seconds the caller waits, at most, for the body of a success."""
        if self._deadline is None:
            return None
        return max(self._deadline - self._runtime.monotonic(), 0) / NANOSECONDS

    def may_fail(self, status: int, headers: Headers) -> bool:
        """Whether a response may tell of a failure, so that its body is needed."""
        return may_fail(status, headers)

    def succeeded(self, status: int) -> None:
        """Note that the last attempt succeeded."""
        attempt = Attempt(status=status, duration=self._took())
        self._attempts.append(attempt)
        self._tell(attempt)

    def answered(
        self, status: int, headers: Headers, body: bytes
    ) -> Again | CallError | None:
        """Judge a response by the beginning of its body; None is a success."""
        secrets = self._find_secrets()
        headers, body = secrets.headers(headers), secrets.body(body)
        now = server_time(headers, self._runtime.now())
        failure = decode(status, headers, body, now)
        if failure is None:
            self.succeeded(status)
            return None
        self._failure = secrets.failure(failure)
        self._headers, self._body, self._error = headers, body, None
        return self._decide(f"{RULES.name_of(self._failure)} ({status})")

    def failed(self, error: TransportError) -> Again | CallError:
        """Judge an attempt that got no response."""
        self._failure = self._network_failure(error)
        self._headers, self._body, self._error = Headers(), b"", error
        return self._decide(self._find_secrets().text(str(error)))

    def broken(self, headers: Headers, error: TransportError) -> CallError:
        """Make the error of a success whose body broke off."""
        secrets = self._find_secrets()
        self._headers, self._error, self._body = secrets.headers(headers), error, b""
        self._failure = replace(
            self._network_failure(error),
            request_id=self._headers.get(RULES.request_id_header, ""),
        )
        return self._make("")

    def streamed(self, status: int, headers: Headers, body: bytes) -> CallError:
        """Make the error that ended a stream."""
        secrets = self._find_secrets()
        headers, body = secrets.headers(headers), secrets.body(body)
        now = server_time(headers, self._runtime.now())
        failure = secrets.failure(decode_terminal(headers, body, now))
        self._failure = replace(failure, status=failure.status or status)
        self._headers, self._body, self._error = headers, body, None
        return self._make("")

    def _network_failure(self, error: TransportError) -> Failure:
        retry: Retry = "never" if error.permanent else RULES.network
        condition = "upstream_timeout" if error.timed_out else "upstream_unreachable"
        return Failure(condition=condition, retry=retry, certain=True)

    def _decide(self, reason: str) -> Again | CallError:
        took = self._took()
        failure = self._failure
        attempt = Attempt(
            status=failure.status,
            code=RULES.name_of(failure),
            condition=failure.condition,
            request_id=failure.request_id,
            reason=reason,
            duration=took,
        )
        self._attempts.append(attempt)
        wait, stopped = self._judge()
        attempt = replace(attempt, wait=wait / NANOSECONDS, stopped=stopped)
        self._attempts[-1] = attempt
        self._tell(attempt)
        error = self._make(stopped)
        self._log(attempt, error)
        return error if stopped else Again(wait)

    def _judge(self) -> tuple[int, Stop]:
        """Say how long to wait, or why there is no further attempt."""
        failure, now = self._failure, self._runtime.monotonic()
        # The second is for a runtime whose clock stands still during attempts.
        if self._deadline is not None and now >= self._deadline:
            return 0, "deadline"
        if time.monotonic() > self._overdue - 0.005:
            return 0, "deadline"
        if failure.items:
            return 0, "partial"
        if failure.retry not in ("after_wait", "backoff", "same_key"):
            return 0, "advice"
        if not self._safe():
            return 0, "unsafe"
        if not self._request.rewindable:
            return 0, "body"
        if len(self._attempts) >= self._most:
            return 0, "attempts"
        wait, appointed = self._wait()
        if self._deadline is not None and wait >= self._deadline - now:
            return 0, "deadline"
        if 0 < self._gate.max_wait < wait:
            return 0, "max_wait"
        if not appointed and not self._gate.purse.spend(now):
            return 0, "budget"
        return wait, ""

    def _safe(self) -> bool:
        """Whether a repetition cannot do the call's work twice."""
        if self._error is not None and not self._error.sent or self._key():
            return True
        method = self._request.method
        if method in _READS or self._failure.retry == "same_key":
            return method in _READS
        if method in ("PUT", "DELETE"):  # RFC 9110 section 9.2.2
            return True
        operation = self._operation()
        return operation is not None and operation.safe

    def _wait(self) -> tuple[int, bool]:
        """Return the server's hint, else the contract's wait.

        A hint of zero says nothing about when, so that the growing wait stands
        in. Appointed says that a limit itself named the moment.
        """
        failure = self._failure
        if failure.wait:
            limits = ("rate_limited", "concurrency_exceeded")
            return failure.wait, failure.condition in limits
        if failure.status in RULES.default_waits:
            return RULES.default_waits[failure.status], False
        drawn = self._runtime.random()
        return RULES.backoff.wait(len(self._attempts) - 1, drawn), False

    def _operation(self) -> Operation | None:
        return RULES.operation(self._request.method, self._request.url)

    def _key(self) -> str:
        key = self._request.header(RULES.key_header) if RULES.key_header else ""
        honoured = RULES.honours_key(self._request.method, self._request.url)
        return key if honoured else ""

    def _make(self, stopped: Stop) -> CallError:
        secrets, error = self._find_secrets(), self._error
        made = error_of(
            self._failure,
            Record(
                origin="client" if error else "server",
                method=self._request.method,
                url=secrets.address(self._request.url),
                idempotency_key=self._key(),
                attempts=tuple(self._attempts),
                stopped=stopped,
                headers=self._headers,
                body=self._body,
                cause=secrets.text(str(error)) if error else "",
                timed_out=bool(error and error.timed_out),
            ),
        )
        return made

    def _find_secrets(self) -> Secrets:
        if self._secrets is None:
            request = self._request
            self._secrets = Secrets(request.url, request.headers, RULES.schemes)
        return self._secrets

    def _took(self) -> float:
        return (self._runtime.monotonic() - self._began) / NANOSECONDS

    def _tell(self, attempt: Attempt) -> None:
        if self._gate.settings.on_attempt is not None:
            self._gate.settings.on_attempt(self._request, attempt)

    def _log(self, attempt: Attempt, error: CallError) -> None:
        logger = self._gate.settings.logger
        if logger is not None:
            fields = error.log_fields() | {"wait": attempt.wait}
            logger.info("attempt failed: %s", error, extra={"failure": fields})
