"""The vendor's client in a loop as people write them who follow a page on errors.

It repeats whatever the client raises as its own error, writes without a key among them, and not what the client lets
through of the network.
"""
import asyncio
import random

from hebbrix import HebbrixError, MemoryClient, RateLimitError

from look import done, faults, keys, look, origin, unit


async def remember(client, tries=5):
    for n in range(tries):
        try:
            return await client.memories.create(collection_id="col_xyz", content="one thing")
        except (RateLimitError, HebbrixError):
            if n == tries - 1:
                raise
            await asyncio.sleep((2**n + random.random()) * unit / 1000)
    return None


def run(key, work=remember):
    async def go():
        async with MemoryClient(api_key=keys[key], base_url=origin) as client:
            return await work(client)

    return asyncio.run(go())


async def count(client):
    return (await client.memories.list(collection_id="col_xyz"))


look("a memory", lambda: run("valid"))
look("a revoked key", lambda: run("revoked"))
faults({"fault": {"error": "rate_limit_exceeded", "retry_after": "60"}})
look("a minute to wait", lambda: run("valid"))
faults({"nth": "1..2", "fault": {"error": "internal_error", "done": True}})
look("done, and said to have failed", lambda: run("valid"))
look("memories of it", lambda: run("valid", count), lambda got: len(got if isinstance(got, list) else got["items"]) - 1)
faults({"nth": "1", "fault": {"reset": "before", "done": True}})
look("a lost connection", lambda: run("valid"))
done()
