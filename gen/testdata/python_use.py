"""Uses an installed package as its users would; the arguments are a server's URL,
one with TLS, and the file of its certificate."""

from __future__ import annotations

import asyncio
import os
import signal
import ssl
import sys
import threading
import time

from hebbrix_client import (
    AsyncClient,
    Client,
    HebbrixError,
    HTTPTransport,
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


def redirected(client: Client, url: str) -> None:
    """Credentials stay with the host that they are for."""
    assert client.get("/moved").json() == {"authorized": True, "host": "127.0.0.1"}
    answer = client.get("/elsewhere")
    assert answer.json() == {"authorized": False, "host": "localhost"}
    other = url.replace("127.0.0.1", "localhost") + "/who"
    assert answer.url == other
    assert client.get(other).json()["authorized"] is False


def secured(tls: str, plain: str, certificate: str) -> None:
    with Client(tls) as client:
        error = catch(client, "GET", "/who")
        assert isinstance(error, conditions.UpstreamUnreachable), error
        assert error.stopped == "advice" and not error.is_retryable, error
    with Client(plain.replace("http:", "https:")) as client:
        assert catch(client, "GET", "/who").stopped == "advice"
    context = ssl.create_default_context(cafile=certificate)
    with Client(tls, transport=HTTPTransport(ssl_context=context)) as client:
        for _ in range(3):
            assert client.get("/who").json()["host"] == "127.0.0.1"


def proxied(tls: str, plain: str, certificate: str) -> None:
    """Proxies are taken from the environment, with their password."""
    address = plain.replace("//", "//me:secret@")
    os.environ["http_proxy"] = os.environ["https_proxy"] = address
    context = ssl.create_default_context(cafile=certificate)
    with Client(transport=HTTPTransport(ssl_context=context)) as client:
        assert client.get("http://example.com/who").json()["host"] == "example.com"
        # The proxy leads every tunnel to the test's own server.
        assert client.get("https://example.com/who").json()["host"] == "example.com"
    with Client(plain) as client:
        assert client.get("/who").json()["host"] == "127.0.0.1"
    del os.environ["http_proxy"], os.environ["https_proxy"]


def stopped(client: Client) -> None:
    """A wait is over when another thread says so, or Ctrl-C."""
    cancel = threading.Event()
    threading.Timer(0.2, cancel.set).start()
    began = time.monotonic()
    try:
        client.get("/limited", cancel=cancel)
    except RateLimitError as error:
        assert error.stopped == "cancelled" and error.retry_after == 7, error
    else:
        raise AssertionError("it went on")
    assert time.monotonic() - began < 5
    signal.setitimer(signal.ITIMER_REAL, 0.2)
    try:
        client.get("/limited")
    except KeyboardInterrupt as reason:
        assert isinstance(reason.__cause__, RateLimitError), reason.__cause__
    else:
        raise AssertionError("it went on")


def interrupt(number: int, frame: object) -> None:
    raise KeyboardInterrupt


async def cancelled(url: str) -> None:
    """A task that is cancelled stops at once, while sending and while waiting."""
    met: list[BaseException | None] = []

    async def call(path: str) -> None:
        try:
            await client.get(path)
        except asyncio.CancelledError as reason:
            met.append(reason.__cause__)
            raise

    async with AsyncClient(url, headers=HEADERS) as client:
        for path in ("/stall", "/limited"):
            task = asyncio.create_task(call(path))
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
    assert met[0] is None, met
    assert isinstance(met[1], RateLimitError) and met[1].stopped == "cancelled", met


def main(url: str, tls: str, certificate: str) -> None:
    signal.signal(signal.SIGALRM, interrupt)
    with Client(url, headers=HEADERS) as client:
        typed(client)
        streams(client)
        large(client)
        redirected(client, url)
        many(client)
        stopped(client)
        answer = client.post("/twice", json={"content": "x"})
        assert answer.status == 201
    secured(tls, url, certificate)
    proxied(tls, url, certificate)
    asyncio.run(cancelled(url))
    print("all is well")


if __name__ == "__main__":
    main(*sys.argv[1:])
