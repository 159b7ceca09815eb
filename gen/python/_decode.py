"""Reads the failure out of a response: by the contract, else by conventions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from . import _guess, _hint
from ._failure import Failure, FieldError, Headers, ItemFailure
from ._match import Match, match, parse_json, plain, read_time
from ._rules import RULES, Code, Envelope, Param, condition_of_status

_MOST_ITEMS = 1000


def may_fail(status: int, headers: Headers) -> bool:
    """Whether a response may tell of a failure, so that its body is worth a look."""
    if status >= 400:
        return True
    if not 200 <= status <= 299 or not RULES.tells_inside(status):
        return False
    return "json" in headers.get("Content-Type", "").lower()


def server_time(headers: Headers, now: int) -> int:
    """Return the server's clock where a response tells it, else now.

    With it an instant in a hint means the wait that the server had in mind,
    however wrong either clock is (RFC 9110 section 6.6.1).
    """
    told = _hint.http_date(headers.get("Date", ""))
    return now if told is None else told


def decode(status: int, headers: Headers, body: bytes, now: int) -> Failure | None:
    """Read the failure of a response; None when it is a success."""
    value, is_json = parse_json(body)
    parsed = value if is_json else ...
    found = _by_envelope(status, headers, body, parsed, now)
    if found is not None:
        return found
    items = _partial(status, headers, parsed, now)
    if items:
        return replace(items[0].failure, status=status, items=items)
    if status < 400:
        return None  # under a 2xx only the contract's own shapes are failures
    return _by_guess(status, headers, body, parsed, now)


def decode_terminal(headers: Headers, body: bytes, now: int) -> Failure:
    """Read the error that ended a stream, which has no status line of its own."""
    value, is_json = parse_json(body)
    parsed = value if is_json else ...
    found = _by_envelope(0, headers, body, parsed, now)
    return found or _by_guess(0, headers, body, parsed, now)


def is_error(body: bytes, headers: Headers) -> bool:
    """Whether a line of a stream is an error that the catalogue has."""
    value, is_json = parse_json(body)
    if not is_json:
        return False
    found = _by_envelope(0, headers, body, value, 0)
    return found is not None and found.certain


def _by_envelope(
    status: int, headers: Headers, body: bytes, value: Any, now: int
) -> Failure | None:
    success = 200 <= status < 400
    text = body.decode(errors="replace")
    best: tuple[tuple[int, int, int], Match, Envelope, Code | None] | None = None
    for envelope in RULES.envelopes:
        if success and status not in envelope.inside:
            continue
        m = match(envelope, value, text, headers)
        if m is None:
            continue
        code = _identify(m, envelope, status, headers)
        # One that leads to a code of the catalogue, then one that is the code's
        # own, then the one that explains more of the body.
        own = code is not None and code.envelope == envelope.name
        rank = (code is not None, own, m.exact)
        if best is None or rank > best[0]:
            best = (rank, m, envelope, code)
    if best is None:
        return None
    _, m, envelope, code = best
    if code is None and not m.coded:
        return None
    told = RULES.open_codes and m.code not in envelope.successes
    if success and code is None and not told:
        return None  # the same shape tells of successes
    found = _interpret(m, code, status, headers, body, value, now)
    return replace(found, envelope=envelope.name)


def _identify(
    m: Match, envelope: Envelope, status: int, headers: Headers
) -> Code | None:
    """Find the catalogue's entry: by the code as sent, else by what stands beside."""
    if not m.coded and RULES.code_header:
        m.code = headers.get(RULES.code_header, "")
        m.coded = m.code != ""
    candidates = RULES.by_wire.get(m.code, ()) if m.coded else RULES.codes
    best, score = None, 0
    for code in candidates:
        likeness = _likeness(code, m, envelope, status)
        if likeness > score:
            best, score = code, likeness
    if best is None and not m.coded:
        return RULES.by_status(status)
    return best


def _likeness(code: Code, m: Match, envelope: Envelope, status: int) -> int:
    """How well a code explains a match; 0 when it cannot."""
    own = code.envelope == envelope.name
    if m.coded:
        score = 16
        if m.numeric != code.numeric and envelope.body is not None:
            score = 8
    elif not own or code.wire and "code" in envelope.slots:
        return 0  # without a code on the wire only codes that are not sent fit
    else:
        score = 0
    if "type" in envelope.slots and m.type and code.type:
        if m.type != code.type:
            return score if m.coded else 0
        score += 4
    if m.subcode != code.subcode and "subcode" in envelope.slots:
        return score if m.coded and not code.subcode else 0
    if "title" in envelope.slots and m.title and code.title == m.title:
        score += 2
    if own:
        score += 2
    if status == code.status:
        score += 8
    elif code.allows(status):
        score += 6
    elif not m.coded:
        return 0
    return score + 1


def _interpret(
    m: Match,
    code: Code | None,
    status: int,
    headers: Headers,
    body: bytes,
    value: Any,
    now: int,
) -> Failure:
    """Settle what the slots held, now that the code is known."""
    f = Failure(
        name=code.name if code else "",
        wire_code=m.code,
        status=status or m.status,
        message=m.message,
        type=m.type or (code.type if code else ""),
        request_id=m.request_id,
        quoted_id=m.quoted_id,
        time=m.time,
        fields=tuple(m.fields),
        wait=m.wait,
        certain=code is not None,
    )
    f = _with_params(f, code, m)
    if m.blamed and not f.fields:
        f = replace(f, fields=(FieldError(tuple(m.blamed.split("."))),))
    request_id = f.request_id or headers.get(RULES.request_id_header, "")
    condition = code.condition(f.status) if code else ""
    if not request_id or not condition:
        guessed = _guess.read(status, headers, body, value, now)
        request_id = request_id or guessed.request_id
        condition = condition or guessed.condition
    why: tuple[str, ...] = ()
    if code is None:
        why += (f"the code {m.code} is not in the contract",)
    if m.status and status and m.status != status:
        why += ("the body names another status than the status line",)
    f = replace(
        f,
        request_id=request_id,
        condition=condition,
        retry=RULES.retry_for(code, f.status),
        certain=f.certain and not (m.status and status and m.status != status),
        why=why,
    )
    wait = _hinted(f, headers, value, now)
    if wait is not None and (f.retry != "never" or f.status in (429, 503)):
        f = replace(f, wait=wait)
    return f


def _with_params(f: Failure, code: Code | None, m: Match) -> Failure:
    """Turn raw members into the declared parameters.

    What only stands for the request id, the wait or the first field goes there.
    """
    params: dict[str, Any] = {}
    field, issue = "", ""
    request_id, wait = f.request_id, f.wait
    for name, raw in m.params.items():
        declared = code.param(name) if code else None
        read = _read_param(declared, raw) if declared else None
        if declared is None or read is None:
            params[name] = plain(raw)
        elif declared.fact == "request_id" and read:
            request_id = request_id or str(read)
        elif declared.fact == "field" and read and isinstance(read, str):
            field = read
        elif declared.fact == "issue" and read and isinstance(read, str):
            issue = read
        elif declared.fact == "retry_after" and wait is None:
            wait = int(read)
        elif declared.fact == "retry_after":
            params[name] = read / 1e9
        else:
            params[name] = read
    fields = f.fields
    if (field or issue) and not fields:
        path = tuple(field.split(".")) if field else ()
        fields = (FieldError(path, issue),)
    params = dict(sorted(params.items()))
    return replace(f, params=params, fields=fields, request_id=request_id, wait=wait)


def _read_param(declared: Param, raw: Any) -> Any:
    """Read a parameter's value; None when it is not of its type."""
    value = plain(raw)
    number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if declared.fact == "retry_after":
        unit = "milliseconds" if declared.format == "delta_ms" else "seconds"
        return _hint.parse(str(raw), unit, 0) if number else None
    if declared.type == "string":
        if not isinstance(value, str) or not value.startswith(declared.prefix):
            return None
        return value[len(declared.prefix) :]
    if declared.type == "integer":
        return value if isinstance(value, int) and number else None
    if declared.type == "time":
        return read_time(raw, declared.format)
    if declared.type == "boolean":
        return value if isinstance(value, bool) else None
    return value


def _hinted(f: Failure, headers: Headers, value: Any, now: int) -> int | None:
    """Ask the contract's hints in order.

    Headers that tell when a limit is free again are often on every response;
    they count as a wait only for a failure that is about a limit.
    """
    limits = ("rate_limited", "quota_exhausted", "concurrency_exceeded", "overloaded")
    about_limit = f.condition in limits or f.status == 429
    for hint in RULES.hints:
        if hint.header:
            if hint.of_limit and not about_limit:
                continue
            text = headers.get(hint.header, "")
        else:
            text = _text_at(value, hint.path)
        wait = _hint.parse(text, hint.unit, now) if text else None
        if wait is not None:
            return wait
    return None


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for step in path:
        value = value.get(step) if isinstance(value, Mapping) else None
    return value


def _text_at(value: Any, path: tuple[str, ...]) -> str:
    found = _at(value, path)
    return found if isinstance(found, str) else ""


def _partial(
    status: int, headers: Headers, value: Any, now: int
) -> tuple[ItemFailure, ...]:
    """Find the failed items of a call on many."""
    out: list[ItemFailure] = []
    for partial in RULES.partial:
        if not partial.holds(status):
            continue
        if value is ...:
            return ()
        items = _at(value, partial.items)
        for index, item in enumerate(items if isinstance(items, list) else ()):
            inner = _at(item, partial.error)
            if inner is None or len(out) == _MOST_ITEMS:
                continue
            # An item has no status line: the shape alone decides.
            found = _by_envelope(0, headers, b"", inner, now)
            if found is not None:
                name = RULES.name_of(found)
                out.append(ItemFailure(index, _text_at(item, partial.id), name, found))
    return tuple(out)


def _by_guess(
    status: int, headers: Headers, body: bytes, value: Any, now: int
) -> Failure:
    """Read a response that no envelope explains."""
    guessed = _guess.read(status, headers, body, value, now)
    known = RULES.by_wire.get(guessed.wire_code, ()) if guessed.wire_code else ()
    code = known[0] if known else None
    condition = code.condition(status) if code else guessed.condition
    if code is None and condition == condition_of_status(status):
        code = RULES.by_status(status)
    f = replace(
        guessed,
        name=code.name if code else "",
        condition=condition,
        retry=RULES.retry_for(code, status),
        certain=False,
        why=(*guessed.why, f"no envelope of the contract {RULES.api} has this shape"),
    )
    wait = _hinted(f, headers, value, now)
    return f if wait is None else replace(f, wait=wait)
