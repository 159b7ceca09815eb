"""Reads responses with generated packages, one JSON object on a line each."""

import datetime
import importlib
import json
import sys

NOW = 1772712000 * 10**9


def told(value):
    if isinstance(value, datetime.datetime):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    if isinstance(value, dict):
        return {name: told(v) for name, v in value.items()}
    return value


def read(case):
    package = case["package"]
    decode = importlib.import_module(package + "._decode")
    rules = importlib.import_module(package + "._rules").RULES
    failure_module = importlib.import_module(package + "._failure")
    headers = failure_module.Headers(tuple(map(tuple, case["headers"])))
    body = case["body"].encode("latin-1")
    f = decode.decode(case["status"], headers, body, NOW)
    if f is None:
        return None
    return {
        "name": f.name,
        "wire": f.wire_code,
        "condition": f.condition,
        "status": f.status,
        "message": f.message or rules.message(f),
        "friendly": rules.friendly(f),
        "type": f.type,
        "request_id": f.request_id,
        "quoted_id": f.quoted_id,
        "retry": f.retry,
        "wait": f.wait,
        "time": told(f.time) or "",
        "fields": [
            {"in": x.where, "path": list(x.path), "message": x.message, "code": x.code}
            for x in f.fields
        ],
        "params": told(dict(f.params)),
        "envelope": f.envelope,
        "certain": f.certain,
    }


for line in sys.stdin:
    print(json.dumps(read(json.loads(line))))
