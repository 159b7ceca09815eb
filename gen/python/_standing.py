"""What a response tells of the limit that its call counted against."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from . import _hint
from ._failure import NANOSECONDS, Headers


@dataclass(frozen=True, slots=True)
class Rate:
    """A rate of the contract. Nanoseconds."""

    every: int
    """How long one unit takes to be free again; 0 where all are after per."""
    per: int
    burst: int


@dataclass(frozen=True, slots=True)
class PaceRules:
    """Where responses tell what is left of a limit."""

    limit: str
    remaining: str
    reset: str
    unit: str
    ietf: bool
    rates: Mapping[int, Rate]
    code: str
    """The entry for a call that is not sent, since there is no room."""

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> PaceRules:
        """Read the data."""
        return cls(
            limit=data.get("limit", ""),
            remaining=data.get("remaining", ""),
            reset=data.get("reset", ""),
            unit=data.get("unit", ""),
            ietf=data.get("ietf", False),
            rates={
                r["limit"]: Rate(
                    _nanos(r.get("every_ms", 0)), _nanos(r["per_ms"]), r.get("burst", 0)
                )
                for r in data.get("rates", ())
            },
            code=data.get("code", ""),
        )


@dataclass(slots=True)
class Standing:
    """How a limit stands. Instants are by the client's clock, in nanoseconds."""

    left: float = 0.0
    """Calls that the limit still admits."""
    limit: float = 0
    """What it admits when none was made; 0 when that is not told."""
    fresh: int | None = None
    """When the whole of it is there again; None when that is not told."""
    every: int = 0
    """How long one call takes to be free again, where they come back one by one;
    0 where they come back all at once, or nobody knows."""
    window: int = 0
    """After how long they all come back; 0 when that is not told."""


def read_standing(
    rules: PaceRules, headers: Headers, now: int, server: int
) -> Standing | None:
    """Return how the limit stands, as far as a response tells it.

    server is the time that instants in headers are meant by.
    """
    found = _by_headers(rules, headers, now, server)
    if found is None and rules.ietf:
        policies = headers.get("RateLimit-Policy", "")
        found = _by_fields(headers.get("RateLimit", ""), policies, now)
    if found is None:
        return None
    rate = rules.rates.get(int(found.limit))
    if rate is not None and rate.every:
        found.every = rate.every
        found.limit = min(found.limit, rate.burst or found.limit)
    elif rate is not None:
        found.window = rate.per
    # Without a way to come back a limit of nothing would be one for good.
    return found if found.every or found.fresh is not None else None


def _by_headers(
    rules: PaceRules, headers: Headers, now: int, server: int
) -> Standing | None:
    left = _count(headers.get(rules.remaining, ""))
    if left is None:
        return None
    wait = _hint.parse(headers.get(rules.reset, ""), rules.unit, server)
    limit = _count(headers.get(rules.limit, "")) or 0
    return Standing(left, limit, None if wait is None else now + wait)


def _by_fields(fields: str, policies: str, now: int) -> Standing | None:
    """Read the fields of draft-ietf-httpapi-ratelimit-headers-10.

    Of the policies that count requests, the one with the least left. Others
    (bytes, calls at once, an API's own units) say nothing about the next call.
    """
    declared = dict(reversed(_items(policies)))
    best: tuple[float, int] | None = None
    found: Standing | None = None
    for name, params in _items(fields):
        left, seconds = _count(params.get("r", "")), _count(params.get("t", ""))
        policy = declared.get(name, {})
        if left is None or seconds is None or policy.get("qu", _CALLS) != _CALLS:
            continue
        if best is None or (left, -seconds) < best:
            best = (left, -seconds)
            found = Standing(
                left,
                _count(policy.get("q", "")) or 0,
                now + seconds * NANOSECONDS,
                window=(_count(policy.get("w", "")) or 0) * NANOSECONDS,
            )
    return found


_CALLS = '"requests"'


def _items(field: str) -> list[tuple[str, dict[str, str]]]:
    """Split a list of items with parameters (RFC 9651), values as written."""
    items = []
    for item in _split(field, ","):
        name, *params = _split(item, ";")
        pairs = (param.partition("=") for param in params)
        items.append((name.strip(), {k.strip(): v.strip() for k, _, v in pairs}))
    return items


def _split(field: str, separator: str) -> list[str]:
    """Split a structured field outside of its strings."""
    parts, start, quoted, escaped = [], 0, False, False
    for i, c in enumerate(field):
        if escaped:
            escaped = False
        elif quoted and c == "\\":
            escaped = True
        elif c == '"':
            quoted = not quoted
        elif c == separator and not quoted:
            parts.append(field[start:i])
            start = i + 1
    return [*parts, field[start:]]


def _count(text: str) -> int | None:
    digits = text.strip()
    fine = digits.isascii() and digits.isdigit() and len(digits) <= 12
    return int(digits) if fine else None


def _nanos(ms: float) -> int:
    return round(ms * 1_000_000)
