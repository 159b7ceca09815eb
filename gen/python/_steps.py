"""The course of a call, without input or output.

It is a generator of what is to be done next, which is told how that went: a client
for threads does it, or one for asyncio.
"""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import dataclass
from typing import Any, Generic, Protocol, TypeVar

from ._call import MAX_BODY, Again, Call, Gate, Wishes
from ._errors import CallError
from ._failure import NANOSECONDS, Headers
from ._http import Request, TransportError
from ._redirect import redirected

_MOST_REDIRECTS = 10


class Head(Protocol):
    """A response whose body is not read yet, however that is done."""

    status: int
    headers: Headers

    def limit(self, deadline: float | None) -> None:
        """Set until when reading may take, by ``time.monotonic``."""


A = TypeVar("A", bound=Head)


@dataclass(frozen=True, slots=True)
class Send:
    """Send a request, before a deadline by ``time.monotonic``."""

    request: Request
    deadline: float | None


@dataclass(frozen=True, slots=True)
class Read(Generic[A]):
    """Read what is there of a body, at most so much."""

    answer: A
    most: int


@dataclass(frozen=True, slots=True)
class Close(Generic[A]):
    """Free the connection of a response."""

    answer: A


@dataclass(frozen=True, slots=True)
class Pause:
    """Wait, in seconds."""

    seconds: float


class Cancelled(Exception):
    """The caller wants no more of the call."""


@dataclass(frozen=True, slots=True)
class Begun:
    """What was read of a body to see whether it tells of a failure."""

    data: bytes = b""
    error: TransportError | None = None
    """Why there is no more."""


@dataclass(frozen=True, slots=True)
class Opened(Generic[A]):
    """A success, whose body is yet to be read."""

    call: Call
    answer: A
    begun: Begun
    url: str


Step = Send | Read[A] | Close[A] | Pause
Steps = Generator[Step[A], Any, Opened[A]]
Part = Generator[Step[A], Any, "Opened[A] | Again"]
Pauses = Generator[Pause, None, None]


def course(gate: Gate, request: Request, wishes: Wishes) -> Steps[A]:
    """Make a call, and those that redirects ask for."""
    for _ in range(_MOST_REDIRECTS + 1):
        call = gate.begin(request, wishes)
        opened: Opened[A] = yield from _attempts(call, request)
        answer = opened.answer
        following = redirected(request, answer.status, answer.headers)
        if following is None:
            return opened
        yield Close(answer)
        request = following
    raise call.broken(answer.headers, TransportError("too many redirects"))


def _attempts(call: Call, request: Request) -> Steps[A]:
    """Send until there is a success."""
    yield from _enter(call)
    while True:
        done: Opened[A] | Again = yield from _attempt(call, request)
        if isinstance(done, Opened):
            return done
        if done.appointed:
            yield from _come(call, done.wait)
        else:
            yield from _pause(call, done.wait)
            yield from _enter(call)


def _enter(call: Call) -> Pauses:
    """Wait until the call's limit has room."""
    wait = call.enter()
    while wait:
        try:
            yield from _pause(call, wait)
        except BaseException:
            call.forgo()
            raise
        wait = call.leave()


def _come(call: Call, wait: int) -> Pauses:
    """Wait for the place that the server itself has given."""
    call.expect(1)
    try:
        yield from _pause(call, wait)
    finally:
        call.expect(-1)
    call.join()


def _pause(call: Call, wait: int) -> Pauses:
    try:
        yield Pause(wait / NANOSECONDS)
    except Cancelled:
        raise call.cancelled("") from None
    except BaseException as reason:  # it stays what it is, and says what it ended
        raise reason from call.cancelled(type(reason).__name__)


def _attempt(call: Call, request: Request) -> Part[A]:
    attempt, seconds = call.next()
    try:
        answer: A = yield Send(attempt, until(seconds))
    except TransportError as error:
        return _again(call.failed(error), error)
    except BaseException:
        call.lost()
        raise
    try:
        begun, failed = Begun(), None
        if call.heard(answer.status, answer.headers):
            begun = yield from _peek(answer)
            failed = call.answered(answer.status, answer.headers, begun.data)
        else:
            call.succeeded(answer.status)
        if failed is None:
            answer.limit(until(call.left()))
            return Opened(call, answer, begun, request.url)
    except BaseException:
        yield Close(answer)
        raise
    yield Close(answer)
    return _again(failed)


def _again(verdict: Again | CallError, cause: TransportError | None = None) -> Again:
    if isinstance(verdict, CallError):
        raise verdict from cause
    return verdict


def _peek(answer: A) -> Generator[Read[A], bytes, Begun]:
    """Read the beginning of a body; one that breaks off ends there."""
    data = b""
    while len(data) < MAX_BODY:
        try:
            more = yield Read(answer, MAX_BODY - len(data))
        except TransportError as error:
            return Begun(data, error)
        if not more:
            break
        data += more
    return Begun(data)


def until(seconds: float | None) -> float | None:
    """Return the instant that is seconds away, by ``time.monotonic``."""
    return None if seconds is None else time.monotonic() + seconds
