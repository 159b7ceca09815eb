// When a call is repeated, and after how long.

import type { Contract, Failure, Operation, RetryRules } from "./data.js";

/** Why a call was not repeated. */
export type Stop =
  | "cancelled"
  | "deadline"
  | "partial"
  | "advice"
  | "unsafe"
  | "body"
  | "attempts"
  | "max_wait"
  | "budget";

const words: Readonly<Record<Stop, string>> = {
  cancelled: "cancelled by the caller",
  deadline: "the caller's deadline is too near",
  partial: "part of the call was done",
  advice: "repeating cannot help",
  unsafe:
    "not repeated, since it may have had an effect and carries no idempotency key",
  body: "not repeated, since its body is a stream that cannot be sent again",
  attempts: "all attempts were made",
  max_wait: "the wait is longer than the client waits",
  budget: "the retry budget is used up",
};

export function inWords(stop: Stop): string {
  return words[stop];
}

/**
 * The server's hint, else the contract's for the status, else a growing wait.
 * appointed: a limit itself named the moment.
 */
export function waitFor(
  rules: RetryRules,
  failure: Failure,
  n: number,
  random: () => number,
): { wait: number; appointed: boolean } {
  if (failure.retryAfter !== undefined && failure.retryAfter > 0) {
    const limits = ["rate_limited", "concurrency_exceeded"];
    const appointed = limits.includes(failure.condition);
    return { wait: failure.retryAfter, appointed };
  }
  const usual = rules.default_waits_ms[failure.status];
  const wait = usual ?? backoff(rules, n, random());
  return { wait, appointed: false };
}

/** first * factor^n, capped, with jitter; random is drawn from [0, 1). */
function backoff(rules: RetryRules, n: number, random: number): number {
  let wait = rules.first_ms;
  for (let i = 0; i < n && wait < 1e12; i++) {
    wait *= Math.max(rules.factor, 1);
    if (rules.cap_ms > 0) wait = Math.min(wait, rules.cap_ms);
  }
  if (rules.high > 0) wait *= rules.low + random * (rules.high - rules.low);
  return wait + random * rules.add_ms;
}

/** Bounds what a client repeats, over all its calls. */
export interface Budget {
  /** Repetitions per call; 0.1 unless it is given, negative earns none. */
  ratio?: number;
  /** Repetitions before any were earned, and again after a quiet minute; 10. */
  reserve?: number;
}

const calm = 60_000;

/**
 * A token bucket. The reserve is an advance: calls pay it back before they earn,
 * so that of n calls at most max(reserve, ratio * n) are repetitions.
 */
export class Purse {
  readonly #ratio: number;
  readonly #reserve: number;
  #tokens: number;
  #debt: number;
  #asked: number | undefined;

  constructor(budget: Budget = {}) {
    this.#ratio = Math.max(budget.ratio || 0.1, 0);
    this.#reserve = Math.max(budget.reserve || 10, 0);
    this.#tokens = this.#reserve;
    this.#debt = this.#reserve;
  }

  /** Called once for each call. */
  earn(): void {
    if (this.#debt > 0) this.#debt -= this.#ratio;
    else
      this.#tokens = Math.min(this.#tokens + this.#ratio, 10 * this.#reserve);
  }

  /** Takes a token for a repetition, if there is one. */
  spend(now: number): boolean {
    const quiet = this.#asked !== undefined && now - this.#asked >= calm;
    if (quiet && this.#tokens < this.#reserve) {
      const advance = this.#reserve - this.#tokens;
      this.#debt = Math.min(this.#debt + advance, this.#reserve);
      this.#tokens = this.#reserve;
    }
    this.#asked = now;
    if (this.#tokens < 1 - 1e-9) return false;
    this.#tokens--;
    return true;
  }
}

/** The contract's operation for a request: the most literal pattern wins. */
export function operationOf(
  contract: Contract,
  method: string,
  pathname: string,
): Operation | undefined {
  const find = (path: string): Operation | undefined => {
    let best: Operation | undefined;
    for (const o of contract.operations) {
      const head = o.method === "GET" && method === "HEAD";
      if (o.method !== method && !head) continue;
      if (fits(o.path, path) && (!best || rank(o.path) > rank(best.path)))
        best = o;
    }
    return best;
  };
  const found = find(pathname);
  if (found || contract.base_path === "") return found;
  return pathname.startsWith(contract.base_path)
    ? find(pathname.slice(contract.base_path.length))
    : undefined;
}

function fits(pattern: string, path: string): boolean {
  const want = pattern.split("/");
  const have = path.split("/");
  for (const [i, segment] of want.entries()) {
    const last = i === want.length - 1;
    if (last && (segment === "" || segment.endsWith("...}")))
      return have.length > i;
    const got = have[i];
    if (got === undefined) return false;
    if (
      segment === "{$}"
        ? got !== ""
        : isWild(segment)
          ? got === ""
          : segment !== got
    )
      return false;
  }
  return want.length === have.length;
}

function isWild(segment: string): boolean {
  return segment.startsWith("{") && segment !== "{$}";
}

/** Literals before wildcards, segment by segment. */
function rank(pattern: string): string {
  return pattern
    .split("/")
    .map((s) => (s.endsWith("...}") || s === "" ? "0" : isWild(s) ? "1" : "2"))
    .join("");
}
