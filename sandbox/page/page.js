"use strict";
const $ = (id) => document.getElementById(id);

const say = (where, text, wrong) => { where.textContent = text; where.classList.toggle("wrong", Boolean(wrong)); };

// Errors of the control endpoints are in the API's own shape: show their text.
async function ask(method, path, body) {
  const answer = await fetch("/_sandbox/" + path, { method, body: body && (typeof body === "string" ? body : JSON.stringify(body)) });
  const text = await answer.text();
  if (!answer.ok) throw new Error(answer.status + " " + text.slice(0, 500));
  return text ? JSON.parse(text) : null;
}

document.addEventListener("click", async (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.copy !== undefined) {
    const before = button.textContent;
    try { await navigator.clipboard.writeText(button.dataset.copy); button.textContent = "Copied"; } catch { button.textContent = "Select it"; }
    setTimeout(() => { button.textContent = before; }, 1200);
  }
  if (button.dataset.force !== undefined) force(button);
  if (button.dataset.script !== undefined) { $("script").value = button.dataset.script; apply(); }
  if (button.dataset.advance) world(async () => { showClock(await ask("POST", "clock", { advance: button.dataset.advance })); return "The clock is set."; });
});

// force makes the call of a command line from here; the journal shows it too.
async function force(button) {
  const { auth, key } = $("main").dataset;
  const headers = { "X-Sandbox-Error": button.dataset.force };
  if (auth) headers[auth] = key;
  const said = button.parentElement.querySelector("span");
  try {
    const answer = await fetch(button.dataset.path, { method: button.dataset.method, headers });
    say(said, "answered " + answer.status);
  } catch {
    say(said, "the connection broke", true);
  }
}

async function world(work) {
  try { say($("world-said"), await work()); } catch (err) { say($("world-said"), err.message, true); }
}

// ahead says a number of seconds in its two largest units.
function ahead(seconds) {
  const parts = [];
  for (const [name, length] of [["day", 86400], ["hour", 3600], ["minute", 60], ["second", 1]]) {
    const n = Math.floor(seconds / length);
    seconds -= n * length;
    if (n) parts.push(n + " " + name + (n === 1 ? "" : "s"));
  }
  return parts.length ? parts.slice(0, 2).join(" ") + " ahead of real time" : "real time";
}

function showClock(c) {
  $("now").textContent = c.now.replace("T", " ").replace(/\..*|Z$/, "") + " UTC";
  $("ahead").textContent = ahead(c.ahead_seconds);
}

async function apply() {
  try { await ask("PUT", "faults", $("script").value); say($("faults-said"), "In force."); } catch (err) { say($("faults-said"), err.message, true); }
}
$("apply").addEventListener("click", apply);
$("clear").addEventListener("click", async () => { await ask("DELETE", "faults"); $("script").value = ""; say($("faults-said"), "Nothing goes wrong on purpose."); });
$("backend").addEventListener("change", (e) => world(async () => { await ask("PUT", "backend", { mode: e.target.value }); return "The service behind it is " + e.target.value + "."; }));
$("maintenance").addEventListener("change", (e) => world(async () => { await ask("PUT", "maintenance", { on: e.target.checked }); return e.target.checked ? "In maintenance." : "Back in service."; }));
$("reset").addEventListener("click", () => world(async () => { await ask("POST", "reset"); $("entries").replaceChildren(); return "All as at the start."; }));

$("filter").addEventListener("input", () => {
  const words = $("filter").value.toLowerCase().split(/\s+/).filter(Boolean);
  let shown = 0;
  for (const card of $("codes").children) {
    card.hidden = !words.every((word) => card.dataset.text.includes(word));
    shown += card.hidden ? 0 : 1;
  }
  $("count").textContent = words.length ? shown + " shown" : "";
});

const cell = (row, text, name) => { const td = row.insertCell(); td.textContent = text; if (name) td.className = name; return td; };

function hue(row) {
  if (!row.dataset.call) return;
  let h = 0;
  for (const c of row.dataset.call) h = (h * 31 + c.codePointAt(0)) % 360;
  row.dataset.hue = h;
  row.style.setProperty("--bar", `hsl(${h} 60% 55%)`);
}

function add(e) {
  $("nothing").hidden = true;
  const row = document.createElement("tr");
  row.className = "new";
  row.dataset.call = e.call || "";
  cell(row, e.number);
  cell(row, new Date(e.at).toISOString().slice(11, 23));
  const request = cell(row, " " + e.path);
  request.prepend(Object.assign(document.createElement("b"), { textContent: e.method }));
  cell(row, e.key || "");
  const answer = cell(row, " " + (e.code || "") + (e.replayed ? " replayed" : ""));
  answer.prepend(Object.assign(document.createElement("span"), { className: "status s" + String(e.status).padStart(3, "0")[0], textContent: e.status || "none" }));
  cell(row, e.attempt || "");
  cell(row, e.fault || "");
  cell(row, e.took_ms.toFixed(1), "num");
  hue(row);
  $("entries").prepend(row);
  while ($("entries").rows.length > 200) $("entries").deleteRow(-1);
}

for (const row of $("entries").rows) hue(row);
ask("GET", "faults").then((s) => { if (s.rules) $("script").value = JSON.stringify(s, null, 2); });

const events = new EventSource("/_sandbox/events");
events.onopen = () => { $("live").textContent = "live"; $("live").className = "on"; };
events.onerror = () => { $("live").textContent = "reconnecting"; $("live").className = ""; };
events.onmessage = (m) => add(JSON.parse(m.data));
