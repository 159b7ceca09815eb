"""Reads a body back through the template of an envelope."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from decimal import Decimal
from typing import Any

from . import _hint
from ._failure import FieldError, Headers
from ._rules import RULES, Envelope, Node

_MOST_FIELDS = 1000
_LONGEST_WAIT = 10 * 365 * 86400 * 1_000_000_000
_NUMBER = re.compile(r"-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?")
_XML = {
    "&amp;": "&",
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&#13;": "\r",
}
_XML_ESCAPE = re.compile("|".join(_XML))


class Number(str):
    """A JSON number as it was written."""

    __slots__ = ()

    def plain(self) -> int | float:
        """Return the number itself."""
        return int(self) if re.fullmatch(r"-?\d+", self) else float(self)


def parse_json(body: bytes) -> tuple[Any, bool]:
    """Read a JSON value that fills the body, numbers as they were written."""
    try:
        text = body.decode("utf-8-sig")
        return json.loads(
            text, parse_int=Number, parse_float=Number, parse_constant=_refuse
        ), True
    except (ValueError, RecursionError):
        return None, False


def _refuse(word: str) -> None:
    raise ValueError(word)


def plain(value: Any) -> Any:
    """Turn numbers back into Python's own."""
    if isinstance(value, Number):
        return value.plain()
    if isinstance(value, dict):
        return {name: plain(v) for name, v in value.items()}
    if isinstance(value, list):
        return [plain(v) for v in value]
    return value


@dataclass(slots=True)
class Match:
    """What the slots of a template held. What that means is settled later."""

    timestamp: str = ""
    code: str = ""
    coded: bool = False
    numeric: bool = False
    subcode: str = ""
    type: str = ""
    title: str = ""
    message: str = ""
    status: int = 0
    request_id: str = ""
    quoted_id: str = ""
    time: datetime | None = None
    wait: int | None = None
    blamed: str = ""
    """The field that a slot of its own names."""
    params: dict[str, Any] = field(default_factory=dict)
    fields: list[FieldError] = field(default_factory=list)
    exact: int = 0
    """Literals and slots that fitted: of two envelopes that match, the one that
    explains more is the one that was used."""

    def copy(self) -> Match:
        """Copy, so that a branch that fails leaves no trace."""
        return replace(self, params=dict(self.params), fields=list(self.fields))


@dataclass(slots=True)
class _Issue:
    path: list[str] = field(default_factory=list)
    message: str = ""
    code: str = ""
    where: str = ""

    def done(self) -> FieldError:
        return FieldError(tuple(self.path), self.message, self.code, self.where)


def match(envelope: Envelope, value: Any, text: str, headers: Headers) -> Match | None:
    """Match an envelope; value is the parsed body, ``...`` when it is no JSON."""
    m = Match(timestamp=RULES.timestamp)
    if envelope.body is not None:
        if value is ...:
            return None
        found = _node(m, envelope.body, value, None)
        if found is None:
            return None
        m = found
    if envelope.text is not None and not _text(
        m, envelope.text, text, None, envelope.xml
    ):
        return None
    for name, template in envelope.headers:
        if not _text(m, template, headers.get(name, ""), None, False):
            return None
    return m


# Each of the following changes the match and says whether the value fits; only
# _node may return another match, since an optional member can be undone.


def _node(m: Match, n: Node, value: Any, issue: _Issue | None) -> Match | None:
    ok = False
    if n.kind == "literal":
        ok = _equal(n.literal, value)
        m.exact += ok
    elif n.kind == "slot":
        ok = _slot(m, n, value, issue)
    elif n.kind == "text":
        ok = isinstance(value, str) and not isinstance(value, Number)
        ok = ok and _text(m, n, value, issue, False)
        if ok and any(part.slot == "request_id" for part in n.parts):
            m.quoted_id = value
    elif n.kind == "array":
        return _array(m, n, value, issue)
    elif n.kind == "object":
        return _object(m, n, value, issue)
    elif n.kind == "list":
        ok = isinstance(value, list) and all(
            _leaf(m, n.each, item, None) for item in value
        )
    elif n.kind == "map":
        ok = isinstance(value, dict) and all(
            _leaves(m, n.each, item, name.split("."))
            for name, item in sorted(value.items(), key=_name)
        )
    elif n.kind == "tree":
        ok = isinstance(value, dict) and _tree(m, n, value, [])
    return m if ok else None


def _name(member: tuple[str, Any]) -> str:
    return member[0]


def _equal(want: Any, value: Any) -> bool:
    if isinstance(value, Number):
        number = isinstance(want, (int, float)) and not isinstance(want, bool)
        return number and float(value) == float(want)
    if isinstance(want, (dict, list)):
        return json.dumps(want, sort_keys=True) == json.dumps(
            plain(value), sort_keys=True
        )
    return type(want) is type(value) and bool(want == value)


def _object(m: Match, n: Node, value: Any, issue: _Issue | None) -> Match | None:
    if not isinstance(value, dict):
        return None
    for name, want in n.members:
        if want.spread:
            continue
        if name not in value or value[name] is None and want.optional:
            if not want.optional:
                return None
            continue
        found = _node(m.copy(), want, value[name], issue)
        if found is not None:
            m = found
        elif not want.optional:  # an optional one that makes no sense is absent
            return None
    if any(want.spread for _, want in n.members):
        named = {name for name, _ in n.members}
        m.params.update((k, v) for k, v in value.items() if k not in named)
    return m


def _array(m: Match, n: Node, value: Any, issue: _Issue | None) -> Match | None:
    if not isinstance(value, list):
        return None
    at = 0
    for index, part in enumerate(n.parts):
        if part.spread and part.slot == "field.path":
            rest = len(value) - at - (len(n.parts) - index - 1)
            if rest < 0 or not _steps(value[at : at + rest], issue):
                return None
            at += rest
            continue
        if at >= len(value):
            return None
        found = _node(m, part, value[at], issue)
        if found is None:
            return None
        m, at = found, at + 1
    return m if at == len(value) else None


def _steps(steps: list[Any], issue: _Issue | None) -> bool:
    if issue is None or not all(isinstance(step, str) for step in steps):
        return False
    issue.path += [str(step) for step in steps]
    return True


def _leaf(m: Match, each: Node | None, value: Any, path: list[str] | None) -> bool:
    """Read one field error."""
    issue = _Issue()
    if each is None or _node(m, each, value, issue) is None:
        return False
    if path is not None:
        issue.path = path
    if len(m.fields) < _MOST_FIELDS:
        m.fields.append(issue.done())
    return True


def _leaves(m: Match, each: Node | None, value: Any, path: list[str]) -> bool:
    """Read a field's errors: a list as element holds one entry for each."""
    if each is not None and each.kind == "array" and len(each.parts) == 1:
        return isinstance(value, list) and all(
            _leaf(m, each.parts[0], item, path) for item in value
        )
    return _leaf(m, each, value, path)


def _tree(m: Match, n: Node, branch: dict[str, Any], path: list[str]) -> bool:
    for name, value in sorted(branch.items(), key=_name):
        at = [*path, name]
        probe = Match(timestamp=m.timestamp)
        if _leaves(probe, n.each, value, at):
            m.fields += probe.fields
        elif not isinstance(value, dict) or len(at) > 64 or not _tree(m, n, value, at):
            return False
    return True


def _slot(m: Match, n: Node, value: Any, issue: _Issue | None) -> bool:
    slot = n.slot
    if slot == "code":
        if not isinstance(value, str):
            return False
        m.code, m.coded, m.numeric = str(value), True, isinstance(value, Number)
        m.exact += 1
        return True
    if slot == "status":
        if not isinstance(value, str) or not re.fullmatch(r"[+-]?\d+", value):
            return False
        m.status = int(value)
        m.exact += 1
        return True
    if slot == "timestamp":
        m.time = read_time(value, m.timestamp) or m.time
        return read_time(value, m.timestamp) is not None
    if slot in ("retry_after", "retry_after_ms"):
        if not isinstance(value, Number):
            return value is None
        unit = 1_000_000 if slot == "retry_after_ms" else 1_000_000_000
        wait = float(value) * unit
        if 0 <= wait <= _LONGEST_WAIT:
            m.wait = int(wait)
        return True  # an absurd wait is no wait
    if slot == "retryable":
        return isinstance(value, bool)
    if slot == "params":
        if isinstance(value, dict):
            m.params.update(value)
        return isinstance(value, dict)
    if slot == "param":
        if value is not None:
            m.params[n.param] = value
        return True
    if slot == "field.path":
        return isinstance(value, list) and _steps(value, issue)
    if not isinstance(value, str) or isinstance(value, Number):
        return value is None
    m.exact += 1
    _string(m, slot, value, issue)
    return True


def _string(m: Match, slot: str, value: str, issue: _Issue | None) -> None:
    if slot in ("subcode", "type", "title", "message", "request_id"):
        setattr(m, slot, value)
    elif slot == "field":
        m.blamed = value
    elif issue is None:
        return  # a constant of the code, such as its meaning: nothing to learn
    elif slot == "field.name":
        issue.path = value.split(".") if value else []
    elif slot == "field.pointer":
        issue.path = _pointer(value)
    elif slot == "field.message":
        issue.message = value
    elif slot == "field.code":
        issue.code = value
    elif slot == "field.in":
        issue.where = value


def _pointer(value: str) -> list[str]:
    value = value.removeprefix("#")
    if not value:
        return []
    steps = value.removeprefix("/").split("/")
    return [step.replace("~1", "/").replace("~0", "~") for step in steps]


def _text(m: Match, n: Node, text: str, issue: _Issue | None, xml: bool) -> bool:
    """Read text made of literals and slots.

    Each slot takes as little as the literal behind it allows.
    """
    parts = n.parts or (n,)
    for index, part in enumerate(parts):
        if part.kind == "literal":
            if not text.startswith(str(part.literal)):
                return False
            text = text[len(str(part.literal)) :]
            m.exact += 1
            continue
        end = len(text)
        if index + 1 < len(parts) and parts[index + 1].kind == "literal":
            literal = str(parts[index + 1].literal)
            last = index + 2 == len(parts)
            end = text.rfind(literal) if last else text.find(literal)
            if end < 0:
                return False
        value, text = text[:end], text[end:]
        if xml:
            value = _XML_ESCAPE.sub(lambda found: _XML[found[0]], value)
        if not _slot_text(m, part, value, issue):
            return False
    return not text


def _slot_text(m: Match, n: Node, value: str, issue: _Issue | None) -> bool:
    if n.slot == "code":
        return _slot(m, n, value, issue)
    if not value:
        return True
    number = _NUMBER.fullmatch(value) is not None
    if n.slot in ("status", "retry_after", "retry_after_ms"):
        return number and _slot(m, n, Number(value), issue)
    if n.slot == "timestamp" and number:
        return _slot(m, n, Number(value), issue)
    return _slot(m, n, value, issue)


def read_time(value: Any, form: str) -> datetime | None:
    """Read an instant in the contract's form."""
    if isinstance(value, Number):
        number = Decimal(value)
        if not 0 <= number <= 2**53 or number != math.floor(number):
            return None
        seconds = int(number) / (1000 if form == "epoch_ms" else 1)
        try:
            return datetime.fromtimestamp(seconds, timezone.utc)
        except (ValueError, OverflowError, OSError):
            return None
    if not isinstance(value, str):
        return None
    at = _hint.http_date(value) if form == "http_date" else _hint.rfc3339(value)
    if at is None:
        return None
    try:
        return datetime.fromtimestamp(at / 1e9, timezone.utc)
    except (ValueError, OverflowError, OSError):
        return None
