// One call, and what can be said of it without making it.

import { bareFailure, type Contract, type Failure } from "./data.js";
import type { Attempt } from "./error.js";
import type { CallOptions } from "./options.js";
import type { Lane } from "./pace.js";
import type { Secrets } from "./redact.js";
import { operationOf, type Stop } from "./retry.js";
import type { Refusal } from "./share.js";

/** One call, as it goes on. */
export interface Call {
  readonly url: URL;
  readonly init: RequestInit;
  readonly headers: Headers;
  readonly method: string;
  readonly key: string;
  readonly options: CallOptions;
  readonly deadline: number | undefined;
  readonly replayable: boolean;
  readonly secrets: Secrets;
  /** Where it queues; undefined where it does not. */
  readonly lane: Lane | undefined;
  /** When its limit refused it first. */
  refused: Refusal | undefined;
  readonly attempts: Attempt[];
}

/** How an attempt ended, when not in a success. */
export interface Failed {
  readonly failure: Failure;
  readonly headers: Headers | undefined;
  readonly body: string;
  readonly cause: unknown;
  readonly unsent: boolean;
}

/** What follows an attempt; appointed: a limit itself named the moment. */
export interface Next {
  readonly wait: number;
  readonly appointed: boolean;
  readonly stop: Stop | undefined;
}

/** How a call fails that met nothing yet. */
export function nothing(
  cause: unknown,
  condition = "",
  retry: Failure["retry"] = "never",
): Failed {
  const failure = bareFailure(condition, retry);
  return { failure, headers: undefined, body: "", cause, unsent: true };
}

/** Whether a repetition cannot do the call's work twice. */
export function isSafe(
  contract: Contract,
  call: Call,
  outcome: Failed,
): boolean {
  if (outcome.unsent || call.key !== "") return true;
  const { method } = call;
  const reads = ["GET", "HEAD", "OPTIONS", "TRACE"].includes(method);
  if (reads || outcome.failure.retry === "same_key") return reads;
  if (method === "PUT" || method === "DELETE") return true; // RFC 9110 section 9.2.2
  return !!operationOf(contract, method, call.url.pathname)?.safe;
}

/** A failure, or a success under which the contract puts failures. */
export function mayFail(contract: Contract, response: Response): boolean {
  const { status } = response;
  if (status >= 400) return true;
  if (status < 200 || status > 299) return false;
  const told =
    contract.envelopes.some((of) => of.inside.includes(status)) ||
    contract.partial.some((rule) =>
      rule.statuses.some(([from, to]) => status >= from && status <= to),
    );
  const type = response.headers.get("content-type") ?? "";
  return told && type.toLowerCase().includes("json");
}

/** A path below the base, or a whole URL. */
export function resolve(base: URL, path: string | URL): URL {
  if (path instanceof URL || /^[a-z][a-z0-9+.-]*:/i.test(path))
    return new URL(path);
  const prefix = base.pathname.replace(/\/$/, "");
  return new URL(prefix + (path.startsWith("/") ? path : `/${path}`), base);
}

export function isStream(body: RequestInit["body"]): boolean {
  if (typeof body !== "object" || body === null) return false;
  return body instanceof ReadableStream || Symbol.asyncIterator in body;
}
