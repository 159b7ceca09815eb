"""The clients: one that blocks, one for asyncio."""

from __future__ import annotations

import asyncio
import json as _json
import logging
import time
from collections.abc import (
    AsyncIterator,
    Awaitable,
    Callable,
    Iterable,
    Iterator,
    Mapping,
)
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlencode, urljoin, urlsplit

from ._async import AsyncAnswer, AsyncTransport, default_transport
from ._budget import Budget
from ._call import MAX_BODY, Again, Call, Gate, OnAttempt, Runtime, Settings
from ._errors import CallError
from ._failure import NANOSECONDS, Headers
from ._http import Answer, HTTPTransport, Request, Transport, TransportError
from ._rules import RULES
from ._stream import Documents, Event, Events

if TYPE_CHECKING:
    from typing_extensions import Self

Query = Mapping[str, Any] | None
Content = bytes | str | Iterable[bytes] | None

_MOST_REDIRECTS = 10
_PIECE = 64 << 10
_ABOUT_CONTENT = ("content-type", "content-length", "content-encoding")
_CREDENTIALS = ("authorization", "cookie", "proxy-authorization")


@dataclass(frozen=True, slots=True)
class Response:
    """A success, with its whole body."""

    status: int
    headers: Headers
    content: bytes
    url: str

    @property
    def text(self) -> str:
        """The body as text."""
        return self.content.decode(errors="replace")

    def json(self) -> Any:
        """Parse the body."""
        return _json.loads(self.content)

    @property
    def request_id(self) -> str | None:
        """What support asks for, where the API sends it in a header."""
        return self.headers.get(RULES.request_id_header)


class _Base:
    """What both clients share."""

    def __init__(
        self,
        base_url: str,
        headers: Mapping[str, str] | None,
        settings: Settings,
    ) -> None:
        self.base_url = base_url.rstrip("/")
        self._headers = tuple((headers or {}).items())
        self._settings = settings
        self._gate = Gate(settings)

    def _request(
        self,
        method: str,
        url: str,
        params: Query,
        headers: Mapping[str, str] | None,
        json: Any,
        content: Content,
        idempotency_key: str | None,
    ) -> Request:
        if not urlsplit(url).scheme:
            url = f"{self.base_url}/{url.lstrip('/')}"
        if params:
            given = {name: value for name, value in params.items() if value is not None}
            url += ("&" if "?" in url else "?") + urlencode(given, doseq=True)
        more = tuple((headers or {}).items())
        if json is not None:
            content = _json.dumps(json, separators=(",", ":")).encode()
            more = (("Content-Type", "application/json"), *more)
        if isinstance(content, str):
            content = content.encode()
        elif isinstance(content, (bytearray, memoryview)):
            content = bytes(content)
        if idempotency_key is not None and RULES.key_header:
            more = (*more, (RULES.key_header, idempotency_key))
        merged: dict[str, tuple[str, str]] = {}
        for name, value in (*self._headers, *more):
            merged[name.lower()] = (name, value)
        return Request(method.upper(), url, tuple(merged.values()), content)

    def _deadline(self, timeout: float | None) -> int | None:
        timeout = self._settings.timeout if timeout is None else timeout
        if timeout is None:
            return None
        return self._settings.runtime.monotonic() + int(timeout * NANOSECONDS)


def _redirected(request: Request, status: int, headers: Headers) -> Request | None:
    """Return the request that a redirect asks for (RFC 9110 section 15.4)."""
    location = headers.get("Location")
    if location is None or status not in (301, 302, 303, 307, 308):
        return None
    url = urljoin(request.url, location)
    method, content, kept = request.method, request.content, request.headers
    if status in (307, 308):
        if not request.rewindable:
            return None
    elif method not in ("GET", "HEAD"):
        method, content = "GET", None
        kept = tuple(h for h in kept if h[0].lower() not in _ABOUT_CONTENT)
        kept = tuple(h for h in kept if h[0].lower() != RULES.key_header.lower())
    old, new = urlsplit(request.url), urlsplit(url)
    if (old.scheme, old.netloc) != (new.scheme, new.netloc):
        named = {name.lower() for place, name in RULES.schemes if place == "header"}
        secret = named.union(_CREDENTIALS)
        kept = tuple(h for h in kept if h[0].lower() not in secret)
    return Request(method, url, kept, content)


@dataclass(frozen=True, slots=True)
class _Begun:
    """What was read of a body to see whether it tells of a failure."""

    data: bytes = b""
    error: TransportError | None = None
    """Why there is no more."""


class Stream:
    """A success whose body is read as it arrives. Use it in a ``with`` block."""

    def __init__(self, call: Call, answer: Answer, begun: _Begun, url: str) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.url = url
        self._call, self._answer, self._begun = call, answer, begun

    def iter_bytes(self) -> Iterator[bytes]:
        """Give the body in pieces; one that breaks off is an error."""
        begun, self._begun = self._begun, _Begun()
        if begun.data:
            yield begun.data
        if begun.error is not None:
            raise self._call.broken(self.headers, begun.error) from begun.error
        while True:
            try:
                data = self._answer.read(_PIECE)
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


class Client(_Base):
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
            headers: Go with each call; credentials belong here.
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
        request = self._request(
            method, url, params, headers, json, content, idempotency_key
        )
        deadline = self._deadline(timeout)
        for _ in range(_MOST_REDIRECTS + 1):
            call = self._gate.begin(request, deadline, max_attempts)
            answer, begun = self._attempt(call)
            try:
                following = _redirected(request, answer.status, answer.headers)
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

    def _attempt(self, call: Call) -> tuple[Answer, _Begun]:
        """Send until there is a success; also return what was read of its body."""
        while True:
            verdict: Again | CallError | None
            cause: TransportError | None = None
            request, seconds = call.next()
            try:
                answer = self._transport.send(request, _until(seconds))
            except TransportError as error:
                verdict, cause = call.failed(error), error
            else:
                try:
                    begun, verdict = _Begun(), None
                    if call.may_fail(answer.status, answer.headers):
                        begun = _peek(answer)
                        verdict = call.answered(
                            answer.status, answer.headers, begun.data
                        )
                    else:
                        call.succeeded(answer.status)
                    if verdict is None:
                        answer.limit(_until(call.left()))
                        return answer, begun
                except BaseException:
                    answer.close()
                    raise
                answer.close()
            if isinstance(verdict, Again):
                self._sleep(verdict.wait / NANOSECONDS)
                continue
            raise verdict from cause


def _peek(answer: Answer) -> _Begun:
    """Read the beginning of a body; one that breaks off ends there."""
    data = b""
    while len(data) < MAX_BODY:
        try:
            more = answer.read(MAX_BODY - len(data))
        except TransportError as error:
            return _Begun(data, error)
        if not more:
            break
        data += more
    return _Begun(data)


def _until(seconds: float | None) -> float | None:
    return None if seconds is None else time.monotonic() + seconds


class AsyncStream:
    """A success whose body is read as it arrives. Use it in ``async with``."""

    def __init__(
        self, call: Call, answer: AsyncAnswer, begun: _Begun, url: str
    ) -> None:
        self.status = answer.status
        self.headers = answer.headers
        self.url = url
        self._call, self._answer, self._begun = call, answer, begun

    async def iter_bytes(self) -> AsyncIterator[bytes]:
        """Give the body in pieces; one that breaks off is an error."""
        begun, self._begun = self._begun, _Begun()
        if begun.data:
            yield begun.data
        if begun.error is not None:
            raise self._call.broken(self.headers, begun.error) from begun.error
        while True:
            try:
                data = await self._answer.read(_PIECE)
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


class AsyncClient(_Base):
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
        request = self._request(
            method, url, params, headers, json, content, idempotency_key
        )
        deadline = self._deadline(timeout)
        for _ in range(_MOST_REDIRECTS + 1):
            call = self._gate.begin(request, deadline, max_attempts)
            answer, begun = await self._attempt(call)
            try:
                following = _redirected(request, answer.status, answer.headers)
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

    async def _attempt(self, call: Call) -> tuple[AsyncAnswer, _Begun]:
        """Send until there is a success; also return what was read of its body."""
        while True:
            verdict: Again | CallError | None
            cause: TransportError | None = None
            request, seconds = call.next()
            try:
                answer = await self._transport.send(request, _until(seconds))
            except TransportError as error:
                verdict, cause = call.failed(error), error
            else:
                try:
                    begun, verdict = _Begun(), None
                    if call.may_fail(answer.status, answer.headers):
                        begun = await _peek_async(answer)
                        verdict = call.answered(
                            answer.status, answer.headers, begun.data
                        )
                    else:
                        call.succeeded(answer.status)
                    if verdict is None:
                        answer.limit(_until(call.left()))
                        return answer, begun
                except BaseException:
                    await answer.aclose()
                    raise
                await answer.aclose()
            if isinstance(verdict, Again):
                await self._sleep(verdict.wait / NANOSECONDS)
                continue
            raise verdict from cause


async def _peek_async(answer: AsyncAnswer) -> _Begun:
    """Read the beginning of a body; one that breaks off ends there."""
    data = b""
    while len(data) < MAX_BODY:
        try:
            more = await answer.read(MAX_BODY - len(data))
        except TransportError as error:
            return _Begun(data, error)
        if not more:
            break
        data += more
    return _Begun(data)
