// A service as its author would write it, with no thought of a contract.
import { createRequire } from "node:module";

const express = createRequire(process.argv[2])("express");
const app = express();
const items = [];

app.use(express.json());
app.get("/items", (req, res) => res.json(items));
app.post("/items", (req, res) => {
  if (!req.body.name) return res.status(400).json({ error: "name is required" });
  items.push({ id: items.length + 1, ...req.body });
  res.status(201).json(items.at(-1));
});
app.get("/items/:id", (req, res) => {
  const item = items[req.params.id - 1];
  if (!item) return res.status(404).json({ error: "Item not found" });
  res.json(item);
});
const server = app.listen(0, "127.0.0.1", () => console.log(server.address().port));
