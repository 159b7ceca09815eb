"""How long a server asks a caller to wait, in any form. Nanoseconds throughout."""

from __future__ import annotations

import math
import re
from datetime import datetime, timedelta, timezone


def words(text: str) -> tuple[str, ...]:
    """Split a list that is written as text."""
    return tuple(text.split())


_LONGEST = 256
_MAX = 2**63 - 1
_SECOND = 1_000_000_000
_MILLISECOND = 1_000_000

_NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?")
_MONTHS = words("jan feb mar apr may jun jul aug sep oct nov dec")
_IMF = re.compile(
    r"[a-z]{3}, (\d{1,2}) ([a-z]{3}) (\d{4}) (\d\d):(\d\d):(\d\d) "
    r"(gmt|utc|[+-]\d{4})"
)
_RFC850 = re.compile(
    r"[a-z]{6,9}, (\d\d)-([a-z]{3})-(\d\d) (\d\d):(\d\d):(\d\d) (gmt|utc)"
)
_ASCTIME = re.compile(
    r"[a-z]{3} ([a-z]{3}) {1,2}(\d{1,2}) (\d\d):(\d\d):(\d\d) (\d{4})"
)
_RFC3339 = re.compile(
    r"(\d{4})-(\d\d)-(\d\d)[t ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?"
    r" ?(z|utc|gmt|[+-]\d\d:\d\d)?"
)
_PART = re.compile(r"([\d.]+) *([a-zµμ]+)[ ,]*(?:and )? *")
_ISO = re.compile(r"t|([\d.]+)([a-z])")

_UNITS = {
    "ns": 1,
    **dict.fromkeys(("us", "µs", "μs"), 1_000),
    **dict.fromkeys(
        ("ms", "msec", "msecs", "millis", "millisecond", "milliseconds"), _MILLISECOND
    ),
    **dict.fromkeys(("s", "sec", "secs", "second", "seconds"), _SECOND),
    **dict.fromkeys(("m", "min", "mins", "minute", "minutes"), 60 * _SECOND),
    **dict.fromkeys(("h", "hr", "hrs", "hour", "hours"), 3600 * _SECOND),
    **dict.fromkeys(("d", "day", "days"), 86400 * _SECOND),
}


def parse(value: str, unit: str, now: int) -> int | None:
    """Read a wait from now. Never negative; None for what is no wait."""
    if len(value) > _LONGEST:
        return None
    value = value.strip(" \t\r\n\"'")
    if not value:
        return None
    if unit in ("seconds", "delta_s"):
        return _count(value, _SECOND)
    if unit == "milliseconds":
        return _count(value, _MILLISECOND)
    if unit == "epoch_s":
        return _epoch(value, _SECOND, now)
    if unit == "epoch_ms":
        return _epoch(value, _MILLISECOND, now)
    if unit == "http_date":
        return _until(http_date(value), now)
    if unit == "rfc3339":
        return _until(rfc3339(value), now)
    if unit == "duration":
        return _duration(value)
    return _auto(value, now) if unit == "auto" else None


def _auto(value: str, now: int) -> int | None:
    number = _number(value)
    if number is not None:
        # 1e9 seconds are 31 years, so larger numbers are instants; as one in
        # seconds, 1e11 lies in the year 5138, so larger ones are milliseconds.
        for least, unit in (
            (1e17, 1),
            (1e14, 1_000),
            (1e11, _MILLISECOND),
            (1e9, _SECOND),
        ):
            if number >= least:
                return _epoch(value, unit, now)
        return _count(value, _SECOND)
    for wait in (
        ratelimit(value),
        _until(http_date(value), now),
        _until(rfc3339(value), now),
        _duration(value),
    ):
        if wait is not None:
            return wait
    head, comma, _ = value.partition(",")
    nearest = _number(head.strip()) if comma else None
    if nearest is not None and nearest < 1e9:
        return _count(head.strip(), _SECOND)
    return None


def _number(text: str) -> float | None:
    if not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    return value if math.isfinite(value) else None


def _count(text: str, unit: int) -> int | None:
    value = _number(text)
    return None if value is None else _scale(value, unit)


def _scale(value: float, unit: int) -> int | None:
    if value <= 0:
        return 0
    product = value * unit
    if product >= _MAX:
        return None
    return math.floor(product + 0.5)


def _epoch(text: str, unit: int, now: int) -> int | None:
    value = _number(text)
    if value is None:
        return None
    part, whole = math.modf(value / (_SECOND // unit))
    if abs(whole) > 253402300799:  # the year 9999
        return None
    return _until(int(whole) * _SECOND + round(part * 1e6) * 1000, now)


def _until(at: int | None, now: int) -> int | None:
    if at is None or at - now > _MAX:
        return None
    return max(at - now, 0)


def http_date(text: str) -> int | None:
    """Read one of the three forms of RFC 9110 section 5.6.7."""
    text = text.strip().lower()
    if found := _IMF.fullmatch(text):
        day, month, year, hour, minute, second, zone = found.groups()
    elif found := _RFC850.fullmatch(text):
        day, month, short, hour, minute, second, zone = found.groups()
        year = ("19" if int(short) >= 69 else "20") + short
    elif found := _ASCTIME.fullmatch(text):
        month, day, hour, minute, second, year = found.groups()
        zone = "gmt"
    else:
        return None
    if month not in _MONTHS:
        return None
    numbers = (year, _MONTHS.index(month) + 1, day, hour, minute, second)
    return _instant(tuple(int(n) for n in numbers), 0, zone)


def rfc3339(text: str) -> int | None:
    """Read an instant; a blank may stand for the T, and no zone means UTC."""
    found = _RFC3339.fullmatch(text.strip().lower())
    if not found:
        return None
    *numbers, fraction, zone = found.groups()
    return _instant(
        tuple(int(n) for n in numbers),
        int((fraction or "").ljust(9, "0")),
        (zone or "z").replace(":", ""),
    )


def _instant(numbers: tuple[int, ...], nanos: int, zone: str) -> int | None:
    year, month, day, hour, minute, second = numbers
    try:
        at = datetime(year, month, day, hour, minute, second, tzinfo=timezone.utc)
        if zone[0] in "+-":
            away = timedelta(hours=int(zone[1:3]), minutes=int(zone[3:5]))
            at += -away if zone[0] == "+" else away
    except (ValueError, OverflowError):
        return None
    since = at - datetime(1970, 1, 1, tzinfo=timezone.utc)
    return (since.days * 86400 + since.seconds) * _SECOND + nanos


def _duration(text: str) -> int | None:
    text = text.lower()
    if text.startswith("p") and len(text) > 1:
        return _iso(text[1:])
    total, at, parts = 0, 0, 0
    while at < len(text):
        found = _PART.match(text, at)
        unit = _UNITS.get(found[2]) if found else None
        value = _number(found[1]) if found else None
        if not found or unit is None or value is None or parts == 8:
            return None
        wait = _scale(value, unit)
        if wait is None or total + wait > _MAX:
            return None
        total, at, parts = total + wait, found.end(), parts + 1
    return total


def _iso(text: str) -> int | None:
    units = {"d": 86400, "w": 7 * 86400}
    total, at = 0, 0
    while at < len(text):
        found = _ISO.match(text, at)
        if not found:
            return None
        at = found.end()
        if found[0] == "t":
            units = {"h": 3600, "m": 60, "s": 1}
            continue
        value, unit = _number(found[1]), units.get(found[2])
        wait = None
        if value is not None and unit is not None:
            wait = _scale(value, unit * _SECOND)
        if wait is None or total + wait > _MAX:
            return None
        total += wait
    return total


def ratelimit(value: str) -> int | None:
    """Read a RateLimit field of draft-ietf-httpapi-ratelimit-headers.

    Of several policies an exhausted one with the longest reset binds, else
    the first.
    """
    best: tuple[bool, int] | None = None
    for item in value.split(","):
        remaining: float | None = None
        reset: int | None = None
        for param in item.split(";"):
            name, equals, text = param.partition("=")
            name, text = name.strip().lower(), text.strip()
            if equals and name in ("r", "remaining"):
                remaining = _number(text)
            elif equals and name in ("t", "reset"):
                reset = _count(text, _SECOND)
        if reset is None:
            continue
        spent = remaining is not None and remaining <= 0
        if best is None or spent and (not best[0] or reset > best[1]):
            best = (spent, reset)
    return None if best is None else best[1]
