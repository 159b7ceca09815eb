"""The base of all errors, and how the class of one is found."""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, cast
from urllib.parse import urlsplit

from ._failure import (
    NANOSECONDS,
    STOPS,
    Attempt,
    Failure,
    FieldError,
    Headers,
    ItemFailure,
    Origin,
    Retry,
    Stop,
)
from ._rules import RULES

if TYPE_CHECKING:
    from .codes import Code
    from .conditions import Condition


@dataclass(frozen=True, slots=True)
class Record:
    """What is known of a failed call besides what the response says."""

    origin: Origin = "server"
    method: str = ""
    url: str = ""
    idempotency_key: str = ""
    attempts: tuple[Attempt, ...] = ()
    stopped: Stop = ""
    headers: Headers = field(default_factory=Headers)
    body: bytes = b""
    cause: str = ""
    timed_out: bool = False


class CallError(Exception):
    """A call that failed. Its class says how; all of it is free of credentials.

    An error is an instance of the class of its code, of its condition, and of
    the classes that the API's document names for its status.
    """

    remedy: str = ""
    """What to do about it, as far as the code or the condition says."""

    def __init__(self, failure: Failure, record: Record) -> None:
        self.failure = failure
        """What the response said."""
        self.record = record
        super().__init__(self._line())

    def __reduce__(self) -> tuple[Any, ...]:
        return error_of, (self.failure, self.record)

    @property
    def code(self) -> Code | None:
        """The entry of the catalogue; None for a code that is not in it."""
        return cast("Code | None", self.failure.name or None)

    @property
    def wire_code(self) -> str:
        """The code as received."""
        return self.failure.wire_code

    @property
    def name(self) -> str:
        """The code as sent, else the name of the condition."""
        return RULES.name_of(self.failure)

    @property
    def condition(self) -> Condition | None:
        """What happened, in words that all APIs share."""
        return cast("Condition | None", self.failure.condition or None)

    @property
    def status(self) -> int | None:
        """The HTTP status; None when no response came, or not all of it."""
        return self.failure.status or None

    @property
    def message(self) -> str:
        """For developers: what the server said, else the contract's text."""
        return self.failure.message or RULES.message(self.failure)

    @property
    def friendly_message(self) -> str:
        """Safe to show to end users. It never repeats what the server said."""
        friendly = RULES.friendly(self.failure)
        if friendly:
            return friendly
        if self.is_retryable:
            return (
                "The service cannot do this at the moment. Please try again in a while."
            )
        if self.failure.status >= 500 or self.origin == "client":
            return "The service could not do this. Please try again later."
        return "The service did not accept this request."

    @property
    def type(self) -> str:
        """The coarse category, where the API sends one."""
        return self.failure.type

    @property
    def request_id(self) -> str | None:
        """What support asks for."""
        return self.failure.quoted_id or self.failure.request_id or None

    @property
    def params(self) -> Mapping[str, Any]:
        """Public parameters, such as a limit."""
        return self.failure.params

    @property
    def fields(self) -> tuple[FieldError, ...]:
        """Faults of single parts of the request."""
        return self.failure.fields

    @property
    def items(self) -> tuple[ItemFailure, ...]:
        """Failures of single items of a call on many."""
        return self.failure.items

    @property
    def time(self) -> datetime | None:
        """When it failed, by the server."""
        return self.failure.time

    @property
    def retry(self) -> Retry:
        """Advice about sending the same call again."""
        return self.failure.retry

    @property
    def is_retryable(self) -> bool:
        """Whether the same call may succeed later without anybody acting.

        Whether repeating it is safe is a question of its method and key.
        """
        return self.failure.retry in ("after_wait", "backoff", "same_key")

    @property
    def retry_after(self) -> float | None:
        """Seconds that the server asks to wait; None when it says nothing."""
        wait = self.failure.wait
        return None if wait is None else wait / NANOSECONDS

    @property
    def attempts(self) -> tuple[Attempt, ...]:
        """Every try, in order."""
        return self.record.attempts

    @property
    def stopped(self) -> Stop:
        """Why no further attempt was made."""
        return self.record.stopped

    @property
    def origin(self) -> Origin:
        """Whether the server spoke, or this side found the failure by itself."""
        return self.record.origin

    @property
    def timed_out(self) -> bool:
        """Whether time ran out on this side."""
        return self.record.timed_out

    @property
    def method(self) -> str:
        """The method of the call."""
        return self.record.method

    @property
    def url(self) -> str:
        """The URL of the call, without credentials."""
        return self.record.url

    @property
    def idempotency_key(self) -> str | None:
        """Went with every attempt; sending the call again under it is safe."""
        return self.record.idempotency_key or None

    @property
    def headers(self) -> Headers:
        """Of the last response."""
        return self.record.headers

    @property
    def body(self) -> bytes:
        """The beginning of the last response's body, at most 64 KiB."""
        return self.record.body

    def log_fields(self) -> dict[str, Any]:
        """The failure as a flat dictionary, for structured logs."""
        fields = {
            "api": RULES.api,
            "origin": self.origin,
            "code": self.name,
            "condition": self.condition,
            "status": self.status,
            "message": self.message,
            "method": self.method,
            "endpoint": self.url,
            "request_id": self.request_id,
            "idempotency_key": self.idempotency_key,
            "retry": self.retry,
            "retry_after": self.retry_after,
            "attempts": len(self.attempts),
            "stopped": self.stopped,
            "cause": self.record.cause,
        }
        return {name: value for name, value in fields.items() if value}

    def _line(self) -> str:
        line = f"{RULES.api or urlsplit(self.url).netloc or 'http'}: {self.name}"
        if self.status:
            line += f" ({self.status})"
        for text in (self.message, self.record.cause):
            if text:
                line += f": {text}"
        notes = []
        if self.request_id:
            notes.append(f"request id {self.request_id}")
        if len(self.attempts) > 1:
            notes.append(f"{len(self.attempts)} attempts")
        if self.stopped in STOPS:
            notes.append(f"client side: {STOPS[self.stopped]}")
        elif self.origin == "client":
            notes.append("client side")
        return line + (f" [{'; '.join(notes)}]" if notes else "")


def error_of(failure: Failure, record: Record) -> CallError:
    """Make the error of a failure, in the class that it belongs to."""
    timed_out = record.timed_out
    kind = _class_of(failure.name, failure.condition, failure.status, timed_out)
    return kind(failure, record)


@functools.cache
def _class_of(
    name: str, condition: str, status: int, timed_out: bool
) -> type[CallError]:
    """Join the classes of a code, a condition and a status into one."""
    from . import codes, conditions, errors

    bases: list[type[CallError]] = []
    if name in codes.CLASSES:
        bases.append(codes.CLASSES[name])
    bases += errors.classes_for(condition, status, timed_out)
    if condition in conditions.CLASSES:
        bases.append(conditions.CLASSES[condition])
    if not bases:
        return errors.ROOT
    # The first names the class; a base of another one is part of it already.
    least = [
        base
        for base in bases
        if not any(other is not base and issubclass(other, base) for other in bases)
    ]
    if len(least) == 1:
        return least[0]
    first = least[0]
    attributes = {"__module__": first.__module__, "__doc__": first.__doc__}
    return type(first.__name__, tuple(least), attributes)
