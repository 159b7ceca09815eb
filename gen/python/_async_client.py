"""The client for asyncio."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ._async import AsyncAnswer, AsyncTransport, default_transport
from ._base import PIECE, Base, CallOptions, Response
from ._budget import Budget
from ._call import OnAttempt, Runtime, Settings
from ._errors import CallError
from ._http import TransportError
from ._rules import RULES
from ._steps import Begun, Close, Opened, Read, Send, Step, Steps
from ._stream import Documents, Event, Events

if TYPE_CHECKING:
    from typing_extensions import Self, Unpack


class AsyncStream:
    """A success whose body is read as it arrives. Use it in ``async with``."""

    def __init__(self, opened: Opened[AsyncAnswer]) -> None:
        self.status = opened.answer.status
        self.headers = opened.answer.headers
        self.url = opened.url
        self._call, self._answer = opened.call, opened.answer
        self._begun = opened.begun

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
        reader = Events(self._call, self.headers)
        async for data in self.iter_bytes():
            for event in reader.feed(data):
                yield event

    async def documents(self) -> AsyncIterator[Any]:
        """Give lines of JSON, parsed; one that tells of a failure is raised."""
        reader = Documents(self._call, self.headers)
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

    A task that is cancelled stops at once, also while it waits. The cause of its
    CancelledError is then the CallError that says what the call had met.
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
        pacing: bool = True,
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
                pacing=pacing,
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
        self, method: str, url: str, **options: Unpack[CallOptions]
    ) -> Response:
        """Make a call and read its answer; a failure is raised as a CallError."""
        async with self.stream(method, url, **options) as stream:
            content = await stream.read()
            return Response(stream.status, stream.headers, content, stream.url)

    @asynccontextmanager
    async def stream(
        self, method: str, url: str, **options: Unpack[CallOptions]
    ) -> AsyncIterator[AsyncStream]:
        """Make a call whose answer is read as it arrives."""
        opened = await self._take(self.course(method, url, options))
        try:
            yield AsyncStream(opened)
        finally:
            await opened.answer.aclose()

    async def get(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """GET; for the options see CallOptions."""
        return await self.request("GET", url, **options)

    async def post(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """POST; for the options see CallOptions."""
        return await self.request("POST", url, **options)

    async def put(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """PUT; for the options see CallOptions."""
        return await self.request("PUT", url, **options)

    async def patch(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """PATCH; for the options see CallOptions."""
        return await self.request("PATCH", url, **options)

    async def delete(self, url: str, **options: Unpack[CallOptions]) -> Response:
        """DELETE; for the options see CallOptions."""
        return await self.request("DELETE", url, **options)

    async def _take(self, steps: Steps[AsyncAnswer]) -> Opened[AsyncAnswer]:
        """Take the steps of a call, and tell it how each of them went."""
        try:
            step = next(steps)
            while True:
                try:
                    done = await self._do(step)
                except BaseException as error:  # noqa: BLE001 - the call sees to it
                    step = steps.throw(error)
                else:
                    step = steps.send(done)
        except StopIteration as end:
            opened: Opened[AsyncAnswer] = end.value
            return opened

    async def _do(self, step: Step[AsyncAnswer]) -> Any:
        if isinstance(step, Send):
            return await self._transport.send(step.request, step.deadline)
        if isinstance(step, Read):
            return await step.answer.read(step.most)
        if isinstance(step, Close):
            return await step.answer.aclose()
        return await self._sleep(step.seconds)
