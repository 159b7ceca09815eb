// What a platform's fetch says when no response came, and the time of an attempt.

import { bareFailure, type Failure, type Retry } from "./data.js";

/** The most of a failure's body that is looked at and kept. */
const mostBody = 64 << 10;

/** The time that an attempt, or the whole call, was given is over. */
export class TimeoutError extends Error {
  override name = "TimeoutError";
}

/** The caller's own time is over. */
export class DeadlineError extends TimeoutError {}

/** Ends one attempt when its time, the call's time or the caller says so. */
export interface Watch {
  readonly signal: AbortSignal | undefined;
  /** The time that ran out, if that is why the attempt ended. */
  reason(): TimeoutError | undefined;
  /** The headers are there: the attempt's own time does not count any more. */
  answered(): void;
  /** Nothing of the attempt is wanted any more. */
  release(): void;
}

export function watch(
  caller: AbortSignal | undefined,
  timeout: number,
  left: number | undefined,
): Watch {
  if (timeout <= 0 && left === undefined)
    return {
      signal: caller,
      reason: () => undefined,
      answered: () => undefined,
      release: () => undefined,
    };
  const own = new AbortController();
  let over: TimeoutError | undefined;
  const end = (error: TimeoutError): void => {
    over ??= error;
    own.abort(error);
  };
  const attempt =
    timeout > 0
      ? after(timeout, () =>
          end(new TimeoutError(`no answer within ${timeout} ms`)),
        )
      : undefined;
  const whole =
    left === undefined
      ? undefined
      : after(Math.max(left, 0), () =>
          end(new DeadlineError("the time for the call is over")),
        );
  const relay = (): void => own.abort(caller?.reason);
  if (caller?.aborted) relay();
  else caller?.addEventListener("abort", relay, { once: true });
  return {
    signal: own.signal,
    reason: () => over,
    answered: () => clearTimeout(attempt),
    release: () => {
      clearTimeout(attempt);
      clearTimeout(whole);
      caller?.removeEventListener("abort", relay);
    },
  };
}

type Timer = ReturnType<typeof setTimeout>;

/** A timer that does not keep a program running. */
function after(ms: number, then: () => void): Timer {
  const timer = setTimeout(then, Math.min(ms, longestTimer));
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

/** setTimeout counts in 32 bits and takes more for nothing at all. */
const longestTimer = 2 ** 31 - 1;

/** Waits, or rejects with the signal's reason. */
export function sleep(
  ms: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    let left = ms;
    let timer: Timer;
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason as Error);
    };
    const next = (): void => {
      if (left <= 0) {
        signal?.removeEventListener("abort", abort);
        resolve();
        return;
      }
      const part = Math.min(left, longestTimer);
      left -= part;
      timer = setTimeout(next, part);
    };
    if (signal?.aborted) {
      reject(signal.reason as Error);
      return;
    }
    signal?.addEventListener("abort", abort, { once: true });
    next();
  });
}

/** The errors below an error: fetch hides what happened in causes. */
function* chain(error: unknown): Generator<Record<string, unknown>> {
  const seen = new Set<unknown>();
  const queue: unknown[] = [error];
  while (queue.length > 0 && seen.size < 32) {
    const at = queue.shift();
    if (typeof at !== "object" || at === null || seen.has(at)) continue;
    seen.add(at);
    const record = at as Record<string, unknown>;
    yield record;
    queue.push(record["cause"]);
    if (Array.isArray(record["errors"])) queue.push(...record["errors"]);
  }
}

/**
 * Whether it is proven that nothing was sent: no connection came about. Browsers
 * do not say, so there it is never proven.
 */
export function wasNotSent(error: unknown): boolean {
  const all = [...chain(error)];
  return (
    all.some(
      (e) =>
        e["syscall"] === "connect" ||
        e["syscall"] === "getaddrinfo" ||
        e["code"] === "UND_ERR_CONNECT_TIMEOUT",
    ) && !all.some((e) => e["syscall"] === "read" || e["syscall"] === "write")
  );
}

/** What a second attempt would meet again: certificates, and URLs of no use. */
function isPermanent(error: unknown): boolean {
  return [...chain(error)].some((e) => {
    const code = typeof e["code"] === "string" ? e["code"] : "";
    return (
      /CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ERR_SSL|ERR_TLS|EPROTO/.test(code) ||
      code === "ERR_INVALID_URL" ||
      /unknown scheme|not implemented/.test(String(e["message"]))
    );
  });
}

function isTimeout(error: unknown): boolean {
  return [...chain(error)].some((e) => {
    const code = typeof e["code"] === "string" ? e["code"] : "";
    return e["name"] === "TimeoutError" || /TIMEOUT|TIMEDOUT/.test(code);
  });
}

/** The failure of a call that got no response. */
export function classify(
  error: unknown,
  watched: Watch | undefined,
  advice: Retry,
): Failure {
  const f = bareFailure("upstream_unreachable", advice);
  const aborted = (error as { name?: unknown } | null)?.name === "AbortError";
  if (watched?.reason() || isTimeout(error)) f.condition = "upstream_timeout";
  else if (aborted || watched?.signal?.aborted) {
    f.condition = "";
    f.retry = "never";
  } else if (isPermanent(error)) f.retry = "never";
  return f;
}

/** The beginning of a body; what a connection broke off counts as the end. */
export async function readBody(response: Response): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  try {
    while (reader && size < mostBody) {
      const { done, value } = await reader.read();
      if (done) break;
      parts.push(value);
      size += value.length;
    }
  } catch {
    // the status and what came of the body are what is known
  }
  reader?.cancel().catch(() => undefined);
  const all = new Uint8Array(size);
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all.subarray(0, mostBody);
}

/** A random UUID, version 4 (RFC 9562). */
export function drawKey(): string {
  const bytes = new Uint8Array(16);
  const crypto = globalThis.crypto as Crypto | undefined;
  if (crypto) crypto.getRandomValues(bytes);
  // Node 18 has no global crypto; a key must be new, not secret.
  else bytes.forEach((_, i) => (bytes[i] = Math.random() * 256));
  bytes[6] = ((bytes[6] ?? 0) & 0x0f) | 0x40;
  bytes[8] = ((bytes[8] ?? 0) & 0x3f) | 0x80;
  const hex = [...bytes].map((b) => b.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}
