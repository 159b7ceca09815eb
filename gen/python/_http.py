"""Sending single requests with the standard library, over kept connections."""

from __future__ import annotations

import http.client
import io
import selectors
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, cast
from urllib.parse import SplitResult, quote, unquote, urlsplit

from ._failure import Headers


@dataclass(frozen=True, slots=True)
class Request:
    """A request as it is sent."""

    method: str
    url: str
    headers: tuple[tuple[str, str], ...] = ()
    content: bytes | Iterable[bytes] | None = None
    """Bytes can be sent again; an iterator is sent once."""

    def header(self, name: str) -> str:
        """Return the first header of that name, in any case; ``""`` for none."""
        return Headers(self.headers).get(name, "")

    @property
    def rewindable(self) -> bool:
        """Whether the body can be sent again."""
        return self.content is None or isinstance(self.content, bytes)


class TransportError(Exception):
    """A request that got no response, or one whose body broke off."""

    def __init__(
        self,
        reason: str,
        *,
        sent: bool = True,
        timed_out: bool = False,
        permanent: bool = False,
        unreadable: bool = False,
    ) -> None:
        super().__init__(reason)
        self.sent = sent
        """False when it is proven that there was no connection to send it on."""
        self.timed_out = timed_out
        self.permanent = permanent
        """Whether a second attempt would meet the same."""
        self.unreadable = unreadable
        """Whether the network did its part, and the body is at fault."""


class Answer(Protocol):
    """A response whose body is not read yet."""

    status: int
    headers: Headers

    def limit(self, deadline: float | None) -> None:
        """Set until when reading may take, by ``time.monotonic``."""

    def read(self, most: int) -> bytes:
        """Read what is there, at least a byte; ``b""`` at the end."""

    def close(self) -> None:
        """Free the connection."""


class Transport(Protocol):
    """Sends single requests. It may be used by several threads at once."""

    def send(self, request: Request, deadline: float | None) -> Answer:
        """Return the response; raise TransportError when there is none.

        The deadline, by ``time.monotonic``, is for the response's headers.
        """

    def close(self) -> None:
        """Close what is kept open."""


class HTTPTransport:
    """Sends requests with ``http.client``, over connections that are kept.

    Proxies are taken from the environment, as ``urllib`` does.
    """

    def __init__(
        self,
        *,
        ssl_context: ssl.SSLContext | None = None,
        max_idle: int = 10,
        idle_seconds: float = 60.0,
    ) -> None:
        """Keep at most max_idle connections to a host, for idle_seconds."""
        self._context = ssl_context
        self._max_idle = max_idle
        self._idle_seconds = idle_seconds
        self._lock = threading.Lock()
        self._idle: dict[tuple[str, str], list[Connection]] = {}

    def send(self, request: Request, deadline: float | None) -> Answer:
        """Return the response; raise TransportError when there is none."""
        return self.send_watched(request, deadline, lambda connection: None)

    def send_watched(
        self,
        request: Request,
        deadline: float | None,
        watch: Callable[[Connection], None],
    ) -> Response:
        """Send, and show the connection to somebody who may abort it."""
        parts = urlsplit(request.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise TransportError(
                f"{request.url!r} is no http or https URL", sent=False, permanent=True
            )
        connection = self._take(parts) or self._open(parts)
        watch(connection)
        try:
            if connection.wire is None:
                connection.connect(deadline)
            response = connection.exchange(request, parts, deadline)
        except BaseException:
            connection.close()
            raise
        return Response(self, connection, response)

    def close(self) -> None:
        """Close idle connections."""
        with self._lock:
            idle, self._idle = self._idle, {}
        for kept in idle.values():
            for connection in kept:
                connection.close()

    def _take(self, parts: SplitResult) -> Connection | None:
        key = (parts.scheme, parts.netloc.rpartition("@")[2])
        while True:
            with self._lock:
                kept = self._idle.get(key)
                if not kept:
                    return None
                connection = kept.pop()
            if connection.alive(self._idle_seconds):
                return connection
            connection.close()

    def _open(self, parts: SplitResult) -> Connection:
        if parts.scheme == "https" and self._context is None:
            self._context = ssl.create_default_context()
        return Connection(parts, self._context)

    def keep(self, connection: Connection) -> None:
        """Take a connection back whose response was read to its end."""
        connection.rested = time.monotonic()
        with self._lock:
            kept = self._idle.setdefault(connection.key, [])
            kept.append(connection)
            oldest = kept.pop(0) if len(kept) > self._max_idle else None
        if oldest:
            oldest.close()


class Connection:
    """A connection to one host, perhaps through a proxy."""

    def __init__(self, parts: SplitResult, context: ssl.SSLContext | None) -> None:
        self.key = (parts.scheme, parts.netloc.rpartition("@")[2])
        self.rested = 0.0
        self.wire: _Wire | None = None
        self._aborted = False
        host, port = str(parts.hostname), parts.port
        self._proxy = _proxy_for(parts)
        at = (
            (host, port)
            if self._proxy is None
            else (str(self._proxy.hostname), self._proxy.port or 80)
        )
        if parts.scheme == "https":
            self._http: http.client.HTTPConnection = http.client.HTTPSConnection(
                *at, context=context
            )
            if self._proxy is not None:
                self._http.set_tunnel(host, port, headers=_proxy_login(self._proxy))
        else:
            self._http = http.client.HTTPConnection(*at)
        self._http.response_class = _Parser

    def connect(self, deadline: float | None) -> None:
        try:
            self._http.timeout = _left(deadline)
            self._http.connect()
        except (OSError, http.client.HTTPException) as error:
            raise TransportError(
                _reason(error),
                sent=False,
                timed_out=isinstance(error, TimeoutError),
                permanent=isinstance(error, ssl.SSLCertVerificationError)
                or "WRONG_VERSION_NUMBER" in str(error),
            ) from error
        self.wire = _Wire(self._http.sock)
        self._http.sock = cast(socket.socket, self.wire)
        if self._aborted:
            self.close()

    def exchange(
        self, request: Request, parts: SplitResult, deadline: float | None
    ) -> http.client.HTTPResponse:
        assert self.wire is not None
        self.wire.deadline = deadline
        broken: OSError | None = None
        try:
            try:
                self._write(request, parts)
            except (BrokenPipeError, ConnectionResetError) as error:
                broken = error  # a refusal may have come before the end of the body
            return self._http.getresponse()
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = isinstance(error, TimeoutError)
            raise TransportError(_reason(broken or error), timed_out=late) from error

    def _write(self, request: Request, parts: SplitResult) -> None:
        target = quote(parts.path or "/", safe="/%:@!$&'()*+,;=~")
        if parts.query:
            target += "?" + quote(parts.query, safe="/%:@!$&'()*+,;=~?[]")
        headers = list(request.headers)
        if self._proxy is not None and parts.scheme == "http":
            target = f"http://{self.key[1]}{target}"
            headers += _proxy_login(self._proxy).items()
        names = {name.lower() for name, _ in headers}
        write = self._http
        write.putrequest(request.method, target, "host" in names, True)
        content, chunked = request.content, False
        if "accept-encoding" not in names:
            write.putheader("Accept-Encoding", "identity")
        if isinstance(content, bytes) or content is None:
            if content or request.method in ("POST", "PUT", "PATCH"):
                write.putheader("Content-Length", str(len(content or b"")))
        elif "content-length" not in names:
            write.putheader("Transfer-Encoding", "chunked")
            chunked = True
        for name, value in headers:
            if name.lower() != "content-length" or not isinstance(content, bytes):
                write.putheader(name, value.encode("latin-1", "replace"))
        write.endheaders(content, encode_chunked=chunked)

    def alive(self, idle_seconds: float) -> bool:
        """Whether the other side has kept an idle connection open."""
        if self.wire is None or time.monotonic() - self.rested > idle_seconds:
            return False
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self.wire.socket, selectors.EVENT_READ)
                return not selector.select(0)
        except (OSError, ValueError):
            return False

    def abort(self) -> None:
        """End whatever another thread does with the connection."""
        self._aborted = True
        if self.wire is not None:
            self.wire.abort()

    def close(self) -> None:
        self._http.close()


class _Parser(http.client.HTTPResponse):
    """Passes over interim responses, such as 103 (RFC 9110 section 15.2)."""

    def begin(self) -> None:
        super().begin()
        while 100 < self.status < 200 and self.status != 101:
            self.headers = self.msg = None  # type: ignore[assignment]
            super().begin()


class _Wire:
    """A socket whose operations end at a common deadline."""

    def __init__(self, connected: socket.socket) -> None:
        self.socket = connected
        self.deadline: float | None = None
        self._readers = 0
        self._closed = False

    def sendall(self, data: bytes) -> None:
        self.socket.settimeout(_left(self.deadline))
        self.socket.sendall(data)

    def makefile(self, mode: str) -> io.BufferedReader:
        self._readers += 1
        return io.BufferedReader(_Reader(self))

    def release(self) -> None:
        """Note that a reader is closed."""
        self._readers -= 1
        if self._closed and self._readers <= 0:
            self.socket.close()

    def abort(self) -> None:
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass  # it has ended by itself

    def close(self) -> None:
        """Close the socket once nobody reads from it.

        ``http.client`` closes a connection that ends with its response as soon as
        it knows of that, before the body is read.
        """
        self._closed = True
        if self._readers <= 0:
            self.socket.close()


class _Reader(io.RawIOBase):
    def __init__(self, wire: _Wire) -> None:
        self._wire = wire

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview, /) -> int:  # type: ignore[override]
        self._wire.socket.settimeout(_left(self._wire.deadline))
        return self._wire.socket.recv_into(buffer)

    def close(self) -> None:
        if not self.closed:
            self._wire.release()
        super().close()


class Response:
    """A response over a kept connection."""

    def __init__(
        self,
        owner: HTTPTransport,
        connection: Connection,
        response: http.client.HTTPResponse,
    ) -> None:
        self.status = response.status
        self.headers = Headers(tuple(response.getheaders()))
        self.connection = connection
        self._owner = owner
        self._response = response
        self._over = False
        self._freed = False

    def limit(self, deadline: float | None) -> None:
        """Set until when reading may take, by ``time.monotonic``."""
        if self.connection.wire is not None:
            self.connection.wire.deadline = deadline

    def read(self, most: int) -> bytes:
        """Read what is there; ``b""`` at the end."""
        if self._over:
            return b""
        try:
            data = self._response.read1(most)
        except (OSError, http.client.HTTPException, ValueError) as error:
            late = isinstance(error, TimeoutError)
            raise TransportError(_reason(error), timed_out=late) from error
        if not data:
            if self._response.length:
                raise TransportError("the response's body broke off")
            self._over = True
        return data

    def close(self) -> None:
        """Free the connection, for another request when all was read."""
        if self._freed:
            return
        self._freed = True
        reusable = self._over and not self._response.will_close
        self._response.close()
        if reusable:
            self._owner.keep(self.connection)
        else:
            self.connection.close()


def _left(deadline: float | None) -> float | None:
    if deadline is None:
        return None
    left = deadline - time.monotonic()
    if left <= 0:
        raise TimeoutError("no answer in time")
    return left


def _reason(error: BaseException) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    text = str(error)
    return text if text else type(error).__name__


def _proxy_for(parts: SplitResult) -> SplitResult | None:
    host = str(parts.hostname)
    if host == "localhost" or host.startswith("127.") or host == "::1":
        return None
    address = urllib.request.getproxies().get(parts.scheme)
    if not address or urllib.request.proxy_bypass(host):
        return None
    return urlsplit(address if "//" in address else f"http://{address}")


def _proxy_login(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    import base64

    login = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    word = base64.b64encode(login.encode()).decode()
    return {"Proxy-Authorization": f"Basic {word}"}
