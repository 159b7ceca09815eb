"""The client that blocks."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ._base import (
    MOST_REDIRECTS,
    PIECE,
    Base,
    Begun,
    Content,
    Query,
    Response,
    redirected,
    until,
)
from ._budget import Budget
from ._call import MAX_BODY, Again, Call, OnAttempt, Runtime, Settings
from ._errors import CallError
from ._failure import NANOSECONDS
from ._http import Answer, HTTPTransport, Transport, TransportError
from ._rules import RULES
from ._stream import Documents, Event, Events

if TYPE_CHECKING:
    from typing_extensions import Self


class Stream:
    """A success whose body is read as it arrives. Use it in a ``with`` block."""

    def __init__(self, call: Call, answer: Answer, begun: Begun, url: str) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.url = url
        self._call, self._answer, self._begun = call, answer, begun

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the body in pieces; one that breaks off is an error."""
        begun, self._begun = self._begun, Begun()
        if begun.data:
            yield begun.data
        if begun.error is not None:
            raise self._call.broken(self.headers, begun.error) from begun.error
        while True:
            try:
                data = self._answer.read(PIECE)
            except TransportError as error:
                raise self._call.broken(self.headers, error) from error
            if not data:
                return
            yield data

    def read(self) -> bytes:
        """Read the rest of the body."""
        return b"".join(self.iter_bytes())

    def events(self) -> Iterator[Event]:
        """Give server-sent events; one that tells of a failure is raised."""
        reader = Events(self._call, self.status, self.headers)
        for data in self.iter_bytes():
            yield from reader.feed(data)

    def documents(self) -> Iterator[Any]:
        """Give lines of JSON, parsed; one that tells of a failure is raised."""
        reader = Documents(self._call, self.status, self.headers)
        try:
            for data in self.iter_bytes():
                yield from reader.feed(data)
        except CallError:
            reader.end()
            raise
        yield from reader.feed(b"", final=True)


class Client(Base):
    """Calls the API, and copes with its failures as the contract says.

    A call is repeated if and only if its failure may pass and repeating it is
    safe: the method is idempotent, or the contract declares the operation safe,
    or an idempotency key goes along, or nothing was ever sent. Where the
    contract honours keys one is made, the same for all attempts. Waits are as
    long as the server asks; when they outlast the timeout or max_wait, the call
    fails at once with what the server said.

    A client may be used by several threads at once. Times are in seconds.
    """

    def __init__(
        self,
        base_url: str = RULES.base_url,
        *,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        max_attempts: int | None = None,
        max_wait: float | None = None,
        budget: Budget | None = None,
        auto_keys: bool = True,
        count_header: str = "",
        transport: Transport | None = None,
        on_attempt: OnAttempt | None = None,
        logger: logging.Logger | None = None,
        runtime: Runtime | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """Make a client. None is the contract's own value, or the default.

        Args:
            base_url: Goes before paths that are given to calls.
            headers: Go with each call to the host of base_url; credentials belong
                here.
            timeout: Of a whole call, its waits included. None: no bound.
            attempt_timeout: Until the headers of a response. 0 or less: no bound.
            max_attempts: All tries of a call, the first included.
            max_wait: The longest single wait. 0 or less: no bound.
            budget: Bounds the repetitions of all calls together.
            auto_keys: Make an idempotency key where the contract honours one.
            count_header: Carries the number of the repetition, 1 on the first.
            transport: Sends single attempts; HTTPTransport by default.
            on_attempt: Told of each attempt before any wait.
            logger: Gets a line for each failed attempt, without credentials.
            runtime: Time and chance, for tests.
            sleep: Waits, for tests.
        """
        super().__init__(
            base_url,
            headers,
            Settings(
                max_attempts=max_attempts,
                max_wait=max_wait,
                attempt_timeout=attempt_timeout,
                timeout=timeout,
                budget=budget or Budget(),
                auto_keys=auto_keys,
                count_header=count_header,
                on_attempt=on_attempt,
                logger=logger,
                runtime=runtime or Runtime(),
            ),
        )
        self._transport = transport or HTTPTransport()
        self._sleep = sleep

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *reason: object) -> None:
        self.close()

    def close(self) -> None:
        """Close idle connections."""
        self._transport.close()

    def request(
        self,
        method: str,
        url: str,
        *,
        params: Query = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: Content = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
        idempotency_key: str | None = None,
    ) -> Response:
        """Make a call and read its answer; a failure is raised as a CallError."""
        with self.stream(
            method,
            url,
            params=params,
            headers=headers,
            json=json,
            content=content,
            timeout=timeout,
            max_attempts=max_attempts,
            idempotency_key=idempotency_key,
        ) as stream:
            content = stream.read()
            return Response(stream.status, stream.headers, content, stream.url)

    @contextmanager
    def stream(
        self,
        method: str,
        url: str,
        *,
        params: Query = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: Content = None,
        timeout: float | None = None,
        max_attempts: int | None = None,
        idempotency_key: str | None = None,
    ) -> Iterator[Stream]:
        """Make a call whose answer is read as it arrives."""
        request = self.make_request(
            method, url, params, headers, json, content, idempotency_key
        )
        deadline = self.deadline(timeout)
        for _ in range(MOST_REDIRECTS + 1):
            call = self._gate.begin(request, deadline, max_attempts)
            answer, begun = self._attempt(call)
            try:
                following = redirected(request, answer.status, answer.headers)
                if following is None:
                    yield Stream(call, answer, begun, request.url)
                    return
                request = following
            finally:
                answer.close()
        raise call.broken(answer.headers, TransportError("too many redirects"))

    def get(self, url: str, **options: Any) -> Response:
        """GET; for the options see request."""
        return self.request("GET", url, **options)

    def post(self, url: str, **options: Any) -> Response:
        """POST; for the options see request."""
        return self.request("POST", url, **options)

    def put(self, url: str, **options: Any) -> Response:
        """PUT; for the options see request."""
        return self.request("PUT", url, **options)

    def patch(self, url: str, **options: Any) -> Response:
        """PATCH; for the options see request."""
        return self.request("PATCH", url, **options)

    def delete(self, url: str, **options: Any) -> Response:
        """DELETE; for the options see request."""
        return self.request("DELETE", url, **options)

    def _attempt(self, call: Call) -> tuple[Answer, Begun]:
        """Send until there is a success; also return what was read of its body."""
        while True:
            verdict: Again | CallError | None
            cause: TransportError | None = None
            request, seconds = call.next()
            try:
                answer = self._transport.send(request, until(seconds))
            except TransportError as error:
                verdict, cause = call.failed(error), error
            else:
                try:
                    begun, verdict = Begun(), None
                    if call.may_fail(answer.status, answer.headers):
                        begun = _peek(answer)
                        verdict = call.answered(
                            answer.status, answer.headers, begun.data
                        )
                    else:
                        call.succeeded(answer.status)
                    if verdict is None:
                        answer.limit(until(call.left()))
                        return answer, begun
                except BaseException:
                    answer.close()
                    raise
                answer.close()
            if isinstance(verdict, Again):
                self._sleep(verdict.wait / NANOSECONDS)
                continue
            raise verdict from cause


def _peek(answer: Answer) -> Begun:
    """Read the beginning of a body; one that breaks off ends there."""
    data = b""
    while len(data) < MAX_BODY:
        try:
            more = answer.read(MAX_BODY - len(data))
        except TransportError as error:
            return Begun(data, error)
        if not more:
            break
        data += more
    return Begun(data)
