"""Redirects, which credentials do not follow to other hosts."""

from __future__ import annotations

from urllib.parse import urljoin, urlsplit

from ._failure import Headers
from ._http import Request
from ._rules import RULES

_ABOUT_CONTENT = ("content-type", "content-length", "content-encoding")
_CREDENTIALS = ("authorization", "cookie", "proxy-authorization")


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
