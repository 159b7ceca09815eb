"""The contract's rules, out of the data in _contract.py."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any
from urllib.parse import unquote, urlsplit

from ._contract import CONTRACT
from ._failure import NANOSECONDS, Failure, Retry
from ._routes import Operation, Routes
from ._standing import PaceRules

_MILLISECOND = 1_000_000
_LONGEST = 10 * 365 * 86400 * NANOSECONDS
_STATUSES: dict[int, str] = {int(s): of for s, of in CONTRACT["statuses"].items()}


@dataclass(frozen=True, slots=True)
class Node:
    """A part of an envelope's template."""

    kind: str
    literal: Any = None
    slot: str = ""
    param: str = ""
    optional: bool = False
    spread: bool = False
    parts: tuple[Node, ...] = ()
    members: tuple[tuple[str, Node], ...] = ()
    each: Node | None = None
    """The template of one field error."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """A shape of an error."""

    name: str
    body: Node | None
    text: Node | None
    xml: bool
    headers: tuple[tuple[str, Node], ...]
    inside: frozenset[int]
    successes: frozenset[str]
    slots: frozenset[str]


@dataclass(frozen=True, slots=True)
class Param:
    """A public parameter of a code."""

    name: str
    type: str = "string"
    fact: str = ""
    format: str = ""
    prefix: str = ""


Text = tuple[tuple[str, str], ...]
"""Pieces of a text: a literal, or the name of a value."""


@dataclass(frozen=True, slots=True)
class Code:
    """An entry of the catalogue."""

    name: str
    wire: str
    numeric: bool
    status: int
    others: tuple[tuple[int, int], ...]
    subcode: str
    type: str
    title: str
    envelope: str
    meanings: tuple[tuple[str, int], ...]
    retry: Retry | None
    params: Mapping[str, Param]
    messages: tuple[Text, ...]
    friendly: tuple[Text, ...]

    def allows(self, status: int) -> bool:
        """Whether the code may be sent under a status."""
        return (
            status == self.status
            or any(under == status for _, under in self.meanings)
            or any(low <= status <= high for low, high in self.others)
        )

    def condition(self, status: int) -> str:
        """Return what the code means under a status."""
        for condition, under in self.meanings:
            if under == status and status:
                return condition
        return self.meanings[0][0] if self.meanings else condition_of_status(status)

    def param(self, name: str) -> Param | None:
        """Return a declared parameter."""
        return self.params.get(name)


@dataclass(frozen=True, slots=True)
class Hint:
    """Where a response says how long to wait: in a header, or in the body."""

    header: str
    path: tuple[str, ...]
    unit: str
    of_limit: bool
    """The header tells of a limit also where nothing failed."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """first * factor**n, capped, with jitter. Nanoseconds."""

    first: int
    factor: float
    cap: int
    low: float
    high: float
    add: int

    def wait(self, n: int, drawn: float) -> int:
        """Return the wait before retry n, from 0; drawn is from 0 to 1."""
        wait = float(self.first)
        for _ in range(n):
            wait *= max(self.factor, 1.0)
            if 0 < self.cap <= wait:
                wait = float(self.cap)
                break
            if wait > _LONGEST:
                break
        if self.high > 0:
            wait *= self.low + drawn * (self.high - self.low)
        wait += drawn * self.add
        return int(min(wait, _LONGEST))


@dataclass(frozen=True, slots=True)
class Partial:
    """Where a body holds failures of single items."""

    statuses: tuple[tuple[int, int], ...]
    items: tuple[str, ...]
    error: tuple[str, ...]
    id: tuple[str, ...]

    def holds(self, status: int) -> bool:
        """Whether a response under a status may be such a body."""
        return any(low <= status <= high for low, high in self.statuses)


class Rules:
    """The contract, as far as a client obeys it."""

    def __init__(self, data: Mapping[str, Any]) -> None:
        """Read the data."""
        self.api: str = data["api"]
        self.base_url: str = data.get("base_url", "")
        self._base_path: str = data.get("base_path", "")
        self.open_codes: bool = data.get("open_codes", False)
        self.timestamp: str = data.get("timestamp", "")
        self.envelopes = tuple(_envelope(e) for e in data["envelopes"])
        self.codes = tuple(_code(c) for c in data["codes"])
        self._by_name = {code.name: code for code in self.codes}
        self.by_wire: dict[str, tuple[Code, ...]] = {}
        for code in self.codes:
            self.by_wire[code.wire] = (*self.by_wire.get(code.wire, ()), code)
        by_status: Mapping[str, str] = data.get("code_by_status", {})
        self._by_status = {int(status): name for status, name in by_status.items()}
        self._friendly = _texts(data.get("friendly", ()))
        headers = data.get("headers", {})
        self.request_id_header: str = headers.get("request_id", "")
        self.code_header: str = headers.get("code", "")
        self.schemes = tuple((s["in"], s["name"]) for s in data.get("secrets", ()))
        keys = data.get("keys", {})
        self.key_header: str = keys.get("header", "")
        self._key_methods = frozenset(keys.get("methods", ()))
        self._read_retry(data.get("retry", {}), headers.get("reset", ""))
        streams = data.get("streams", {})
        self.event: str = streams.get("event", "")
        self.ndjson: bool = streams.get("ndjson", False)
        self.pace = PaceRules.of(data["pace"]) if data.get("pace") else None
        self.partial = tuple(
            Partial(
                _pairs(p["statuses"]),
                tuple(p.get("items", ())),
                tuple(p.get("error", ())),
                tuple(p.get("id", ())),
            )
            for p in data.get("partial", ())
        )
        self._operations = Routes()
        for o in data.get("operations", ()):
            special = Operation(
                f"{o['method']} {o['path']}",
                o.get("safe", False),
                o.get("unkeyed", False),
                o.get("limited", False),
            )
            self._operations.add(o["method"], o["path"], special)

    def _read_retry(self, data: Mapping[str, Any], reset: str) -> None:
        self.attempts: int = data["attempts"]
        self.timeout = _nanos(data.get("timeout_ms", 0))
        self.backoff = Backoff(
            first=_nanos(data.get("first_ms", 0)),
            factor=data.get("factor", 0),
            cap=_nanos(data.get("cap_ms", 0)),
            low=data.get("low", 0),
            high=data.get("high", 0),
            add=_nanos(data.get("add_ms", 0)),
        )
        self.hints = tuple(
            Hint(
                header=(name := h.get("header", "").lower()),
                path=tuple(h.get("body", ())),
                unit=h.get("unit", "auto"),
                of_limit=name != "" and (name == reset.lower() or "reset" in name),
            )
            for h in data.get("hints", ())
        )
        self.max_hint = _nanos(data.get("max_wait_ms", 0))
        waits = data.get("default_waits_ms", {})
        self.default_waits = {int(s): _nanos(wait) for s, wait in waits.items()}
        self.network: Retry = data["network"]
        self._advice: tuple[tuple[int, int, Retry], ...] = tuple(
            (a["from"], a["to"], a["retry"]) for a in data.get("by_status", ())
        )

    def by_status(self, status: int) -> Code | None:
        """Return the entry for a status whose failures carry no code."""
        return self._by_name.get(self._by_status.get(status, ""))

    def tells_inside(self, status: int) -> bool:
        """Whether failures may stand in bodies under a status below 300."""
        return any(status in e.inside for e in self.envelopes) or any(
            p.holds(status) for p in self.partial
        )

    def name_of(self, failure: Failure) -> str:
        """Name a failure: its code as sent, else its condition."""
        code = self._by_name.get(failure.name)
        if code is not None:
            return code.wire or code.name
        return failure.wire_code or failure.condition or "failed"

    def retry_for(self, code: Code | None, status: int) -> Retry:
        """Return the advice: the code's, else that of the status."""
        if code is not None and code.retry is not None:
            return code.retry
        for low, high, retry in self._advice:
            if low <= status <= high:
                return retry
        conditions: Mapping[str, Retry] = CONTRACT["conditions"]
        return conditions.get(condition_of_status(status), "never")

    def honours_key(self, method: str, url: str) -> bool:
        """Whether the server honours an idempotency key on a call."""
        if not self.key_header or method not in self._key_methods:
            return False
        operation = self.operation(method, url)
        return operation is None or not operation.unkeyed

    def operation(self, method: str, url: str) -> Operation | None:
        """Find an operation; paths are given with or without the base URL's."""
        path = urlsplit(url).path
        paths = [path]
        if self._base_path and path.startswith(self._base_path):
            paths.append(path.removeprefix(self._base_path))
        for path in paths:
            segments = [unquote(s) for s in path.removeprefix("/").split("/")]
            if any(s in (".", "..") or set(s) & {"/", "\\", "\0"} for s in segments):
                continue
            found = self._operations.find(segments)
            if path.startswith("/") and method in found:
                return found[method]
        return None

    def message(self, failure: Failure) -> str:
        """Return the contract's own message for a failure."""
        code = self._by_name.get(failure.name)
        return _render(code.messages, failure, code) if code else ""

    def friendly(self, failure: Failure) -> str:
        """Return what end users may be told; ``""`` where the contract is silent."""
        code = self._by_name.get(failure.name)
        if code is not None and code.friendly:
            return _render(code.friendly, failure, code)
        return _render(self._friendly, failure, code)


def condition_of_status(status: int) -> str:
    """Return the condition that a bare status suggests."""
    if status in _STATUSES:
        return _STATUSES[status]
    if 400 <= status < 500:
        return "request_malformed"
    return "internal" if 500 <= status < 600 else ""


def _nanos(ms: float) -> int:
    return round(ms * _MILLISECOND)


def _pairs(ranges: Any) -> tuple[tuple[int, int], ...]:
    return tuple((low, high) for low, high in ranges)


def _node(data: Mapping[str, Any]) -> Node:
    optional, spread = data.get("optional", False), data.get("spread", False)
    if "slot" in data:
        slot, param = data["slot"], ""
        if slot.startswith("params."):
            slot, param = "param", slot.removeprefix("params.")
        return Node("slot", slot=slot, param=param, optional=optional, spread=spread)
    for kind, key in (("list", "each"), ("map", "map"), ("tree", "tree")):
        if key in data:
            each = _node(data[key])
            return Node(kind, each=each, optional=optional, spread=spread)
    for kind in ("text", "array"):
        if kind in data:
            parts = tuple(_node(part) for part in data[kind])
            return Node(kind, parts=parts, optional=optional, spread=spread)
    if "object" in data:
        members = tuple((m["key"], _node(m["value"])) for m in data["object"])
        return Node("object", members=members, optional=optional, spread=spread)
    return Node("literal", literal=data["literal"], optional=optional)


def _envelope(data: Mapping[str, Any]) -> Envelope:
    return Envelope(
        name=data["name"],
        body=_node(data["body"]) if data.get("body") else None,
        text=_node(data["text"]) if data.get("text") else None,
        xml=data.get("xml", False),
        headers=tuple((h["name"], _node(h["value"])) for h in data.get("headers", ())),
        inside=frozenset(data.get("inside", ())),
        successes=frozenset(data.get("successes", ())),
        slots=frozenset(data.get("carries", ())),
    )


def _code(data: Mapping[str, Any]) -> Code:
    return Code(
        name=data["name"],
        wire=data.get("wire", ""),
        numeric=data.get("numeric", False),
        status=data.get("status", 0),
        others=_pairs(data.get("others", ())),
        subcode=data.get("subcode", ""),
        type=data.get("type", ""),
        title=data.get("title", ""),
        envelope=data.get("envelope", ""),
        meanings=tuple(
            (m["condition"], m.get("status", 0)) for m in data.get("is", ())
        ),
        retry=data.get("retry"),
        params={
            p["name"]: Param(
                p["name"],
                p.get("type", ""),
                p.get("from", ""),
                p.get("format", ""),
                p.get("prefix", ""),
            )
            for p in data.get("params", ())
        },
        messages=_texts(data.get("messages", ())),
        friendly=_texts(data.get("friendly", ())),
    )


def _texts(data: Any) -> tuple[Text, ...]:
    return tuple(
        tuple(
            (part, "") if isinstance(part, str) else ("", part["slot"]) for part in text
        )
        for text in data
    )


def _render(texts: tuple[Text, ...], failure: Failure, code: Code | None) -> str:
    """Write the first text whose values are all there."""
    for text in texts:
        parts = [
            literal if literal else _fact(failure, name, code) for literal, name in text
        ]
        if None not in parts:
            return "".join(part for part in parts if part is not None)
    return ""


def _fact(failure: Failure, name: str, code: Code | None) -> str | None:
    if name == "status":
        return str(failure.status)
    if name == "code":
        return (code.wire or code.name) if code else failure.wire_code
    if name == "message":
        return failure.message or None
    declared = code.param(name.removeprefix("params.")) if code else None
    declared = declared or Param(name, fact=name)
    for key in (declared.name, declared.fact):
        if key in failure.params:
            return _spoken(failure.params[key], declared)
    if declared.fact == "request_id":
        return declared.prefix + failure.request_id if failure.request_id else None
    if declared.fact == "retry_after" and failure.wait is not None:
        unit = _MILLISECOND if declared.format == "delta_ms" else NANOSECONDS
        return str(math.ceil(failure.wait / unit))
    if declared.fact == "field" and failure.fields and failure.fields[0].path:
        return failure.fields[0].name
    if declared.fact == "issue" and failure.fields and failure.fields[0].message:
        return failure.fields[0].message
    return None


def _spoken(value: Any, declared: Param) -> str:
    if isinstance(value, str):
        return declared.prefix + value
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


RULES = Rules(CONTRACT)
