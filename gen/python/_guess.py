"""Reads failures in shapes that the contract does not have.

Proxies answer in HTML, frameworks in shapes of their own. This knows the
commonest conventions; whoever needs all of them asks ``failwell explain``.
"""

from __future__ import annotations

import html
import re
from typing import Any

from . import _hint
from ._failure import Failure, FieldError, Headers
from ._hint import words
from ._rules import condition_of_status

_LONGEST = 4096

_CONTAINERS = words(
    "error errors err fault exception failure problem response detail result data"
)
_CODES = words(
    "code errorcode errcode errno error_code error type reason status name title"
)
_MESSAGES = words(
    "message errormessage errmsg msg errordescription detail description reason "
    "error title faultstring text"
)
_IDS = words("requestid xrequestid reqid traceid correlationid errorid instance")
_ID_HEADERS = words(
    "x-request-id request-id x-requestid x-amzn-requestid x-amz-request-id "
    "x-correlation-id x-trace-id cf-ray"
)
_LISTS = words("detail errors error issues violations fields invalidparams details")
_PLACES = words("field param parameter loc path pointer property name source")
_TEXTS = words("message msg detail description reason error")
_WAITS = (
    ("retryafterms", "milliseconds"),
    ("retryafter", "auto"),
    ("retryafterseconds", "seconds"),
    ("retryin", "auto"),
    ("resetat", "auto"),
    ("resetin", "auto"),
)
_HEADS = {"body", "query", "path", "header", "cookie"}

# What a code, or a sentence, says beyond the status. The first that fits wins.
_WORDS = tuple(
    (condition, re.compile(pattern))
    for condition, pattern in (
        (
            "quota_exhausted",
            r"quota|(credits?|allowance)\b.{0,24}(used|exhausted|spent)",
        ),
        ("concurrency_exceeded", r"concurren\w+.*(limit|exceed|many)"),
        ("rate_limited", r"rate.?limit|too.?many.?requests|throttl|slow.?down"),
        ("idempotency_mismatch", r"idempotency.{0,40}(mismatch|reuse|conflict|other)"),
        ("key_expired", r"(key|token)\w*.{0,12}expired|expired.{0,8}(key|token)"),
        ("key_revoked", r"(key|token)\w*.{0,12}revoked|revoked.{0,8}(key|token)"),
        ("key_deactivated", r"(key|token)\w*.{0,12}(deactivated|switched off)"),
        ("key_missing", r"(missing|no|without).{0,12}(api.?key|token|credential)"),
        ("key_unknown", r"(invalid|unknown).{0,8}(api.?key|token|credential)"),
        ("account_suspended", r"(account|user)\b.{0,32}(suspended|disabled|blocked)"),
        ("feature_unavailable", r"(plan|tier)\b.{0,32}(include|upgrade)|feature.?un"),
        ("balance_insufficient", r"insufficient.{0,4}(balance|funds|credit)"),
        ("payment_required", r"payment.?required|past.?due"),
        ("body_too_large", r"(payload|entity|body|request).{0,12}too.?large"),
        ("media_unsupported", r"unsupported.{0,4}(media|format|content)"),
        (
            "parameter_missing",
            r"(param\w*|field).{0,24}(missing|required)|missing.?param",
        ),
        ("parameter_invalid", r"invalid.?(param\w*|value|field)"),
        ("format_invalid", r"(malformed|invalid).{0,8}json|json.{0,16}(syntax|parse)"),
        ("method_not_allowed", r"method.?not.?allowed"),
        ("upstream_timeout", r"(gateway|upstream).{0,4}time(d.?)?.?out"),
        ("overloaded", r"overload|at capacity"),
        ("unavailable", r"(service|temporarily).{0,4}unavailable|maintenance"),
    )
)
_CLASS = {
    "quota_exhausted": (402, 403, 429),
    "concurrency_exceeded": (429, 503),
    "rate_limited": (403, 429, 503),
    "balance_insufficient": (400, 402, 403),
    "payment_required": (402, 403),
    "account_suspended": (401, 403),
    "feature_unavailable": (402, 403),
    "idempotency_mismatch": (400, 409, 422),
    "body_too_large": (400, 413),
    "media_unsupported": (400, 415),
    "parameter_missing": (400,),
    "parameter_invalid": (400,),
    "format_invalid": (400,),
    "method_not_allowed": (405,),
    "upstream_timeout": (500, 502, 503, 504),
    "overloaded": (503, 529),
    "unavailable": (500, 502, 503),
}
_KEYS = (401, 403)
_BREAK = re.compile(r"[\t\n\r\u2028\u2029]+ *")
_CONTROL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ufeff]"
)
_TAG = re.compile(
    r"<(script|style)\b.*?</\1\s*>|<!--.*?-->|<[^>]*>", re.IGNORECASE | re.DOTALL
)
_TITLE = re.compile(r"<(h1|title)\b[^>]*>(.*?)</\1\s*>", re.IGNORECASE | re.DOTALL)


def read(status: int, headers: Headers, body: bytes, value: Any, now: int) -> Failure:
    """Read what conventions find; value is the parsed body, ``...`` for no JSON."""
    scopes = _scopes(value)
    code, message = _code(scopes), _message(value, scopes)
    fields = _fields(value)
    if value is ...:
        message = _prose(body)
    if not message and fields:
        message = fields[0].message
    return Failure(
        wire_code=code,
        condition=_condition(status, code, message, fields),
        status=status,
        message=_clean(message),
        request_id=_clean(_request_id(headers, scopes)),
        fields=fields,
        wait=_wait(headers, scopes, now),
        why=("read by conventions",),
    )


def _norm(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _scopes(value: Any) -> list[dict[str, Any]]:
    """Return the objects that may describe the failure, the innermost first."""
    chain: list[dict[str, Any]] = []
    while len(chain) < 6:
        if isinstance(value, list):
            value = next((item for item in value if isinstance(item, dict)), None)
        if not isinstance(value, dict):
            break
        scope = {_norm(name): inner for name, inner in reversed(value.items())}
        chain.append(scope)
        inner = [scope[name] for name in _CONTAINERS if name in scope]
        objects = (x for x in inner if isinstance(x, dict) and x)
        lists = (x for x in inner if isinstance(x, list) and len(chain) == 1)
        value = next(objects, None) or (None if _own_text(scope) else next(lists, None))
    return chain[::-1]


def _own_text(scope: dict[str, Any]) -> bool:
    return any(isinstance(scope.get(name), str) for name in _MESSAGES)


def _symbol(value: Any) -> str:
    """Return a value that may be a code: one word, or a number."""
    if not isinstance(value, str) or not 0 < len(value) <= 128:
        return ""
    if re.search(r"\s|://", value) or value.lower() in ("error", "fail", "failed"):
        return ""
    return str(value)


def _code(scopes: list[dict[str, Any]]) -> str:
    for scope in scopes:
        for name in _CODES:
            text = _symbol(scope.get(name))
            # A number that is the status again, or a word for people, is no code.
            telling = name not in ("name", "title", "status") or "_" in text
            if text and telling and not re.fullmatch(r"[45]\d\d", text):
                return text
    return ""


def _message(value: Any, scopes: list[dict[str, Any]]) -> str:
    if isinstance(value, str):
        return value
    for scope in scopes:
        for name in _MESSAGES:
            text = scope.get(name)
            if isinstance(text, str) and (
                name not in ("error", "reason") or " " in text
            ):
                return text
    for scope in scopes:
        if isinstance(scope.get("error"), str):
            return str(scope["error"])
    return ""


def _prose(body: bytes) -> str:
    text = body.decode(errors="replace")
    if "<" not in text:
        return text
    titles = {found[1].lower(): found[2] for found in _TITLE.finditer(text)}
    text = titles.get("h1") or titles.get("title") or text
    return " ".join(html.unescape(_TAG.sub(" ", text)).split())


def _clean(text: str) -> str:
    return _CONTROL.sub("", _BREAK.sub(" ", text[:_LONGEST].strip())).strip()


def _fields(value: Any) -> tuple[FieldError, ...]:
    if not isinstance(value, dict):
        return ()
    scope = {_norm(name): inner for name, inner in value.items()}
    for name in _LISTS:
        inner = scope.get(name)
        found = _issues(inner) if isinstance(inner, list) else _mapped(name, inner)
        if found:
            return found
    inner = scope.get("error")
    return _fields(inner) if isinstance(inner, dict) else ()


def _issues(items: list[Any]) -> tuple[FieldError, ...]:
    out = []
    for item in items[:100]:
        if not isinstance(item, dict):
            return ()
        issue = {_norm(name): inner for name, inner in item.items()}
        place = next((issue[name] for name in _PLACES if name in issue), None)
        texts = (issue.get(name) for name in _TEXTS)
        message = next((text for text in texts if isinstance(text, str)), "")
        if isinstance(place, dict):
            place = place.get("pointer") or place.get("parameter")
        if isinstance(place, str):
            place = place.lstrip("#/").replace("/", ".").split(".")
        if not isinstance(place, list):
            return ()
        path, where = [str(step) for step in place], ""
        if len(path) > 1 and path[0] in _HEADS:
            where = path.pop(0)
        code = issue.get("code") or issue.get("type")
        out.append(FieldError(tuple(path), message, _symbol(code), where))
    return tuple(out)


def _mapped(name: str, value: Any) -> tuple[FieldError, ...]:
    if not isinstance(value, dict) or name not in ("errors", "fields", "details"):
        return ()
    out = []
    for field, texts in value.items():
        texts = texts if isinstance(texts, list) else [texts]
        if not texts or not all(isinstance(text, str) for text in texts):
            return ()
        out += [FieldError(tuple(field.split(".")), str(text)) for text in texts]
    return tuple(out)


def _request_id(headers: Headers, scopes: list[dict[str, Any]]) -> str:
    for scope in scopes:
        for name in _IDS:
            text = scope.get(name)
            if isinstance(text, str) and 0 < len(text) <= 200 and " " not in text:
                return text
    return next((headers[name] for name in _ID_HEADERS if name in headers), "")


def _wait(headers: Headers, scopes: list[dict[str, Any]], now: int) -> int | None:
    wait = _hint.parse(headers.get("retry-after-ms", ""), "milliseconds", now)
    if wait is None:
        wait = _hint.parse(headers.get("retry-after", ""), "auto", now)
    for scope in scopes:
        for name, unit in _WAITS:
            if wait is None and isinstance(scope.get(name), str):
                wait = _hint.parse(scope[name], unit, now)
    return wait


def _condition(
    status: int, code: str, message: str, fields: tuple[FieldError, ...]
) -> str:
    for text in (code.lower(), message.lower()[:400]):
        for condition, pattern in _WORDS:
            if status in _CLASS.get(condition, _KEYS) and pattern.search(text):
                return condition
    if fields and status in (400, 422):
        return "validation_failed"
    return condition_of_status(status)
