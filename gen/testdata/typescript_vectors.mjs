// Plays vectors with generated clients: see conform/vectors/process.go. The
// argument is a folder with a built package for each contract.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";
import { inspect } from "node:util";

const packages = process.argv[2];
const input = createInterface({ input: process.stdin })[Symbol.asyncIterator]();

function say(message) {
  process.stdout.write(JSON.stringify(message) + "\n");
}

async function hear() {
  const { value, done } = await input.next();
  return done ? undefined : JSON.parse(value);
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
  const state = { test, api, now: Date.parse(test.start), abort: undefined };
  const s = test.client;
  const options = {
    baseURL: url,
    attempts: s.attempts,
    maxWait: s.max_wait_ms,
    attemptTimeout: s.attempt_timeout_ms,
    noKeys: s.no_keys,
    countHeader: s.count_header,
    budget: s.budget,
    random: inTurn(s.random),
    newKey: inTurn(s.keys),
    now: () => state.now,
    sleep: async (ms, signal) => {
      say({ wait_ms: ms });
      await hear();
      if (test.call.cancel) state.abort.abort();
      signal?.throwIfAborted();
      state.now += ms;
    },
  };
  for (const name of Object.keys(options))
    if (options[name] === undefined) delete options[name];
  state.client = new api.Client(options);
  return state;
}

async function call({ test, api, client, ...state }, begun) {
  const { call } = test;
  begun.abort = new AbortController();
  const init = { method: call.method, headers: call.headers ?? {} };
  if (call.cancel) init.signal = begun.abort.signal;
  if (call.deadline_ms !== undefined) init.timeout = call.deadline_ms;
  if (call.fill) init.body = "x".repeat(call.fill);
  else if (call.body !== undefined) init.body = call.body;
  if (call.once) init.body = new Blob([init.body]).stream();
  let response;
  try {
    response = await client.fetch(call.path, init);
  } catch (error) {
    if (!(error instanceof api.CallError)) throw error;
    return { error: shared(error), texts: texts(error) };
  }
  try {
    return { status: response.status, body: await response.text() };
  } catch {
    return { status: response.status, broken: true };
  }
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

let state;
for (let m = await hear(); m !== undefined; m = await hear()) {
  try {
    if (m.begin) {
      state = await begin(m);
      say({ ready: true });
    } else if (m.call) say({ outcome: await call(state, state) });
    else say({ ready: true });
  } catch (error) {
    say({ fault: String(error?.stack ?? error) });
  }
}
