// Clients as people write them who follow a page on errors, with the faults that
// the page's own have: each is named where it is looked at.
import { base, control, done, faults, keys, look, pause } from "./look.mjs";

// An error that says what went wrong in words only.
const ask = async (url, options) => {
  const answer = await fetch(url, options);
  if (answer.ok) return answer.json();
  const { error } = await answer.json();
  throw new Error(error.message);
};

const patiently = async (work, tries = 3) => {
  for (let n = 0; ; n++) {
    try {
      return await work();
    } catch (err) {
      const ours = err.status >= 400 && err.status < 500 && err.status !== 429;
      if (ours || n === tries - 1) throw err;
      await pause(2 ** n + Math.random());
    }
  }
};

class Refused extends Error {
  constructor(message, status, code, details) {
    super(message);
    Object.assign(this, { name: "Refused", status, code, details });
  }
}

class Client {
  constructor(key, { retries } = {}) {
    this.key = key;
    this.retries = retries || 3;
  }

  async call(path, options = {}) {
    const headers = { "x-api-key": this.key, "Content-Type": "application/json", ...options.headers };
    return this.again(async () => this.read(await fetch(base + path, { ...options, headers })));
  }

  async again(work, n = 0) {
    try {
      return await work();
    } catch (err) {
      if (err.status >= 400 && err.status < 500 && err.status !== 429) throw err;
      if (n >= this.retries) throw err;
      await pause(2 ** n + Math.random());
      return this.again(work, n + 1);
    }
  }

  async read(answer) {
    if (answer.status === 204) return null;
    const body = await answer.json();
    if (answer.ok) return body;
    const { message, status, code, details } = body.error;
    if (answer.status === 429) throw new Refused(message, 429, "rate_limit_exceeded", { wait: answer.headers.get("Retry-After") || 60, ...details });
    throw new Refused(message, status, code, details);
  }

  agents() {
    return this.call("/agents");
  }

  create(agent) {
    return this.call("/agents", { method: "POST", body: JSON.stringify(agent) });
  }
}

// Waits as it is told, for ever.
const obediently = async (url, options) => {
  const answer = await fetch(url, options);
  if (answer.status !== 429) return answer.json();
  await pause(answer.headers.get("Retry-After") || 60);
  return obediently(url, options);
};

const signed = { headers: { "x-api-key": keys.valid } };
const client = new Client(keys.valid);

await look("a list", () => client.agents(), (got) => got.data.pagination.total);
await look("what is not there, without a status", () => patiently(() => ask(`${base}/agents/none`, signed)));
await look("what is not there, with a status", () => client.call("/agents/none"));
await look("a key that is none", () => client.call("/agents", { headers: { "x-api-key": "none" } }));
await look("an agent of nothing", () => client.create({}));

await faults({ fault: { error: "internal_error" } });
await look("no retries wanted", () => new Client(keys.valid, { retries: 0 }).agents());
await faults({ fault: { status: 502, body: "html", content_type: "text/html" } });
await look("a proxy's page", () => client.agents());
await faults({ nth: "1", fault: { reset: "before", done: true } });
await look("an answer that is lost", () => client.create({ name: "once" }));
await faults({ nth: "1..30", fault: { error: "rate_limit_exceeded", retry_after: "0" } });
await look("thirty refusals, without a bound", () => obediently(`${base}/agents`, signed));
await faults({ fault: { error: "rate_limit_exceeded", retry_after: "60" } });
const began = performance.now();
await look("a minute to wait", () => client.agents().catch((err) => { throw Object.assign(err, { code: typeof err.details.wait }); }));
if (performance.now() - began > 30_000) throw new Error("it did wait");

const voice = await client.create({ name: "telephonist", type: "voice" });
await faults({ nth: "1", fault: { reset: "before", done: true } });
await look("a call that is lost", () => client.call("/calls/outbound", { method: "POST", body: JSON.stringify({ agentId: voice.data.id, phoneNumber: "+358401234567" }) }));
await look("how often it rang", () => client.call("/calls"), (got) => got.data.pagination.total);

await control("POST", "clock", { advance: "2m" });
await look("two hundred at once", async () => {
  const all = await Promise.allSettled(Array.from({ length: 200 }, () => client.agents()));
  const refused = all.filter((one) => one.status === "rejected");
  return `${all.length - refused.length} in, ${refused.length} ${refused[0].reason.code}`;
});
done();
