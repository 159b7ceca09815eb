"""A service that stores memories, written with no thought of repetitions."""

import asyncio
import uuid

from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
stored = []


class Memory(BaseModel):
    content: str


@app.post("/v1/memories", status_code=201)
async def create(memory: Memory):
    await asyncio.sleep(0.05)
    stored.append({"id": str(uuid.uuid4()), "content": memory.content})
    return stored[-1]


@app.get("/v1/memories")
def read():
    return {"items": stored, "total_count": len(stored)}
