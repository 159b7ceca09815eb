"""Takes the credentials of a request out of whatever is kept of its call.

By value, since servers echo what they were sent.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl, quote, quote_plus, unquote_plus, urlsplit

from ._failure import Failure, Headers, ItemFailure
from ._hint import words

REDACTED = "[redacted]"

# A value is only taken out of other text when it is too long to be there by
# chance; a shorter one where the contract says that it is a credential.
_LEAST = 4
_LEAST_LIKELY = 8
_MOST = 64

_HEADERS = frozenset(
    words(
        "authorization proxy-authorization x-api-key api-key apikey x-auth-token "
        "x-access-token x-csrf-token x-amz-security-token x-goog-api-key "
        "ocp-apim-subscription-key private-token"
    )
)
_QUERIES = frozenset(
    words(
        "key api_key apikey api-key access_token token auth auth_token password secret "
        "client_secret sig signature x-amz-signature x-amz-security-token "
        "x-goog-signature code refresh_token id_token jwt"
    )
)
_ESCAPE = re.compile(rb"\\(?:u([0-9a-fA-F]{4})|([^u]))", re.DOTALL)


class Secrets:
    """The credentials of one request, in each form in which they may be echoed."""

    def __init__(
        self,
        url: str,
        headers: Iterable[tuple[str, str]],
        schemes: Iterable[tuple[str, str]],
    ) -> None:
        """Find them; schemes are places the contract names, as (in, name)."""
        self._names = set(_QUERIES)
        self._values: list[str] = []
        declared: set[str] = set()
        named = set(_HEADERS)
        for place, name in schemes:
            if place == "query":
                declared.add(name)
                self._names.add(name.lower())
            else:
                named.add(name.lower())
        for name, value in headers:
            if name.lower() in named:
                self._credential(value)
            elif name.lower() == "cookie":
                for part in value.split(";"):
                    self._add(_LEAST_LIKELY, part.partition("=")[2].strip().strip('"'))
        parts = urlsplit(url)
        for name, value in parse_qsl(parts.query):
            if name in declared:
                self._add(_LEAST, value)
            elif name.lower() in self._names:
                self._add(_LEAST_LIKELY, value)
        if parts.password:
            self._add(_LEAST, parts.password)
        forms = {form for value in self._values for form in _forms(value)}
        ordered = sorted(forms, key=lambda form: (-len(form), form))
        pattern = "|".join(re.escape(form) for form in ordered)
        self._text = re.compile(pattern) if forms else None
        self._bytes = re.compile(pattern.encode()) if forms else None

    def _credential(self, value: str) -> None:
        self._add(_LEAST, value)
        scheme, blank, token = value.partition(" ")
        if not blank:
            return
        self._add(_LEAST, token.strip())
        if scheme.lower() == "basic":
            try:
                plain = base64.b64decode(token.strip(), validate=True).decode()
            except (binascii.Error, UnicodeDecodeError):
                return
            self._add(_LEAST, plain)
            self._add(_LEAST, plain.partition(":")[2])

    def _add(self, least: int, value: str) -> None:
        if len(value) >= least and len(self._values) < _MOST:
            self._values.append(value)

    def text(self, value: str) -> str:
        """Clean a string."""
        return self._text.sub(REDACTED, value) if self._text else value

    def body(self, value: bytes) -> bytes:
        """Clean bytes, also where JSON's escapes hide a credential."""
        if not self._bytes:
            return value
        value = self._bytes.sub(REDACTED.encode(), value)
        if b"\\" not in value:
            return value
        plain, origin = _unescaped(value)
        out, done = bytearray(), 0
        for found in self._bytes.finditer(plain):
            out += value[done : origin[found.start()]] + REDACTED.encode()
            done = origin[found.end()]
        return bytes(out + value[done:])

    def headers(self, headers: Headers) -> Headers:
        """Copy headers without credentials, sent or handed out."""
        return Headers(
            tuple(
                (name, REDACTED if name.lower() == "set-cookie" else self.text(value))
                for name, value in headers.items_all()
            )
        )

    def address(self, url: str) -> str:
        """Take credentials and fragment off a URL."""
        parts = urlsplit(url)
        host = parts.netloc
        if "@" in host:
            host = "redacted@" + host.rpartition("@")[2]
        query = [
            part.partition("=")[0] + "=redacted"
            if unquote_plus(part.partition("=")[0]).lower() in self._names
            else part
            for part in parts.query.split("&")
        ]
        clean = parts._replace(netloc=host, query="&".join(query), fragment="")
        return self.text(clean.geturl())

    def failure(self, f: Failure) -> Failure:
        """Clean what was decoded, which may have undone what hid a value."""
        if not self._text:
            return f
        return replace(
            f,
            wire_code=self.text(f.wire_code),
            message=self.text(f.message),
            type=self.text(f.type),
            request_id=self.text(f.request_id),
            quoted_id=self.text(f.quoted_id),
            why=tuple(self.text(w) for w in f.why),
            params={name: self.value(v) for name, v in f.params.items()},
            fields=tuple(
                replace(
                    x,
                    path=tuple(self.text(step) for step in x.path),
                    message=self.text(x.message),
                    code=self.text(x.code),
                )
                for x in f.fields
            ),
            items=tuple(
                ItemFailure(
                    x.index, self.text(x.id), self.text(x.name), self.failure(x.failure)
                )
                for x in f.items
            ),
        )

    def value(self, value: Any) -> Any:
        """Clean the strings within a JSON value."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.value(v) for v in value]
        if isinstance(value, Mapping):
            return {name: self.value(v) for name, v in value.items()}
        return value


def _forms(value: str) -> tuple[str, ...]:
    numeric = value.translate({ord(c): f"&#{ord(c)};" for c in "\"'"})
    return (
        value,
        quote_plus(value),
        quote(value, safe=""),
        quote(value, safe="$&+:=@"),
        html.escape(value),
        html.escape(numeric, quote=False).replace("&amp;#", "&#"),
    )


def _unescaped(value: bytes) -> tuple[bytes, list[int]]:
    """Undo JSON's escapes; the list says where each byte came from."""
    plain, origin, done = bytearray(), list[int](), 0
    for found in _ESCAPE.finditer(value):
        plain += value[done : found.start()]
        origin += range(done, found.start())
        done = found.end()
        code = chr(int(found[1], 16)).encode(errors="replace") if found[1] else found[2]
        plain += code
        origin += [found.start()] * len(code)
    plain += value[done:]
    origin += range(done, len(value) + 1)
    return bytes(plain), origin
