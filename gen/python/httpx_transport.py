"""Sending single requests with httpx, which is not needed otherwise."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import TypeVar

import httpx

from ._failure import Headers
from ._http import Request, TransportError

T = TypeVar("T")


class HttpxTransport:
    """Sends through an ``httpx.Client``: ``Client(transport=HttpxTransport())``.

    httpx bounds each operation instead of the whole, so that an attempt may take
    somewhat longer than its time.
    """

    def __init__(self, client: httpx.Client | None = None) -> None:
        """Send through a client of yours, which stays open, or one of its own."""
        self._owned = client is None
        self._client = client or httpx.Client()

    def send(self, request: Request, deadline: float | None) -> HttpxAnswer:
        """Return the response; raise TransportError when there is none."""
        try:
            made = self._client.build_request(
                request.method,
                request.url,
                headers=list(request.headers),
                content=request.content,
                timeout=_left(deadline),
            )
            response = self._client.send(made, stream=True, follow_redirects=False)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _translated(error) from error
        return HttpxAnswer(response)

    def close(self) -> None:
        """Close a client of its own."""
        if self._owned:
            self._client.close()


class HttpxAnswer:
    """A response whose body is not read yet."""

    def __init__(self, response: httpx.Response) -> None:
        self.status = response.status_code
        self.headers = Headers(tuple(response.headers.multi_items()))
        self._response = response
        self._pieces: Iterator[bytes] = response.iter_bytes()
        self._held = b""

    def limit(self, deadline: float | None) -> None:
        """Reading stays bound by httpx's own timeouts."""
        timeout = {"read": _left(deadline)}
        self._response.request.extensions.setdefault("timeout", {}).update(timeout)

    def read(self, most: int) -> bytes:
        """Read what is there; ``b""`` at the end."""
        try:
            data = self._held or next(self._pieces, b"")
        except (httpx.HTTPError, OSError) as error:
            raise _translated(error) from error
        self._held = data[most:]
        return data[:most]

    def close(self) -> None:
        """Free the connection."""
        self._response.close()


class AsyncHttpxTransport:
    """Sends through an ``httpx.AsyncClient``."""

    def __init__(self, client: httpx.AsyncClient | None = None) -> None:
        """Send through a client of yours, which stays open, or one of its own."""
        self._owned = client is None
        self._client = client or httpx.AsyncClient()

    async def send(self, request: Request, deadline: float | None) -> AsyncHttpxAnswer:
        """Return the response; raise TransportError when there is none."""
        content = request.content
        try:
            made = self._client.build_request(
                request.method,
                request.url,
                headers=list(request.headers),
                content=content
                if isinstance(content, bytes) or content is None
                else _pieces(iter(content)),
                timeout=None,
            )
            sending = self._client.send(made, stream=True, follow_redirects=False)
            response = await _before(deadline, sending)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            raise _translated(error) from error
        return AsyncHttpxAnswer(response, deadline)

    async def aclose(self) -> None:
        """Close a client of its own."""
        if self._owned:
            await self._client.aclose()


class AsyncHttpxAnswer:
    """A response whose body is not read yet."""

    def __init__(self, response: httpx.Response, deadline: float | None) -> None:
        self.status = response.status_code
        self.headers = Headers(tuple(response.headers.multi_items()))
        self._response = response
        self._pieces: AsyncIterator[bytes] = response.aiter_bytes()
        self._held = b""
        self._deadline = deadline

    def limit(self, deadline: float | None) -> None:
        """Set until when reading may take, by ``time.monotonic``."""
        self._deadline = deadline

    async def read(self, most: int) -> bytes:
        """Read what is there; ``b""`` at the end."""
        try:
            data = self._held
            if not data:
                data = await _before(self._deadline, anext(self._pieces))
        except StopAsyncIteration:
            return b""
        except (httpx.HTTPError, OSError) as error:
            raise _translated(error) from error
        self._held = data[most:]
        return data[:most]

    async def aclose(self) -> None:
        """Free the connection."""
        await self._response.aclose()


async def _pieces(content: Iterator[bytes]) -> AsyncIterator[bytes]:
    for piece in content:
        yield piece


async def _before(deadline: float | None, work: Awaitable[T]) -> T:
    try:
        return await asyncio.wait_for(work, _left(deadline))
    except asyncio.TimeoutError as error:
        raise TransportError("no answer in time", timed_out=True) from error


def _left(deadline: float | None) -> float | None:
    return None if deadline is None else max(deadline - time.monotonic(), 0.001)


def _translated(error: Exception) -> TransportError:
    permanent = isinstance(error, (httpx.UnsupportedProtocol, httpx.InvalidURL))
    inner: BaseException | None = error
    while inner is not None:
        permanent = permanent or isinstance(inner, ssl.SSLCertVerificationError)
        permanent = permanent or "WRONG_VERSION_NUMBER" in str(inner)
        inner = inner.__cause__ or inner.__context__
    unsent = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
    return TransportError(
        str(error) or type(error).__name__,
        sent=not isinstance(error, (*unsent, httpx.UnsupportedProtocol)),
        timed_out=isinstance(error, (httpx.TimeoutException, TimeoutError)),
        permanent=permanent,
    )
