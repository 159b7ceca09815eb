"""Plays vectors with generated packages; see Process in conform/vectors.

The argument is what sends: sync, threads, httpx-sync or httpx-async.
"""

import asyncio
import importlib
import json
import logging
import pickle
import sys
import traceback


def read():
    return json.loads(sys.stdin.readline())


def write(message):
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


def wait(seconds):
    write({"wait_ms": seconds * 1000})
    assert read().get("go")


def in_turn(values):
    values = list(values)
    return lambda: values.pop(0) if len(values) > 1 else values[0]


class Case:
    def __init__(self, case, url, mode, inner):
        self.case, self.url, self.mode = case, url, mode
        name = case["contract"].replace("-", "_") + "_client"
        self.package = importlib.import_module(name)
        self.logged = []
        settings, start = case["client"], self.epoch(case["start"])
        self.now = start
        runtime = self.package.Runtime(
            now=lambda: self.now,
            monotonic=lambda: self.now,
            random=in_turn(settings["random"]),
            new_key=in_turn(settings["keys"]),
        )
        logger = logging.Logger("vectors")
        logger.addHandler(self.handler())
        options = {
            "max_attempts": settings.get("attempts") or None,
            "max_wait": self.seconds(settings.get("max_wait_ms")),
            "attempt_timeout": self.seconds(settings.get("attempt_timeout_ms")),
            "auto_keys": not settings.get("no_keys", False),
            "count_header": settings.get("count_header", ""),
            "runtime": runtime,
            "logger": logger,
        }
        if budget := settings.get("budget"):
            options["budget"] = self.package.Budget(
                ratio=budget["ratio"] or 0.1, reserve=budget["reserve"] or 10
            )
        if mode == "sync":
            self.client = self.package.Client(url, sleep=self.sleep, **options)
        elif mode == "httpx-sync":
            module = importlib.import_module(name + ".httpx_transport")
            transport = module.HttpxTransport(inner)
            self.client = self.package.Client(
                url, sleep=self.sleep, transport=transport, **options
            )
        else:
            transport = self.package.ThreadTransport()
            if mode == "httpx-async":
                module = importlib.import_module(name + ".httpx_transport")
                transport = module.AsyncHttpxTransport(inner)
            self.client = self.package.AsyncClient(
                url, sleep=self.asleep, transport=transport, **options
            )

    @staticmethod
    def epoch(text):
        import datetime

        at = datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
        return round(at.timestamp() * 1e9)

    @staticmethod
    def seconds(ms):
        return None if not ms else ms / 1000

    def handler(self):
        case = self

        class Handler(logging.Handler):
            def emit(self, record):
                case.logged.append(record.getMessage() + repr(record.failure))

        return Handler()

    def sleep(self, seconds):
        wait(seconds)
        self.now += round(seconds * 1e9)

    async def asleep(self, seconds):
        self.sleep(seconds)

    def arguments(self):
        call = self.case["call"]
        content = call.get("body")
        if call.get("fill"):
            content = "x" * call["fill"]
        if content is not None:
            content = content.encode()
        if call.get("once"):
            content = iter([content])
        return {
            "method": call["method"],
            "url": self.url + call["path"],
            "headers": call.get("headers"),
            "content": content,
            "timeout": self.seconds(call.get("deadline_ms")),
        }

    def call(self):
        if self.mode in ("sync", "httpx-sync"):
            return self.call_sync()
        return asyncio.get_event_loop().run_until_complete(self.call_async())

    def call_sync(self):
        try:
            with self.client.stream(**self.arguments()) as stream:
                try:
                    body, broken = stream.read().decode(), False
                except self.package.CallError:
                    body, broken = "", True
                return {"status": stream.status, "body": body, "broken": broken}
        except self.package.CallError as error:
            return self.failed(error)

    async def call_async(self):
        try:
            async with self.client.stream(**self.arguments()) as stream:
                try:
                    body, broken = (await stream.read()).decode(), False
                except self.package.CallError:
                    body, broken = "", True
                return {"status": stream.status, "body": body, "broken": broken}
        except self.package.CallError as error:
            return self.failed(error)

    def failed(self, error):
        again = pickle.loads(pickle.dumps(error))
        assert type(again).__mro__ == type(error).__mro__ and str(again) == str(error)
        self.right_class(error)
        texts = [str(error), repr(error), repr(error.failure), repr(error.record)]
        texts += ["".join(traceback.format_exception(error)), repr(error.log_fields())]
        return {"error": shared(error), "texts": texts + self.logged}

    def right_class(self, error):
        """An error is of the classes of its code and condition."""
        package = self.package
        assert isinstance(error, package.errors.ROOT)
        if error.code:
            assert isinstance(error, package.codes.CLASSES[error.code]), error
        if error.condition:
            assert isinstance(error, package.conditions.CLASSES[error.condition]), error

    def end(self):
        if hasattr(self.client, "close"):
            self.client.close()
        else:
            asyncio.get_event_loop().run_until_complete(self.client.aclose())


def shared(error):
    """Put an error into the words that all languages share."""
    return {
        "code": error.name,
        "known": error.code or "",
        "condition": error.condition or "",
        "status": error.status or 0,
        "stopped": error.stopped,
        "origin": "server" if error.origin == "server" else "client side",
        "type": error.type,
        "message": error.message,
        "friendly": error.friendly_message,
        "request_id": error.failure.request_id,
        "retry": error.retry,
        "retryable": error.is_retryable,
        "retry_after_ms": None
        if error.retry_after is None
        else error.retry_after * 1000,
        "fields": [
            {"in": x.where, "path": x.name, "message": x.message, "code": x.code}
            for x in error.fields
        ],
        "items": [
            {
                "index": x.index,
                "id": x.id,
                "code": x.name,
                "condition": x.failure.condition,
            }
            for x in error.items
        ],
        "params": {name: told(value) for name, value in error.params.items()},
        "key": error.idempotency_key or "",
        "attempts": [
            {
                "status": a.status,
                "code": a.code,
                "request_id": a.request_id,
                "wait_ms": a.wait * 1000,
            }
            for a in error.attempts
        ],
    }


def told(value):
    if hasattr(value, "isoformat"):
        return value.isoformat(timespec="seconds").replace("+00:00", "Z")
    return value


def main(mode):
    asyncio.set_event_loop(asyncio.new_event_loop())
    case, inner = None, None
    if mode.startswith("httpx"):  # making one takes long, and cases need not do it
        httpx = importlib.import_module("httpx")
        inner = httpx.Client() if mode == "httpx-sync" else httpx.AsyncClient()
    while line := sys.stdin.readline():
        message = json.loads(line)
        try:
            if "begin" in message:
                case = Case(message["begin"], message["url"], mode, inner)
                write({"ready": True})
            elif "call" in message:
                write({"outcome": case.call()})
            else:
                case.end()
                write({"ready": True})
        except Exception:
            write({"fault": traceback.format_exc()})
    if mode == "httpx-sync":
        inner.close()
    elif inner:
        asyncio.get_event_loop().run_until_complete(inner.aclose())


main(sys.argv[1])
