"""The client for asyncio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ._async import AsyncAnswer, AsyncTransport, default_transport
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
from ._http import TransportError
from ._rules import RULES
from ._stream import Documents, Event, Events

if TYPE_CHECKING:
    from typing_extensions import Self


class AsyncStream:
    """A success whose body is read as it arrives. Use it in ``async with``."""

    def __init__(self, call: Call, answer: AsyncAnswer, begun: Begun, url: str) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.url = url
        self._call, self._answer, self._begun = call, answer, begun

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Give the body in pieces; one that breaks off is an error."""
        begun, self._begun = self._begun, Begun()
        if begun.data:
            yield begun.data
        if begun.error is not None:
            raise self._call.broken(self.headers, begun.error) from begun.error
        while True:
            try:
                data = await self._answer.read(PIECE)
            except TransportError as error:
                raise self._call.broken(self.headers, error) from error
            if not data:
                return
            yield data

    async def read(self) -> bytes:
        """Read the rest of the body."""
        return b"".join([data async for data in self.iter_bytes()])

    async def events(self) -> AsyncIterator[Event]:
        """Give server-sent events; one that tells of a failure is raised."""
        reader = Events(self._call, self.status, self.headers)
        async for data in self.iter_bytes():
            for event in reader.feed(data):
                yield event

    async def documents(self) -> AsyncIterator[Any]:
        """Give lines of JSON, parsed; one that tells of a failure is raised."""
        reader = Documents(self._call, self.status, self.headers)
        try:
            async for data in self.iter_bytes():
                for document in reader.feed(data):
                    yield document
        except CallError:
            reader.end()
            raise
        for document in reader.feed(b"", final=True):
            yield document


class AsyncClient(Base):
    """Client for asyncio; httpx sends, where it is installed.

    A task that is cancelled stops at once, also while waiting to try again.
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
        transport: AsyncTransport | None = None,
        on_attempt: OnAttempt | None = None,
        logger: logging.Logger | None = None,
        runtime: Runtime | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Make a client; the arguments are those of Client."""
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
        self._transport = transport or default_transport()
        self._sleep = sleep

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *reason: object) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close idle connections."""
        await self._transport.aclose()

    async def request(
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
        async with self.stream(
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
            content = await stream.read()
            return Response(stream.status, stream.headers, content, stream.url)

    @asynccontextmanager
    async def stream(
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
    ) -> AsyncIterator[AsyncStream]:
        """Make a call whose answer is read as it arrives."""
        request = self.make_request(
            method, url, params, headers, json, content, idempotency_key
        )
        deadline = self.deadline(timeout)
        for _ in range(MOST_REDIRECTS + 1):
            call = self._gate.begin(request, deadline, max_attempts)
            answer, begun = await self._attempt(call)
            try:
                following = redirected(request, answer.status, answer.headers)
                if following is None:
                    yield AsyncStream(call, answer, begun, request.url)
                    return
                request = following
            finally:
                await answer.aclose()
        raise call.broken(answer.headers, TransportError("too many redirects"))

    async def get(self, url: str, **options: Any) -> Response:
        """GET; for the options see request."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Any) -> Response:
        """POST; for the options see request."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Any) -> Response:
        """PUT; for the options see request."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Any) -> Response:
        """PATCH; for the options see request."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Any) -> Response:
        """DELETE; for the options see request."""
        return await self.request("DELETE", url, **options)

    async def _attempt(self, call: Call) -> tuple[AsyncAnswer, Begun]:
        """Send until there is a success; also return what was read of its body."""
        while True:
            verdict: Again | CallError | None
            cause: TransportError | None = None
            request, seconds = call.next()
            try:
                answer = await self._transport.send(request, until(seconds))
            except TransportError as error:
                verdict, cause = call.failed(error), error
            else:
                try:
                    begun, verdict = Begun(), None
                    if call.may_fail(answer.status, answer.headers):
                        begun = await _peek_async(answer)
                        verdict = call.answered(
                            answer.status, answer.headers, begun.data
                        )
                    else:
                        call.succeeded(answer.status)
                    if verdict is None:
                        answer.limit(until(call.left()))
                        return answer, begun
                except BaseException:
                    await answer.aclose()
                    raise
                await answer.aclose()
            if isinstance(verdict, Again):
                await self._sleep(verdict.wait / NANOSECONDS)
                continue
            raise verdict from cause


async def _peek_async(answer: AsyncAnswer) -> Begun:
    """Read the beginning of a body; one that breaks off ends there."""
    data = b""
    while len(data) < MAX_BODY:
        try:
            more = await answer.read(MAX_BODY - len(data))
        except TransportError as error:
            return Begun(data, error)
        if not more:
            break
        data += more
    return Begun(data)
