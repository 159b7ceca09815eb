"""Server-sent events and lines of JSON, as they arrive."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ._call import Call
from ._decode import is_error
from ._errors import CallError
from ._failure import Headers
from ._http import TransportError
from ._rules import RULES

MAX_EVENT = 16 << 20
"""The longest event or line of a stream that is read, in characters."""

_LINE_END = re.compile(r"\r\n|\n|\r")
_LF = re.compile(r"\n")


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event (WHATWG HTML section 9.2)."""

    event: str = "message"
    data: str = ""
    id: str = ""
    """The latest id that the stream gave: what Last-Event-ID should say when the
    stream is asked for again."""
    retry: float | None = None
    """Seconds that the server asks to wait before that."""

    def json(self) -> Any:
        """Parse the data."""
        return json.loads(self.data)


class _Lines:
    """Cuts bytes into lines, without waiting for what follows a line's end."""

    def __init__(self, end: re.Pattern[str]) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._end = end
        self._held: list[str] = []
        self._size = 0
        self._half = False  # a CR came, of which an LF may follow

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[str]:
        """Give the lines that are whole, and at the end also one that is not."""
        text, done = self._decoder.decode(data, final), 0
        if self._half and text:
            text, self._half = text.removeprefix("\n"), False
        for found in self._end.finditer(text):
            self._hold(text[done : found.start()])
            done = found.end()
            self._half = found[0] == "\r" and done == len(text)
            yield self._take()
        self._hold(text[done:])
        if final and self._size:
            yield self._take()

    def _hold(self, text: str) -> None:
        self._held.append(text)
        self._size += len(text)
        if self._size > MAX_EVENT:
            raise _too_long()

    def _take(self) -> str:
        line = "".join(self._held)
        self._held, self._size = [], 0
        return line


class _Reader:
    """What both kinds of streams share."""

    def __init__(self, call: Call, headers: Headers, types: tuple[str, ...]) -> None:
        self._call, self._headers = call, headers
        kind = headers.get("Content-Type", "")
        if kind and kind.partition(";")[0].strip().lower() not in types:
            said = f"the response is {kind}, not {types[0]}"
            raise self._broken(TransportError(said, permanent=True, unreadable=True))

    def _broken(self, error: TransportError) -> CallError:
        return self._call.broken(self._headers, error)

    def _told(self, text: str) -> CallError:
        return self._call.streamed(self._headers, text.encode())


class Events(_Reader):
    """Reads server-sent events, and raises the one that is an error.

    Events that are not whole when the stream ends are dropped, as the
    specification says.
    """

    def __init__(self, call: Call, headers: Headers) -> None:
        """Read the events of a call's response."""
        super().__init__(call, headers, ("text/event-stream",))
        self._lines = _Lines(_LINE_END)
        self._first = True
        self._name, self._id = "", ""
        self._data: list[str] = []
        self._retry: float | None = None
        self._size = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """Give the events that are whole."""
        try:
            for line in self._lines.feed(data):
                if self._first:
                    line, self._first = line.removeprefix("\ufeff"), False
                if line:
                    self._take(line)
                elif self._data:
                    yield self._done()
                else:
                    self._name = ""
        except TransportError as error:
            raise self._broken(error) from error

    def _take(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "data":
            self._data.append(value)
            self._size += len(value)
        elif name == "event":
            self._name = value
        elif name == "id" and "\0" not in value:
            self._id = value
        elif name == "retry" and value.isascii() and value.isdigit():
            self._retry = int(value) / 1000
        if self._size > MAX_EVENT:
            raise _too_long()

    def _done(self) -> Event:
        data = "\n".join(self._data)
        event = Event(self._name or "message", data, self._id, self._retry)
        self._name, self._data, self._retry, self._size = "", [], None, 0
        if event.event == (RULES.event or "error"):
            raise self._told(data)
        return event


_JSON_LINES = (
    "application/x-ndjson",
    "application/jsonl",
    "application/ndjson",
    "application/json-lines",
    "application/jsonlines",
)


class Documents(_Reader):
    """Reads lines of JSON, and raises the one that is an error.

    That is the last one. A line that looks like it is held until it is known
    whether another one follows.
    """

    def __init__(self, call: Call, headers: Headers) -> None:
        """Read the lines of a call's response."""
        super().__init__(call, headers, _JSON_LINES)
        self._lines = _Lines(_LF)
        self._held = ""

    def feed(self, data: bytes, *, final: bool = False) -> Iterator[Any]:
        """Give the lines that are whole."""
        try:
            for line in self._lines.feed(data, final=final):
                if not line.strip():
                    continue
                if self._held:
                    yield json.loads(self._held)
                    self._held = ""
                if RULES.ndjson and is_error(line.encode(), self._headers):
                    self._held = line
                else:
                    yield _parsed(line)
        except TransportError as error:
            raise self._broken(error) from error
        if final:
            self.end()

    def end(self) -> None:
        """Raise the line that was held: the stream is over, well or not."""
        if self._held:
            raise self._told(self._held)


def _parsed(line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        said = "a line of the stream is no JSON"
        raise TransportError(said, permanent=True, unreadable=True) from None


def _too_long() -> TransportError:
    said = "an event of the stream is too long"
    return TransportError(said, permanent=True, unreadable=True)
