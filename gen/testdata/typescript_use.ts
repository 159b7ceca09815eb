// A program of somebody who installed the package: it must compile strictly.
import {
  CallError,
  Client,
  HebbrixError,
  NotFoundError,
  RateLimitError,
  codes,
  conditions,
  type Attempt,
} from "hebbrix-client";

const origin = process.argv[2] ?? "";
const attempts: Attempt[] = [];
const client = new Client({
  baseURL: origin,
  apiKey: "mem_sk_0123456789abcdef",
  onAttempt: (attempt) => attempts.push(attempt),
});

function check(holds: boolean, what: string): asserts holds {
  if (!holds) throw new Error(`it does not hold that ${what}`);
}

async function failureOf(call: () => Promise<unknown>): Promise<HebbrixError> {
  try {
    await call();
  } catch (error) {
    check(error instanceof HebbrixError, `${String(error)} is a HebbrixError`);
    check(error instanceof CallError, "it is a CallError");
    check(!JSON.stringify(error).includes("0123456789abcdef"), "no key is told");
    return error;
  }
  throw new Error("a failure was expected");
}

// A success: the key goes to the API, and to nobody else.
const made = await client.json<{ id: string; key: string; auth: string }>(
  "POST",
  "/v1/memories",
  { content: "hello" },
);
check(made.id === "mem_1", "the answer is read");
check(/^[0-9a-f-]{36}$/.test(made.key), "a write gets a key");
check(made.auth === "Bearer mem_sk_0123456789abcdef", "the API key is sent");
const elsewhere = await client.fetch(origin.replace("127.0.0.1", "localhost"));
check((await elsewhere.text()) === "", "another origin gets no API key");

// A failure is of all the classes that stand for it.
const missing = await failureOf(() => client.fetch("/v1/memories/none"));
check(missing instanceof codes.ResourceNotFound, "its code has a class");
check(missing instanceof conditions.ResourceMissing, "its condition has one");
check(missing instanceof NotFoundError, "the document has one for its status");
check(!(missing instanceof RateLimitError), "other classes do not stand for it");
check(!(missing instanceof codes.InternalError), "other codes do not either");
check(missing.name === "ResourceNotFound", "it is named for what says most");
check(missing.known === "resource_not_found", "its code is known");
check(missing.requestId === "7", "it has the request id");
check(missing.remedy !== "", "it says what to do");
check(!missing.isRetryable, "it is final");
check(told(missing) === "resource_not_found", "its type is known");
check(missing.friendlyMessage.length > 10, "it has words for end users");
check(missing.url === `${origin}/v1/memories/none`, "it names the address");

// Narrowing: each class has its own type.
function told(error: HebbrixError): string {
  if (error instanceof conditions.RateLimited) {
    const condition: "rate_limited" = error.condition;
    return condition;
  }
  if (error instanceof codes.ResourceNotFound) {
    const known: "resource_not_found" = error.known;
    return known;
  }
  return error.code;
}

// One code can mean several conditions; the status tells them apart.
const away = await failureOf(() =>
  client.fetch("/v1/away", { attempts: 1 }),
);
check(away instanceof codes.InternalError, "the code is that of a 500");
check(away instanceof conditions.Unavailable, "the status is that of a 503");
check(!(away instanceof conditions.Internal), "it is nothing else");

// A wait is over when the caller says so, and at once when it is pointless.
const abort = new AbortController();
const waiting = failureOf(() =>
  client.fetch("/v1/limited", { signal: abort.signal }),
);
while (!attempts.some((a) => a.wait === 30_000))
  await new Promise((resolve) => setTimeout(resolve, 1));
abort.abort(new Error("not wanted any more"));
const ended = await waiting;
check(ended.stopped === "cancelled", "the wait was cancelled");
check(ended instanceof RateLimitError, "what the server said is kept");
check((ended.cause as Error).message === "not wanted any more", "it says why");
const late = await failureOf(() => client.fetch("/v1/limited", { timeout: 5_000 }));
check(late.stopped === "deadline", "nobody sleeps into a deadline");
check(late.retryAfter === 30_000, "the wait is told");

// Streams end in the same errors.
const seen: string[] = [];
const broken = await failureOf(async () => {
  const response = await client.fetch("/v1/events");
  for await (const event of client.events(response)) seen.push(event.data);
});
check(seen.join() === "one,two\nlines", `the events before are read: ${seen.join()}`);
check(broken instanceof codes.InternalError, "the terminal event is an error");
check(broken.requestId === "9", "it has the request id");
const rows: unknown[] = [];
const lines = await client.fetch("/v1/lines");
for await (const row of client.lines<{ n?: number }>(lines)) rows.push(row.n);
check(rows.join() === "1,2,", "the API promises no line of a failure");
const lost = await failureOf(async () => {
  const response = await client.fetch("/v1/cut");
  for await (const event of client.events(response)) seen.push(event.data);
});
check(lost.origin === "client side", "a stream that breaks off is an error");
console.log("all holds");
