"""A service as its author would write it, with no thought of a contract."""

from fastapi import FastAPI, HTTPException
from pydantic import BaseModel, Field

app = FastAPI(title="Shop")
items: dict[int, dict] = {}


class Item(BaseModel):
    name: str = Field(min_length=1)
    size: int = 1


@app.get("/items", operation_id="items.list")
def list_items(limit: int = 50):
    return list(items.values())[:limit]


@app.post("/items", operation_id="items.create", status_code=201)
def create_item(item: Item):
    number = len(items) + 1
    items[number] = {"id": number, **item.model_dump()}
    return items[number]


@app.get("/items/{number}", operation_id="items.get")
def read_item(number: int):
    if number not in items:
        raise HTTPException(status_code=404, detail=f"Item {number} not found")
    return items[number]


@app.get("/search", operation_id="search")
def search(q: str):
    return [i for i in items.values() if q in i["name"]]
