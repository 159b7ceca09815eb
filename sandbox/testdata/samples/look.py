"""What the programs beside this one have in common: where the sandbox is, and what it has seen."""
import json
import sys
import time
import urllib.request

given = json.load(sys.stdin)
base, origin, keys, unit = given["base"], given["origin"], given["keys"], given["unit"]
facts = {}


def control(method, path, body=None):
    data = None if body is None else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"{origin}/_sandbox/{path}", data, method=method)) as answer:
        text = answer.read()
    return json.loads(text) if text else None


def faults(*rules):
    control("PUT", "faults", {"rules": list(rules)})


def look(name, work, end=lambda value: "fine"):
    """Does something and keeps the statuses of the calls that came of it, and how it ended."""
    control("DELETE", "journal")
    try:
        how = end(work())
    except Exception as err:  # noqa: BLE001 - which one it is is the news
        how = " ".join([type(err).__name__] + [str(v) for v in (getattr(err, "status_code", None), getattr(err, "code", None)) if v])
    calls = [str(e["status"]) for e in control("GET", "journal")["entries"]]
    facts[name] = f"{' '.join(calls)}: {how}"
    faults()


def pause(n):
    time.sleep(n * unit / 1000)


def done():
    json.dump(facts, sys.stdout)
