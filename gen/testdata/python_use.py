"""Uses an installed package as its users would; the argument is a server's URL."""

from __future__ import annotations

import asyncio
import sys
import threading
import time

from hebbrix_client import (
    AsyncClient,
    Client,
    HebbrixError,
    RateLimitError,
    ValidationError,
    codes,
    conditions,
)
from hebbrix_client import Code as HebbrixCode

KEY = "mem_sk_0123456789abcdef"
HEADERS = {"Authorization": f"Bearer {KEY}"}


def catch(client: Client, method: str, path: str, **options: float) -> HebbrixError:
    try:
        client.request(method, path, max_attempts=1, timeout=options.get("timeout"))
    except HebbrixError as error:
        assert KEY not in repr(error.record) + str(error)
        return error
    raise AssertionError(f"{path} did not fail")


def typed(client: Client) -> None:
    error = catch(client, "GET", "/missing")
    assert isinstance(error, codes.ResourceNotFound)
    assert isinstance(error, conditions.ResourceMissing)
    code: HebbrixCode | None = error.code
    assert code == "resource_not_found", code
    assert error.remedy and "Check the id" in str(type(error).__doc__)
    assert error.friendly_message.startswith("What you asked for")
    assert error.request_id == "req_0198c2d4", error.request_id
    assert not error.is_retryable and error.stopped == "advice"

    error = catch(client, "GET", "/limited", timeout=5)
    assert isinstance(error, RateLimitError) and isinstance(
        error, conditions.RateLimited
    )
    assert error.retry_after == 7 and error.is_retryable

    error = catch(client, "POST", "/invalid")
    assert isinstance(error, ValidationError)
    assert [(x.where, x.name) for x in error.fields] == [("body", "content")]

    error = catch(client, "GET", "/page")
    assert isinstance(error, conditions.UpstreamUnreachable) and error.status == 502
    assert error.message == "502 Bad Gateway", error.message


def streams(client: Client) -> None:
    with client.stream("GET", "/events") as stream:
        seen = []
        try:
            for event in stream.events():
                seen.append(event.data)
        except codes.InternalError as error:
            assert seen == ["one", "two\nlines"], seen
            assert error.origin == "server" and error.request_id == "req_0198c2d4"
        else:
            raise AssertionError("the stream ended well")
    with client.stream("GET", "/cut") as stream:
        try:
            list(stream.events())
        except conditions.UpstreamUnreachable as error:
            assert error.record.cause and error.status is None, error
        else:
            raise AssertionError("the stream ended well")


def large(client: Client) -> None:
    """A body is read to its end, also when its connection ends with it."""
    answer = client.get("/large")
    assert answer.content == b"z" * (1 << 20), len(answer.content)


def many(client: Client) -> None:
    """Threads share a client, its connections and its budget."""
    failed = []

    def work() -> None:
        for _ in range(20):
            try:
                answer = client.post("/echo", json={"content": "x" * 1000})
                assert len(answer.json()["content"]) == 1000
            except Exception as error:  # noqa: BLE001
                failed.append(error)

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed, failed[0]


async def cancelled(url: str) -> None:
    """A task that is cancelled stops at once, while sending and while waiting."""
    async with AsyncClient(url, headers=HEADERS) as client:
        for path in ("/stall", "/limited"):
            task = asyncio.create_task(client.get(path))
            await asyncio.sleep(0.2)
            began = time.monotonic()
            task.cancel()
            try:
                await task
            except asyncio.CancelledError:
                pass
            else:
                raise AssertionError("it went on")
            assert time.monotonic() - began < 2
        answer = await client.post("/echo", json={"content": "y"})
        assert answer.json() == {"content": "y"}


def main(url: str) -> None:
    with Client(url, headers=HEADERS) as client:
        typed(client)
        streams(client)
        large(client)
        many(client)
        answer = client.post("/twice", json={"content": "x"})
        assert answer.status == 201
    asyncio.run(cancelled(url))
    print("all is well")


if __name__ == "__main__":
    main(sys.argv[1])
