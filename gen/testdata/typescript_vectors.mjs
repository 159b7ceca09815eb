// Plays vectors with generated clients: see conform/vectors/process.go. The
// argument is a folder with a built package for each contract.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

const packages = process.argv[2];

function say(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

/** Gives values one after the other, the last over and over. */
function inTurn(values) {
  let i = 0;
  return () => values[Math.min(i++, values.length - 1)];
}

async function begin({ begin: test, url }) {
  const api = await import(
    pathToFileURL(`${packages}/${test.contract}/dist/index.js`).href
  );
  const state = { test, api, now: Date.parse(test.start), sleeping: new Map() };
  state.aborts = test.calls.map(() => new AbortController());
  const s = test.client;
  const options = {
    baseURL: url,
    attempts: s.attempts,
    maxWait: s.max_wait_ms,
    attemptTimeout: s.attempt_timeout_ms,
    noKeys: s.no_keys,
    noPacing: s.no_pacing,
    countHeader: s.count_header,
    budget: s.budget,
    random: inTurn(s.random),
    newKey: inTurn(s.keys),
    now: () => state.now,
    sleep: async (ms, signal) => {
      const n = state.aborts.findIndex((abort) => abort.signal === signal);
      say({ call: n + 1, wait_ms: ms });
      await new Promise((resolve) => state.sleeping.set(n + 1, resolve));
      if (test.calls[n].cancel) state.aborts[n].abort();
      signal.throwIfAborted();
    },
  };
  const pieces = test.script.find((step) => step.pieces)?.pieces;
  if (pieces) options.fetch = async (...args) => cut(await fetch(...args), pieces);
  state.client = new api.Client(set(options));
  return state;
}

/** The same response in pieces of so many bytes: fetch joins chunks. */
function cut(response, size) {
  const cutter = new TransformStream({
    transform(bytes, out) {
      for (let at = 0; at < bytes.length; at += size)
        out.enqueue(bytes.subarray(at, at + size));
    },
  });
  return new Response(response.body.pipeThrough(cutter), response);
}

/** What is undefined is left out. */
function set(options) {
  for (const name of Object.keys(options))
    if (options[name] === undefined) delete options[name];
  return options;
}

async function call({ test, api, client, aborts }, n) {
  const call = test.calls[n];
  const init = set({
    method: call.method,
    headers: call.headers ?? {},
    signal: aborts[n].signal,
    timeout: call.deadline_ms,
    maxWait: call.max_wait_ms,
    noPacing: call.no_pacing,
  });
  if (call.fill) init.body = "x".repeat(call.fill);
  else if (call.body !== undefined) init.body = call.body;
  if (call.once) init.body = new Blob([init.body]).stream();
  const outcome = {};
  try {
    const response = await client.fetch(call.path, init);
    outcome.status = response.status;
    if (call.stream) await read(client, call.stream, response, outcome);
    else {
      outcome.body = await response.text().catch(() => undefined);
      outcome.broken = outcome.body === undefined;
    }
  } catch (error) {
    if (!(error instanceof api.CallError)) throw error;
    Object.assign(outcome, { error: shared(error), texts: texts(error) });
  }
  return outcome;
}

async function read(client, kind, response, outcome) {
  outcome[kind] = [];
  if (kind === "lines")
    for await (const line of client.lines(response)) outcome.lines.push(line);
  else
    for await (const { retry, ...event } of client.events(response))
      outcome.events.push({ ...event, retry_ms: retry ?? 0 });
}

/** An error in the words that all languages share. */
function shared(e) {
  return {
    code: e.code,
    known: e.known ?? "",
    condition: e.condition,
    status: e.status,
    stopped: e.stopped ?? "",
    origin: e.origin,
    type: e.type,
    message: e.description,
    friendly: e.friendlyMessage,
    request_id: e.requestId,
    retry: e.retry,
    retryable: e.isRetryable,
    retry_after_ms: e.retryAfter ?? null,
    fields: e.fields.map((f) => ({ ...f, path: f.path.join(".") })),
    items: e.items.map(({ index, id, code, condition }) => ({
      index,
      id,
      code,
      condition,
    })),
    params: e.params,
    key: e.idempotencyKey,
    attempts: e.attempts.map((a) => ({
      status: a.status,
      code: a.code,
      request_id: a.requestId,
      wait_ms: a.wait,
    })),
  };
}

/** All that an error can be printed as. */
function texts(e) {
  return [
    String(e),
    e.stack,
    inspect(e, { depth: 9 }),
    JSON.stringify(e),
    e.body,
    e.url,
    JSON.stringify([...(e.headers ?? [])]),
  ];
}

/** Does what a message asks for; a call goes on while further ones are read. */
let state;
async function obey(m) {
  if (m.begin) state = await begin(m);
  else if (m.now_ms !== undefined) state.now = m.now_ms;
  else if (m.go) return state.sleeping.get(m.go)();
  else if (m.call)
    return say({ call: m.call, outcome: await call(state, m.call - 1) });
  say({ ready: true });
}

for await (const line of createInterface({ input: process.stdin })) {
  const m = JSON.parse(line);
  const done = obey(m).catch((error) =>
    say({ call: m.call, fault: String(error?.stack ?? error) }),
  );
  if (!m.call) await done;
}
