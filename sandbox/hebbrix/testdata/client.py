"""Uses the vendor's Python client, as it is, against a sandbox.

    client.py ORIGIN < KEYS    KEYS is a JSON object of keys by name

What must work is asserted. What the client makes of errors goes to the output,
as a JSON object: facts about the client, for the test to compare.
"""

import asyncio
import importlib.metadata
import json
import sys

import httpx
from hebbrix import (
    AuthenticationError,
    HebbrixError,
    MemoryClient,
    NotFoundError,
    RateLimitError,
    ServerError,
    ValidationError,
)

ORIGIN, KEYS = sys.argv[1], json.load(sys.stdin)
VERSION = importlib.metadata.version("hebbrix")
NEWER = VERSION != "2.2.0"
FACTS = {}


def client(key="plan_pro"):
    return MemoryClient(api_key=KEYS.get(key, key), base_url=ORIGIN)


async def caught(name, call):
    """Notes the class and the visible parts of the error that a call raises."""
    try:
        answer = await call
    except Exception as e:
        FACTS[name] = [type(e).__name__, getattr(e, "status_code", None), getattr(e, "code", None)]
        return e
    raise AssertionError(f"{name}: no error, but {answer}")


async def collections(c):
    made = await c.collections.create("Bread", description="of all kinds", metadata={"a": 1})
    assert made["is_active"] and made["metadata"] == {"a": 1}, made
    listed = await c.collections.list()
    FACTS["collections.list"] = type(listed).__name__
    items = listed["items"] if isinstance(listed, dict) else listed
    assert [x["id"] for x in items] == [made["id"]], listed
    if NEWER:
        page = await c.collections.list_page(name_prefix="Br")
        assert page["total_count"] == 1 and page["has_more"] is False, page
    assert (await c.collections.get(made["id"]))["name"] == "Bread"
    changed = await c.collections.update(made["id"], name="Rye")
    assert changed["name"] == "Rye" and changed["description"] == "of all kinds", changed
    return made["id"]


async def memories(c, collection):
    made = await c.memories.create(collection, "Rye bread is sour.", importance=0.9, metadata={"kind": "taste"})
    first = made["results"][0]["id"]
    got = await c.memories.get(first)
    assert got["content"] == "Rye bread is sour." and got["importance"] == 0.9 and got["collection_id"] == collection, got
    changed = await c.memories.update(first, content="Rye bread is very sour.")
    assert changed["content"] == "Rye bread is very sour.", changed
    for i in range(6):
        await c.memories.create(collection, f"Loaf number {i}.")
    page = await c.memories.list_page(collection_id=collection, limit=3)
    assert len(page["items"]) == 3 and page["has_more"] and page["total_count"] == 7, page
    rest = await c.memories.list(collection_id=collection, cursor=page["next_cursor"], limit=100)
    assert len(rest) == 4, rest
    walked = [m["id"] async for m in c.memories.iter_all(collection_id=collection, limit=2)]
    assert len(set(walked)) == 7, walked
    assert await c.memories.delete(first) is None
    await caught("deleted", c.memories.get(first))


async def searching(c, collection):
    if NEWER:
        short = await c.memories.create(collection, "Wheat is sown in autumn.", wait_for_index=True)
        assert short["searchable"] is True, short
        long = await c.memories.create(collection, "Barley. " * 8000, wait_for_index=True, index_poll_interval=0.05)
        assert long["searchable"] is True and long["processing_status"] == "completed", long
        assert long["status_url"] == "/v1/memories/" + long["results"][0]["id"] and long["outbox_event_id"], long
        again = [await c.memories.create(collection, "Oats.", idempotency_key="oats") for _ in range(2)]
        assert again[0]["results"] == again[1]["results"], again
        FACTS["replay"] = [x.get("idempotency_replay") for x in again]
        said = await c.memories.create(collection, messages=[{"role": "user", "content": "I bake."}])
        assert said["created_count"] == 1, said
        proof = await c.search_with_proof("autumn", collection_id=collection)
        assert "sdk_safety_reason" not in proof and proof["evidence_ids"], proof
    else:
        await c.memories.create(collection, "Wheat is sown in autumn.")
        await asyncio.sleep(0.5)  # the index; this version cannot ask to wait
    found = await c.search("wheat in autumn", collection_id=collection, limit=3, search_type="bm25")
    assert found[0]["content"] == "Wheat is sown in autumn." and found[0]["score"] > 0, found
    assert await c.search("quasar", collection_id=collection) == []


async def errors(c, collection):
    async with client("unknown") as nobody, client("") as keyless, client("read_only") as reader, client("plan_free") as free:
        e = await caught("unknown key", nobody.collections.list())
        assert isinstance(e, AuthenticationError), e
        await caught("no key", keyless.collections.list())
        await caught("no such collection", c.memories.create("col_none", "x"))
        e = await caught("no such memory", c.memories.get("mem_none"))
        assert isinstance(e, NotFoundError), e
        FACTS["request id"] = (getattr(e, "request_id", None) or "")[:4]
        await caught("no such path", c.get("/v1/nothing"))
        await caught("permission", reader.collections.create("x"))
        await caught("importance", c.memories.create(collection, "x", importance=1.5))
        await caught("blank content", c.memories.create(collection, " "))
        await caught("absent content", c.post("/v1/memories", json={}))
        e = await caught("schema", c.search("x", limit=1000))
        assert isinstance(e, ValidationError), e
        FACTS["schema: errors"], FACTS["schema: message"] = e.errors, e.message[:11]
        e = await caught("tier", free.post("/v1/knowledge-graph/entities", json={"name": "Ada"}))
        FACTS["tier: message"] = e.message[:22]
        FACTS["tier: upgrade_url"] = "upgrade_url" in (getattr(e, "details", None) or {})
        e = await caught("upload", c.request("POST", "/v1/documents/upload", files={"file": ("a.txt", b"a")}))
        broken = (await c.memories.create(collection, "x"))["results"][0]["id"]
        async with httpx.AsyncClient() as control:
            reply = await control.put(f"{ORIGIN}/_sandbox/corrupt/hebbrix/memories/org_pro/{broken}")
            assert reply.status_code == 204, reply
        e = await caught("corrupt record", c.memories.get(broken))
        assert isinstance(e, ServerError), e
        await c.memories.delete(broken)
        calls = 0
        while calls < 100:
            calls += 1
            try:
                await free.collections.list()
            except RateLimitError as e:
                FACTS["too many calls"] = [type(e).__name__, e.status_code, getattr(e, "code", None)]
                FACTS["too many calls: retry_after"] = getattr(e, "retry_after", None)
                break
        assert 50 < calls < 100, calls
    for kind in (AuthenticationError, NotFoundError, ValidationError, RateLimitError, ServerError):
        assert issubclass(kind, HebbrixError)


def synchronous():
    from hebbrix import SyncMemoryClient

    with SyncMemoryClient(api_key=KEYS["plan_pro"], base_url=ORIGIN) as c:
        made = c.collections.create("Sync")
        c.memories.create(made["id"], "Flour and water.", wait_for_index=True)
        assert c.search("flour", collection_id=made["id"])[0]["content"] == "Flour and water."
        c.collections.delete(made["id"])


async def main():
    async with client() as c:
        collection = await collections(c)
        await memories(c, collection)
        await searching(c, collection)
        await errors(c, collection)
        assert await c.collections.delete(collection) is None
        await caught("deleted collection", c.collections.get(collection))


asyncio.run(main())
if NEWER:
    synchronous()
json.dump({"version": VERSION, "facts": FACTS}, sys.stdout)
