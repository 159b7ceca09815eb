"""Plays vectors with generated packages; see Process in conform/vectors.

The argument is what sends: sync, threads, httpx-sync or httpx-async.
"""

import asyncio
import concurrent.futures
import contextvars
import importlib
import json
import logging
import pickle
import queue
import sys
import threading
import traceback

NUMBER = contextvars.ContextVar("number")
"""Of the call that a thread or a task makes, from 1."""
WRITING = threading.Lock()


def write(message):
    with WRITING:
        sys.stdout.write(json.dumps(message) + "\n")
        sys.stdout.flush()


def in_turn(values):
    values = list(values)
    return lambda: values.pop(0) if len(values) > 1 else values[0]


class Case:
    def __init__(self, case, url, mode, inner):
        self.case, self.url, self.mode = case, url, mode
        name = case["contract"].replace("-", "_") + "_client"
        self.package = importlib.import_module(name)
        self.logged = []
        settings, self.now = case["client"], 0
        self.calls = case["calls"]
        self.sleeping = {}
        self.cancels = [threading.Event() for _ in self.calls]
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
            "pacing": not settings.get("no_pacing", False),
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
    def seconds(ms):
        return None if not ms else ms / 1000

    def handler(self):
        case = self

        class Handler(logging.Handler):
            def emit(self, record):
                case.logged.append(record.getMessage() + repr(record.__dict__))

        return Handler()

    def sleep(self, seconds):
        number = NUMBER.get()
        woken = self.sleeping[number] = queue.SimpleQueue()
        write({"call": number, "wait_ms": seconds * 1000})
        woken.get()
        if self.calls[number - 1].get("cancel"):
            self.cancels[number - 1].set()

    async def asleep(self, seconds):
        number = NUMBER.get()
        woken = self.sleeping[number] = asyncio.Queue()
        write({"call": number, "wait_ms": seconds * 1000})
        await woken.get()
        if self.calls[number - 1].get("cancel"):
            asyncio.current_task().cancel()
            await asyncio.sleep(0)

    def arguments(self, call):
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
            "max_wait": self.seconds(call.get("max_wait_ms")),
            "pacing": not call.get("no_pacing", False),
        }

    def call_sync(self, number):
        NUMBER.set(number)
        call, outcome = self.calls[number - 1], {}
        arguments = self.arguments(call) | {"cancel": self.cancels[number - 1]}
        try:
            with self.client.stream(**arguments) as stream:
                outcome["status"] = stream.status
                if call.get("stream") == "events":
                    outcome["events"] = events = []
                    for event in stream.events():
                        events.append(told_event(event))
                elif call.get("stream") == "lines":
                    outcome["lines"] = lines = []
                    for line in stream.documents():
                        lines.append(line)
                else:
                    try:
                        outcome["body"] = stream.read().decode()
                    except self.package.CallError:
                        outcome["broken"] = True
        except self.package.CallError as error:
            outcome |= self.failed(error)
        return outcome

    async def call_async(self, number):
        NUMBER.set(number)
        call, outcome = self.calls[number - 1], {}
        try:
            async with self.client.stream(**self.arguments(call)) as stream:
                outcome["status"] = stream.status
                if call.get("stream") == "events":
                    outcome["events"] = events = []
                    async for event in stream.events():
                        events.append(told_event(event))
                elif call.get("stream") == "lines":
                    outcome["lines"] = lines = []
                    async for line in stream.documents():
                        lines.append(line)
                else:
                    try:
                        outcome["body"] = (await stream.read()).decode()
                    except self.package.CallError:
                        outcome["broken"] = True
        except self.package.CallError as error:
            outcome |= self.failed(error)
        except asyncio.CancelledError as error:  # asyncio's own, with ours as its cause
            outcome |= self.failed(error.__cause__)
        return outcome

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

    async def end(self):
        if hasattr(self.client, "close"):
            self.client.close()
        else:
            await self.client.aclose()


def told_event(event):
    told = {"event": event.event, "data": event.data, "id": event.id}
    return told | {"retry_ms": (event.retry or 0) * 1000}


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


async def answer(case, number):
    """Make a call, while further messages are read."""
    try:
        if case.mode in ("sync", "httpx-sync"):
            outcome = await threaded(case.call_sync, number)
        else:
            outcome = await case.call_async(number)
        write({"call": number, "outcome": outcome})
    except Exception:
        write({"call": number, "fault": traceback.format_exc()})


async def threaded(work, *arguments):
    """Work in a thread of its own: a pool might have too few."""
    loop, done = asyncio.get_running_loop(), asyncio.Queue()

    def run():
        try:
            result = work(*arguments), None
        except BaseException as error:
            result = None, error
        loop.call_soon_threadsafe(done.put_nowait, result)

    threading.Thread(target=run, daemon=True).start()
    value, error = await done.get()
    if error is not None:
        raise error
    return value


async def main(mode):
    case, inner, tasks = None, None, set()
    pool = concurrent.futures.ThreadPoolExecutor(64)  # cases have calls enough at once
    asyncio.get_running_loop().set_default_executor(pool)
    if mode.startswith("httpx"):  # making one takes long, and cases need not do it
        httpx = importlib.import_module("httpx")
        inner = httpx.Client() if mode == "httpx-sync" else httpx.AsyncClient()
    while line := await threaded(sys.stdin.readline):
        message = json.loads(line)
        try:
            if "begin" in message:
                case = Case(message["begin"], message["url"], mode, inner)
            elif "now_ms" in message:
                case.now = round(message["now_ms"] * 1e6)
            elif "call" in message:
                task = asyncio.create_task(answer(case, message["call"]))
                tasks.add(task)
                task.add_done_callback(tasks.discard)
                continue
            elif "go" in message:
                case.sleeping[message["go"]].put_nowait(None)
                continue
            else:
                await case.end()
            write({"ready": True})
        except Exception:
            write({"fault": traceback.format_exc()})
    if mode == "httpx-sync":
        inner.close()
    elif inner:
        await inner.aclose()


asyncio.run(main(sys.argv[1]))
