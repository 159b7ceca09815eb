"""Sending single requests from asyncio: by httpx, else by threads."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import Callable
from typing import Protocol, TypeVar

from ._failure import Headers
from ._http import Connection, HTTPTransport, Request, Response

T = TypeVar("T")


class AsyncAnswer(Protocol):
    """A response whose body is not read yet."""

    status: int
    headers: Headers

    def limit(self, deadline: float | None) -> None:
        """Set until when reading may take, by ``time.monotonic``."""

    async def read(self, most: int) -> bytes:
        """Read what is there, at least a byte; ``b""`` at the end."""

    async def aclose(self) -> None:
        """Free the connection."""


class AsyncTransport(Protocol):
    """Sends single requests for several tasks at once."""

    async def send(self, request: Request, deadline: float | None) -> AsyncAnswer:
        """Return the response; raise TransportError when there is none.

        The deadline, by ``time.monotonic``, is for the response's headers.
        """

    async def aclose(self) -> None:
        """Close what is kept open."""


def default_transport() -> AsyncTransport:
    """Take httpx where it is installed, else threads."""
    if importlib.util.find_spec("httpx") is None:
        return ThreadTransport()
    from .httpx_transport import AsyncHttpxTransport

    return AsyncHttpxTransport()


class ThreadTransport:
    """Sends from threads, with the standard library alone.

    At most as many calls run at once as asyncio's pool has threads.
    """

    def __init__(self, inner: HTTPTransport | None = None) -> None:
        """Send through another transport's connections."""
        self._inner = inner or HTTPTransport()

    async def send(self, request: Request, deadline: float | None) -> AsyncAnswer:
        """Return the response; raise TransportError when there is none."""
        watched: list[Connection] = []
        gone: list[bool] = []

        def watch(connection: Connection) -> None:
            watched.append(connection)
            if gone:
                connection.abort()

        def leave() -> None:
            gone.append(True)
            for connection in watched:
                connection.abort()

        def send() -> Response:
            return self._inner.send_watched(request, deadline, watch)

        return _Answer(await _in_thread(send, leave))

    async def aclose(self) -> None:
        """Close idle connections."""
        self._inner.close()


class _Answer:
    def __init__(self, inner: Response) -> None:
        self.status = inner.status
        self.headers = inner.headers
        self._inner = inner

    def limit(self, deadline: float | None) -> None:
        """Set until when reading may take."""
        self._inner.limit(deadline)

    async def read(self, most: int) -> bytes:
        """Read what is there."""
        return await _in_thread(
            lambda: self._inner.read(most), self._inner.connection.abort
        )

    async def aclose(self) -> None:
        """Free the connection."""
        self._inner.close()


async def _in_thread(work: Callable[[], T], leave: Callable[[], None]) -> T:
    """Work in a thread; one that nobody waits for any longer is told to leave."""
    try:
        return await asyncio.to_thread(work)
    except asyncio.CancelledError:
        leave()
        raise
