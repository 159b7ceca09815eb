"""What both clients share."""

from __future__ import annotations

import json as _json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypedDict
from urllib.parse import urlencode, urlsplit

from ._call import Gate, Settings, Wishes
from ._failure import NANOSECONDS, Headers
from ._http import Request
from ._redirect import origin
from ._rules import RULES
from ._steps import A, Steps, course

Query = Mapping[str, Any] | None
Content = bytes | str | Iterable[bytes] | None

PIECE = 64 << 10


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


class CallOptions(TypedDict, total=False):
    """What a single call can be told. Times are in seconds."""

    params: Query
    """Added to the URL."""
    headers: Mapping[str, str] | None
    json: Any
    """Sent as the body, unless it is None."""
    content: Content
    """The body as it stands; an iterable is sent once."""
    timeout: float | None
    """For the whole call, waits included."""
    attempt_timeout: float | None
    """Until the headers of a response. 0 or less: no bound."""
    max_attempts: int | None
    max_wait: float | None
    """The longest single wait. 0 or less: no bound."""
    idempotency_key: str | None
    """The key of this call; the same for the same intent."""
    pacing: bool
    """False sends the call at once, whatever is known of its limit."""


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

    def course(self, method: str, url: str, options: CallOptions) -> Steps[A]:
        """Begin a call; somebody has to take its steps."""
        return course(self._gate, *self._prepare(method, url, **options))

    def _prepare(
        self,
        method: str,
        url: str,
        *,
        params: Query = None,
        headers: Mapping[str, str] | None = None,
        json: Any = None,
        content: Content = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
        attempt_timeout: float | None = None,
        max_attempts: int | None = None,
        max_wait: float | None = None,
        pacing: bool = True,
    ) -> tuple[Request, Wishes]:
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
        request = Request(method.upper(), url, tuple(merged.values()), content)
        deadline = self._deadline(timeout)
        wishes = Wishes(deadline, max_attempts, max_wait, attempt_timeout, pacing)
        return request, wishes

    def _deadline(self, timeout: float | None) -> int | None:
        timeout = self._settings.timeout if timeout is None else timeout
        if timeout is None:
            return None
        return self._settings.runtime.monotonic() + int(timeout * NANOSECONDS)
