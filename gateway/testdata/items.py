"""A service as its author would write it, with no thought of a gateway."""

import asyncio

from fastapi import FastAPI, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel

app = FastAPI()


class Item(BaseModel):
    name: str
    price: float


@app.get("/items/{number}")
def read(number: int):
    if number > 100:
        raise HTTPException(status_code=404, detail="Item not found")
    return {"number": number}


@app.post("/items")
def create(item: Item):
    return item


@app.get("/crash")
def crash():
    raise RuntimeError("the database password is hunter2")


@app.get("/events")
async def events():
    async def make():
        for number in range(3):
            yield f"data: {number}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(make(), media_type="text/event-stream")


@app.get("/broken-events")
async def broken():
    async def make():
        yield "data: 0\n\n"
        yield "data: half"
        raise RuntimeError("lost")

    return StreamingResponse(make(), media_type="text/event-stream")


@app.get("/sleep")
async def sleep():
    await asyncio.sleep(30)
