// The error that every failed call ends in.

import type { Contract, Failure, FieldError, Retry } from "./data.js";
import { inWords, type Stop } from "./retry.js";
import { friendlyOf, messageOf } from "./text.js";

/** One try of a call. */
export interface Attempt {
  readonly at: Date;
  /** Milliseconds until the headers, and for a failure its body, were there. */
  readonly duration: number;
  /** 0 when no response came. */
  readonly status: number;
  /** The code as sent, else the condition; "" for a success. */
  readonly code: string;
  readonly requestId: string;
  /** What went wrong, in a few words. */
  readonly reason: string;
  /** Milliseconds that the client then waited. */
  readonly wait: number;
  /** Why there was no further attempt; undefined when there was one. */
  readonly stopped: Stop | undefined;
}

/** What an error is made of. */
export interface ErrorParts {
  readonly contract: Contract;
  readonly failure: Failure;
  readonly fromServer: boolean;
  readonly method: string;
  readonly url: string;
  readonly idempotencyKey: string;
  readonly attempts: readonly Attempt[];
  readonly stopped: Stop | undefined;
  readonly headers: Headers | undefined;
  readonly body: string;
  readonly cause: unknown;
}

/** The failure of one item of a call on many. */
export interface Item {
  readonly index: number;
  readonly id: string;
  readonly code: string;
  readonly condition: string;
  readonly message: string;
}

/**
 * A call that failed, whoever noticed: the server or this side. Nothing in it
 * holds the credentials that were sent.
 */
export class CallError extends Error {
  override name = "CallError";
  /** The code as sent; where none was, the name of the entry or the condition. */
  readonly code: string;
  /** The name of the catalogue's entry, undefined for a code that is not in it. */
  readonly known: string | undefined;
  /** What happened, in words that all APIs share. */
  readonly condition: string;
  /** The HTTP status, 0 when no response came. */
  readonly status: number;
  /** The category that the API gives, "" for none. */
  readonly type: string;
  /** What the server said, else the contract's own message. */
  readonly description: string;
  /** A sentence that is safe to show to end users. It never repeats the server. */
  readonly friendlyMessage: string;
  /** What to do about it, "" when nobody has said. */
  remedy = "";
  /** The id to give to support, "" when there was none. */
  readonly requestId: string;
  readonly retry: Retry;
  /** The wait that the server asked for, in milliseconds. */
  readonly retryAfter: number | undefined;
  readonly fields: readonly FieldError[];
  readonly items: readonly Item[];
  /** What else the API says of this failure. */
  readonly params: Readonly<Record<string, unknown>>;
  readonly origin: "server" | "client side";
  readonly method: string;
  readonly url: string;
  /** The key that went with every attempt, "" for none. */
  readonly idempotencyKey: string;
  readonly attempts: readonly Attempt[];
  /** Why there was no further attempt. */
  readonly stopped: Stop | undefined;
  readonly headers: Headers | undefined;
  /** The beginning of the last response's body. */
  readonly body: string;

  constructor(parts: ErrorParts) {
    super(
      lineOf(parts),
      parts.cause === undefined ? undefined : { cause: parts.cause },
    );
    const f = parts.failure;
    this.code = nameOf(f);
    this.known = f.entry?.name;
    this.condition = f.condition;
    this.status = f.status;
    this.type = f.type;
    this.description = messageOf(f);
    this.friendlyMessage = friendly(parts);
    this.requestId = f.requestId;
    this.retry = f.retry;
    this.retryAfter = f.retryAfter;
    this.fields = f.fields;
    this.items = f.items.map((item) => ({
      index: item.index,
      id: item.id,
      code: nameOf(item.failure),
      condition: item.failure.condition,
      message: messageOf(item.failure),
    }));
    this.params = f.params;
    this.origin = parts.fromServer ? "server" : "client side";
    this.method = parts.method;
    this.url = parts.url;
    this.idempotencyKey = parts.idempotencyKey;
    this.attempts = parts.attempts;
    this.stopped = parts.stopped;
    this.headers = parts.headers;
    this.body = parts.body;
  }

  /** Whether the same call may succeed later without anybody acting. */
  get isRetryable(): boolean {
    return isRetryable(this.retry);
  }

  /** What to log: all but the body and the headers. */
  toJSON(): Record<string, unknown> {
    return {
      name: this.name,
      message: this.message,
      code: this.code,
      condition: this.condition,
      status: this.status,
      origin: this.origin,
      method: this.method,
      url: this.url,
      requestId: this.requestId,
      idempotencyKey: this.idempotencyKey,
      retry: this.retry,
      retryAfter: this.retryAfter,
      fields: this.fields,
      params: this.params,
      attempts: this.attempts.length,
      stopped: this.stopped,
    };
  }

  /** Whether a class stands for an error, also where the error is of another. */
  static covers(_error: CallError): boolean {
    return false;
  }

  /**
   * An error is of its class and those above, and of each class that stands for
   * it: a code can mean several conditions, but extend one class only.
   */
  static override [Symbol.hasInstance](value: unknown): boolean {
    const ordinary = Function.prototype[Symbol.hasInstance];
    if (ordinary.call(this, value)) return true;
    return (
      Object.hasOwn(this, "covers") &&
      ordinary.call(CallError, value) &&
      this.covers(value as CallError)
    );
  }
}

export function isRetryable(retry: Retry): boolean {
  return ["after_wait", "backoff", "same_key"].includes(retry);
}

export function nameOf(f: Failure): string {
  const known = f.entry?.wire || f.entry?.name;
  return known || f.code || f.condition || "failed";
}

/** One line for developers. */
function lineOf(parts: ErrorParts): string {
  const f = parts.failure;
  const notes: string[] = [];
  if (f.requestId !== "") notes.push(`request id ${f.requestId}`);
  if (parts.attempts.length > 1)
    notes.push(`${parts.attempts.length} attempts`);
  const stop = parts.stopped;
  if (stop && stop !== "advice" && stop !== "attempts")
    notes.push(`client side: ${inWords(stop)}`);
  else if (!parts.fromServer) notes.push("client side");
  const status = f.status === 0 ? "" : ` (${f.status})`;
  const message = messageOf(f);
  const cause = parts.cause instanceof Error ? parts.cause.message : "";
  return (
    `${parts.contract.api}: ${nameOf(f)}${status}` +
    (message === "" ? "" : `: ${message}`) +
    (cause === "" ? "" : `: ${cause}`) +
    (notes.length === 0 ? "" : ` [${notes.join("; ")}]`)
  );
}

function friendly(parts: ErrorParts): string {
  const own = friendlyOf(parts.contract, parts.failure);
  if (own !== "") return own;
  if (isRetryable(parts.failure.retry))
    return "The service cannot do this at the moment. Please try again in a while.";
  return parts.failure.status >= 500 || !parts.fromServer
    ? "The service could not do this. Please try again later."
    : "The service did not accept this request.";
}
