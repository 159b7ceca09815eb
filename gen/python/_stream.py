"""Server-sent events and lines of JSON, as they arrive."""

from __future__ import annotations

import codecs
import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ._call import Call
from ._decode import is_error
from ._failure import Headers
from ._rules import RULES


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event."""

    event: str = "message"
    data: str = ""
    id: str = ""

    def json(self) -> Any:
        """Parse the data."""
        return json.loads(self.data)


class Lines:
    """Cuts bytes into lines that end with CR, LF or both."""

    def __init__(self, ends: str = "\r\n") -> None:
        """Cut at LF alone when ends is ``"\\n"``."""
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._bare_cr = "\r" in ends
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        """Give the lines that are whole, and at the end also one that is not."""
        self._held += self._decoder.decode(data, final)
        while True:
            at = self._end()
            if at is None or (
                at + 1 == len(self._held) and self._held[at] == "\r" and not final
            ):
                break  # an LF may follow
            line, rest = self._held[:at], self._held[at + 1 :]
            if self._held[at] == "\r":
                rest = rest.removeprefix("\n")
            self._held = rest
            yield line
        if final and self._held:
            line, self._held = self._held, ""
            yield line

    def _end(self) -> int | None:
        ends = [self._held.find("\n")]
        if self._bare_cr:
            ends.append(self._held.find("\r"))
        return min((at for at in ends if at >= 0), default=None)


class Events:
    """Reads server-sent events, and raises the one that is an error."""

    def __init__(self, call: Call, status: int, headers: Headers) -> None:
        """Read the events of a call's response."""
        self._call, self._status, self._headers = call, status, headers
        self._lines = Lines()
        self._first = True
        self._name, self._data, self._id = "", list[str](), ""

    def feed(self, data: bytes) -> Iterator[Event]:
        """Give the events that are whole."""
        for line in self._lines.feed(data):
            if self._first:
                line, self._first = line.removeprefix("\ufeff"), False
            if line:
                self._take(line)
            elif self._data:
                yield self._done()
            else:
                self._name = ""

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value

    def _done(self) -> Event:
        event = Event(self._name or "message", "\n".join(self._data), self._id)
        self._name, self._data = "", []
        if event.event == (RULES.event or "error"):
            body = event.data.encode()
            raise self._call.streamed(self._status, self._headers, body)
        return event


class Documents:
    """Reads lines of JSON, and raises the one that is an error."""

    def __init__(self, call: Call, status: int, headers: Headers) -> None:
        """Read the lines of a call's response."""
        self._call, self._status, self._headers = call, status, headers
        self._lines = Lines("\n")

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[Any]:
        """Give the lines that are whole."""
        for line in self._lines.feed(data, final=final):
            if not line.strip():
                continue
            body = line.encode()
            if RULES.ndjson and is_error(body, self._headers):
                raise self._call.streamed(self._status, self._headers, body)
            yield json.loads(line)
