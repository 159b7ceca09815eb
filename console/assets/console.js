// What the console does beyond what the server sends: copying, filtering, the
// live list, and looking again by itself. Without it every page still answers.
"use strict";
document.documentElement.classList.add("scripted");

const find = (selector, within = document) => within.querySelector(selector);

// Copy buttons.
document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  const said = button.textContent;
  try {
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = "Copied";
  } catch {
    // Without the permission, or without TLS: mark the text, for the keyboard.
    const code = button.parentElement.querySelector("code") ?? button.closest("section")?.querySelector("code");
    if (code) getSelection().selectAllChildren(code);
    button.textContent = "Press Ctrl+C";
  }
  setTimeout(() => { button.textContent = said; }, 1500);
});

// Rows of a table that hold all words of a filter.
document.addEventListener("input", (event) => {
  const field = event.target.closest("[data-filter]");
  if (!field) return;
  const words = field.value.toLowerCase().split(/\s+/).filter(Boolean);
  for (const row of document.querySelectorAll(`${field.dataset.filter} tbody tr`)) {
    const text = row.textContent.toLowerCase();
    row.hidden = !words.every((word) => text.includes(word));
  }
});

// "/" goes to the search, as in many consoles.
document.addEventListener("keydown", (event) => {
  if (event.key !== "/" || event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.target.closest("input, textarea, select, [contenteditable]")) return;
  const field = find("#find");
  if (field) {
    event.preventDefault();
    field.focus();
  }
});

// The overview looks again by itself, unless somebody is reading it closely.
setInterval(() => {
  const pulse = find("[data-refresh]");
  if (!pulse || document.hidden) return;
  const read = pulse.contains(document.activeElement) || find("details[open]", pulse) || find(".plot:hover", pulse) || !getSelection().isCollapsed;
  if (!read) htmx.trigger(pulse, "refresh");
}, 5000);

// The live list.
const mostRows = 200;
let stream = null;
let cursor = "";

function say(text) {
  const said = find("#live-said");
  if (said) said.textContent = text;
}

function stop(text) {
  stream?.close();
  stream = null;
  say(text);
}

function listen(box) {
  stream?.close();
  const address = new URL(box.dataset.stream, location.href);
  if (cursor) address.searchParams.set("after", cursor);
  const source = new EventSource(address);
  stream = source;
  source.onopen = () => say("live");
  source.onmessage = (event) => {
    cursor = event.lastEventId;
    const body = find("#found tbody");
    if (!body) return;
    const rows = document.createElement("template");
    rows.innerHTML = event.data; // the server has escaped what is in it
    for (const row of rows.content.children) row.classList.add("fresh");
    body.prepend(rows.content);
    while (body.rows.length > mostRows) body.deleteRow(-1);
    find("#found > .empty")?.remove();
  };
  source.addEventListener("missed", (event) => say(`live, ${event.data} not shown: more than can be read`));
  source.onerror = () => {
    if (source.readyState !== EventSource.CLOSED) {
      say("reconnecting");
      return;
    }
    // The server has refused: too many pages are live, or the session is over.
    source.close();
    say("not live: the server is busy, trying again");
    setTimeout(() => { if (stream === source && !document.hidden) listen(box); }, 15000);
  };
}

document.addEventListener("change", (event) => {
  if (event.target.id !== "live") return;
  event.stopPropagation();
  cursor = "";
  if (event.target.checked) listen(event.target);
  else stop("");
}, true);

// A page that nobody sees gives its place to others, and catches up later.
document.addEventListener("visibilitychange", () => {
  const box = find("#live");
  if (!box?.checked) return;
  if (document.hidden) stop("paused");
  else listen(box);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.target.id === "found" && stream) {
    document.body.dataset.live = "on";
    stop("");
  }
});
document.addEventListener("htmx:afterSettle", () => {
  const box = find("#live");
  if (box && document.body.dataset.live) {
    delete document.body.dataset.live;
    box.checked = true;
    cursor = "";
    listen(box);
  }
});
