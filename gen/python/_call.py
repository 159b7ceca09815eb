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
from urllib.parse import parse_qs, urlsplit

from ._budget import Budget, Purse
from ._decode import decode, decode_terminal, may_fail, server_time
from ._errors import CallError, Record, error_of
from ._failure import NANOSECONDS, Attempt, Failure, Headers, Retry, Stop
from ._http import Request, TransportError
from ._pace import Lane, Pacer
from ._redact import Secrets
from ._routes import Operation
from ._rules import RULES
from ._share import Refusal
from ._standing import read_standing

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
    pacing: bool = True
    count_header: str = ""
    on_attempt: OnAttempt | None = None
    logger: logging.Logger | None = None
    runtime: Runtime = field(default_factory=Runtime)


@dataclass(frozen=True, slots=True)
class Wishes:
    """What is different for one call. None is what the client was made with."""

    deadline: int | None = None
    """By the runtime's monotonic clock."""
    max_attempts: int | None = None
    max_wait: float | None = None
    attempt_timeout: float | None = None
    pacing: bool = True


@dataclass(frozen=True, slots=True)
class Bounds:
    """How long and how often a call is made. No deadline or wait: no bound."""

    deadline: int | None
    attempts: int
    max_wait: int
    """In nanoseconds; 0 or less: no bound."""
    attempt_timeout: float
    """In seconds; 0 or less: no bound."""


class Gate:
    """What all calls of a client share."""

    def __init__(self, settings: Settings) -> None:
        self.settings = settings
        self.purse = Purse(settings.budget)
        self.pacer = Pacer()

    def begin(self, request: Request, wishes: Wishes) -> Call:
        """Begin a call."""
        self.purse.earn()
        request = self._keyed(request)
        paced = self.settings.pacing and wishes.pacing
        lane = self._lane(request) if paced else None
        return Call(self, request, self._bounds(wishes), lane)

    def _bounds(self, wishes: Wishes) -> Bounds:
        own = self.settings
        wait = own.max_wait if wishes.max_wait is None else wishes.max_wait
        timeout = wishes.attempt_timeout
        if timeout is None:
            timeout = own.attempt_timeout
        return Bounds(
            deadline=wishes.deadline,
            attempts=wishes.max_attempts or own.max_attempts or RULES.attempts,
            max_wait=(RULES.max_hint or _MAX_WAIT)
            if wait is None
            else int(wait * NANOSECONDS),
            attempt_timeout=RULES.timeout / NANOSECONDS if timeout is None else timeout,
        )

    def _lane(self, request: Request) -> Lane | None:
        """Find where a call queues: by host, credential and own rate."""
        if RULES.pace is None:
            return None
        parts = urlsplit(request.url)
        name = [parts.netloc.lower(), request.header("Authorization")]
        for place, key in RULES.schemes:
            if place == "header":
                name.append(request.header(key))
            else:
                name.append(",".join(parse_qs(parts.query).get(key, ())))
        operation = RULES.operation(request.method, request.url)
        if operation is not None and operation.limited:
            name.append(operation.name)
        return self.pacer.find(tuple(name))

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
    appointed: bool
    """A limit itself named the moment."""


class Call:
    """The attempts of one call."""

    def __init__(
        self, gate: Gate, request: Request, bounds: Bounds, lane: Lane | None
    ) -> None:
        self._gate = gate
        self._request = request
        self._bounds = bounds
        self._lane = lane
        self._ticket = 0
        self._refused: Refusal | None = None
        self._runtime = gate.settings.runtime
        self._secrets: Secrets | None = None
        self._attempts: list[Attempt] = []
        self._began = 0
        self._overdue = math.inf
        self._failure = Failure()
        self._headers = Headers()
        self._body = b""
        self._error: TransportError | None = None

    def enter(self) -> int:
        """Ask for room; return how long to wait for it, in nanoseconds.

        A call that cannot wait so long is over.
        """
        if self._lane is None:
            return 0
        now = self._runtime.monotonic()
        most, stopped = self._patience(now)
        wait, fits, self._ticket = self._lane.enter(now, most)
        if not fits:
            raise self._no_room(wait, stopped)
        return self._waits(wait)

    def leave(self) -> int:
        """End a wait for room; return how long to wait on."""
        if self._lane is None:
            return 0
        now = self._runtime.monotonic()
        wait = self._lane.leave(now, self._ticket, self._patience(now)[0])
        return self.enter() if wait is None else self._waits(wait)

    def forgo(self) -> None:
        """Give the place up."""
        if self._lane is not None:
            self._lane.forgo(self._ticket)

    def _patience(self, now: int) -> tuple[float, Stop]:
        """Return the longest that the call may wait, and which bound that is."""
        bounds = self._bounds
        most = bounds.max_wait if bounds.max_wait > 0 else math.inf
        # At its deadline a call cannot be made any more.
        if bounds.deadline is not None and bounds.deadline - now - 1 < most:
            return bounds.deadline - now - 1, "deadline"
        return most, "max_wait"

    def _waits(self, wait: int) -> int:
        if wait and (logger := self._gate.settings.logger):
            logger.debug("waiting %.3f s for room", wait / NANOSECONDS)
        return wait

    def expect(self, calls: int) -> None:
        """Count the call among those that the server told when to come."""
        if self._lane is not None:
            self._lane.expect(calls)

    def join(self) -> None:
        """Take the place that the server itself has given."""
        if self._lane is not None:
            self._lane.join()

    def lost(self) -> None:
        """Note that an attempt was given up."""
        if self._lane is not None:
            self._lane.lost()

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
        limits = [s for s in (self._bounds.attempt_timeout, left) if s is not None]
        return request, min((s for s in limits if s > 0 or s is left), default=None)

    def left(self) -> float | None:
        """How many seconds the caller waits, at most, for the body of a success."""
        deadline = self._bounds.deadline
        if deadline is None:
            return None
        return max(deadline - self._runtime.monotonic(), 0) / NANOSECONDS

    def heard(self, status: int, headers: Headers) -> bool:
        """Take in a response; return whether its body may tell of a failure."""
        if self._lane is not None and RULES.pace is not None:
            now = self._runtime.monotonic()
            server = server_time(headers, self._runtime.now())
            standing = read_standing(RULES.pace, headers, now, server)
            admitted = status != 429
            self._lane.saw(now, standing, admitted=admitted, before=self._refused)
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
        self.lost()
        self._failure = self._network_failure(error)
        self._headers, self._body, self._error = Headers(), b"", error
        return self._decide(self._find_secrets().text(str(error)))

    def cancelled(self, why: str) -> CallError:
        """Make the error of a wait that the caller ended; what was met is kept."""
        self._error = TransportError(why)
        return self._make("cancelled")

    def broken(self, headers: Headers, error: TransportError) -> CallError:
        """Make the error of a success whose body broke off, or cannot be read."""
        secrets = self._find_secrets()
        self._headers, self._error, self._body = secrets.headers(headers), error, b""
        failure = Failure() if error.unreadable else self._network_failure(error)
        self._failure = replace(
            failure,
            request_id=self._headers.get(RULES.request_id_header or "X-Request-Id", ""),
        )
        return self._make("")

    def _no_room(self, wait: int, stopped: Stop) -> CallError:
        """Make the error of a call that is not sent; what was met is kept."""
        if not self._attempts and RULES.pace is not None:
            self._failure = Failure(
                name=RULES.pace.code,
                condition="rate_limited",
                retry="after_wait",
                wait=wait,
                certain=True,
            )
            seconds = wait / NANOSECONDS
            self._error = TransportError(
                f"not sent: the limit has no room for it within {seconds:.3f} s",
                sent=False,
            )
        return self._make(stopped)

    def streamed(self, headers: Headers, body: bytes) -> CallError:
        """Make the error that ended a stream, which has no status of its own."""
        secrets = self._find_secrets()
        headers, body = secrets.headers(headers), secrets.body(body)
        now = server_time(headers, self._runtime.now())
        self._failure = secrets.failure(decode_terminal(headers, body, now))
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
        if self._lane and failure.condition == "rate_limited" and failure.wait:
            refusal = self._lane.refused(self._runtime.monotonic(), failure.wait)
            self._refused = self._refused or refusal
        wait, appointed, stopped = self._judge()
        attempt = replace(attempt, wait=wait / NANOSECONDS, stopped=stopped)
        self._attempts[-1] = attempt
        self._tell(attempt)
        error = self._make(stopped)
        self._log(attempt, error)
        return error if stopped else Again(wait, appointed)

    def _judge(self) -> tuple[int, bool, Stop]:
        """Say how long to wait, or why there is no further attempt."""
        stopped = self._final()
        if stopped:
            return 0, False, stopped
        wait, appointed = self._wait()
        deadline, now = self._bounds.deadline, self._runtime.monotonic()
        if deadline is not None and wait >= deadline - now:
            return 0, False, "deadline"
        if 0 < self._bounds.max_wait < wait:
            return 0, False, "max_wait"
        if not appointed and not self._gate.purse.spend(now):
            return 0, False, "budget"
        return wait, appointed, ""

    def _final(self) -> Stop:
        """Say why the call is over, whatever the wait would be."""
        failure, deadline = self._failure, self._bounds.deadline
        # The second is for a runtime whose clock stands still during attempts.
        if deadline is not None and self._runtime.monotonic() >= deadline:
            return "deadline"
        if time.monotonic() > self._overdue - 0.005:
            return "deadline"
        if failure.items:
            return "partial"
        if failure.retry not in ("after_wait", "backoff", "same_key"):
            return "advice"
        if not self._safe():
            return "unsafe"
        if not self._request.rewindable:
            return "body"
        return "attempts" if len(self._attempts) >= self._bounds.attempts else ""

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
