"""What both clients share."""

from __future__ import annotations

import json as _json
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

from ._call import Gate, Settings
from ._failure import NANOSECONDS, Headers
from ._http import Request, TransportError
from ._rules import RULES

Query = Mapping[str, Any] | None
Content = bytes | str | Iterable[bytes] | None

MOST_REDIRECTS = 10
PIECE = 64 << 10
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


class Base:
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

    def make_request(
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
        # Credentials stay with the API, whatever URL a call is given.
        own = self._headers
        if self.base_url and origin(url) != origin(self.base_url):
            own = ()
        merged: dict[str, tuple[str, str]] = {}
        for name, value in (*own, *more):
            merged[name.lower()] = (name, value)
        return Request(method.upper(), url, tuple(merged.values()), content)

    def deadline(self, timeout: float | None) -> int | None:
        timeout = self._settings.timeout if timeout is None else timeout
        if timeout is None:
            return None
        return self._settings.runtime.monotonic() + int(timeout * NANOSECONDS)


def origin(url: str) -> tuple[str, str]:
    """Return scheme and host of a URL."""
    parts = urlsplit(url)
    return parts.scheme, parts.netloc.rpartition("@")[2].lower()


def redirected(request: Request, status: int, headers: Headers) -> Request | None:
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
    if origin(request.url) != origin(url):
        named = {name.lower() for place, name in RULES.schemes if place == "header"}
        secret = named.union(_CREDENTIALS)
        kept = tuple(h for h in kept if h[0].lower() not in secret)
    return Request(method, url, kept, content)


@dataclass(frozen=True, slots=True)
class Begun:
    """What was read of a body to see whether it tells of a failure."""

    data: bytes = b""
    error: TransportError | None = None
    """Why there is no more."""


def until(seconds: float | None) -> float | None:
    """Return the instant that is seconds away, by ``time.monotonic``."""
    return None if seconds is None else time.monotonic() + seconds
