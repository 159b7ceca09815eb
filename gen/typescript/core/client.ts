// A fetch that copes with failures as the contract says.

import type { Contract, Failure } from "./data.js";
import { decode } from "./decode.js";
import {
  isRetryable,
  nameOf,
  type Attempt,
  type CallError,
  type ErrorParts,
} from "./error.js";
import { dateOf } from "./hint.js";
import {
  classify,
  DeadlineError,
  drawKey,
  readBody,
  sleep,
  wasNotSent,
  watch,
  type Watch,
} from "./network.js";
import { Secrets } from "./redact.js";
import {
  backoff,
  operationOf,
  Purse,
  type Budget,
  type Stop,
} from "./retry.js";
import { events, lines, type ServerEvent } from "./stream.js";

/** How a client calls. Whatever is left out is the contract's. */
export interface ClientOptions {
  /** The key, sent as the API documents it; only to the API itself. */
  apiKey?: string;
  /** Where the API is. */
  baseURL?: string;
  /** Sent with every call to the API itself. */
  headers?: Record<string, string>;
  /** Tries of a call, the first included; 1 never repeats. */
  attempts?: number;
  /**
   * The longest wait between attempts, in milliseconds; a longer one ends the
   * call at once. Negative: no bound.
   */
  maxWait?: number;
  /** Milliseconds until an attempt must have answered. Negative: no bound. */
  attemptTimeout?: number;
  budget?: Budget;
  /** Do not add idempotency keys. */
  noKeys?: boolean;
  /** A header that tells which repetition a request is. */
  countHeader?: string;
  /** Called after each attempt. */
  onAttempt?: (attempt: Attempt) => void;
  /** What sends a single attempt; the platform's fetch. */
  fetch?: (url: string, init: RequestInit) => Promise<Response>;
  /** The rest is for tests that own time and chance. */
  now?: () => number;
  sleep?: (ms: number, signal: AbortSignal | undefined) => Promise<void>;
  random?: () => number;
  newKey?: () => string;
}

/** What one call can say besides what fetch knows. */
export interface CallOptions {
  attempts?: number;
  maxWait?: number;
  attemptTimeout?: number;
  /** Milliseconds for the whole call, waits included. */
  timeout?: number;
  /** The key of this call; the same for the same intent. */
  idempotencyKey?: string;
}

export type CallInit = RequestInit & CallOptions;

/** One call, as it goes on. */
interface Call {
  readonly url: URL;
  readonly init: RequestInit;
  readonly headers: Headers;
  readonly method: string;
  readonly key: string;
  readonly options: CallOptions;
  readonly deadline: number | undefined;
  readonly replayable: boolean;
  readonly secrets: Secrets;
  readonly attempts: Attempt[];
}

/** How an attempt ended, when not in a success. */
interface Failed {
  readonly failure: Failure;
  readonly headers: Headers | undefined;
  readonly body: string;
  readonly cause: unknown;
  readonly unsent: boolean;
}

const defaultMaxWait = 5 * 60_000;

/** The part of a client that is the same for every API. */
export class ApiClient {
  readonly #contract: Contract;
  readonly #errorOf: (parts: ErrorParts) => CallError;
  readonly #options: ClientOptions;
  readonly #base: URL;
  readonly #purse: Purse;

  constructor(
    contract: Contract,
    errorOf: (parts: ErrorParts) => CallError,
    options: ClientOptions = {},
  ) {
    this.#contract = contract;
    this.#errorOf = errorOf;
    this.#options = options;
    this.#base = new URL(options.baseURL ?? contract.base_url);
    this.#purse = new Purse(options.budget);
  }

  /**
   * Calls the API. path is relative to the base URL, or a whole URL. Resolves to
   * the response of a success, as fetch gives it; rejects with a CallError.
   *
   * A call is repeated if the advice for its failure allows that and repeating is
   * safe: the method is idempotent, or an idempotency key goes along, or the
   * contract declares the operation safe, or nothing was sent.
   */
  async fetch(path: string | URL, init: CallInit = {}): Promise<Response> {
    const call = this.#begin(path, init);
    this.#purse.earn();
    for (;;) {
      const began = this.#now();
      const outcome = await this.#attempt(call);
      if (outcome instanceof Response) {
        this.#note(call, began, outcome.status, undefined, 0, undefined);
        return outcome;
      }
      const next = this.#decide(call, outcome);
      const status = outcome.failure.status;
      this.#note(call, began, status, outcome, next.wait, next.stop);
      if (next.stop) throw this.#failed(call, outcome, next.stop);
      try {
        await (this.#options.sleep ?? sleep)(
          next.wait,
          call.init.signal ?? undefined,
        );
      } catch (reason) {
        throw this.#failed(call, { ...outcome, cause: reason }, "cancelled");
      }
    }
  }

  /** fetch with a JSON body, and the answer's JSON; undefined when it has none. */
  async json<T>(
    method: string,
    path: string,
    body?: unknown,
    init: CallInit = {},
  ): Promise<T> {
    const headers = new Headers(init.headers);
    const sent: CallInit = { ...init, method, headers };
    if (body !== undefined) {
      sent.body = JSON.stringify(body);
      if (!headers.has("content-type"))
        headers.set("content-type", "application/json");
    }
    const text = await (await this.fetch(path, sent)).text();
    return (text === "" ? undefined : JSON.parse(text)) as T;
  }

  /** The events of a stream. One that tells of a failure is thrown instead. */
  events(response: Response): AsyncGenerator<ServerEvent, void, undefined> {
    return events(response, this.#contract.streams.event, (body, cause) =>
      this.#broken(response, body, cause),
    );
  }

  /** The JSON lines of a stream. One that tells of a failure is thrown instead. */
  lines<T>(response: Response): AsyncGenerator<T, void, undefined> {
    return lines<T>(response, (body, cause) =>
      this.#broken(response, body, cause),
    );
  }

  #now(): number {
    return this.#options.now ? this.#options.now() : Date.now();
  }

  #begin(path: string | URL, init: CallInit): Call {
    const url = resolve(this.#base, path);
    const home = url.origin === this.#base.origin;
    const headers = new Headers(home ? this.#options.headers : undefined);
    const { apiKey } = this.#options;
    if (home && apiKey !== undefined) this.#sign(apiKey, url, headers);
    new Headers(init.headers).forEach((value, name) =>
      headers.set(name, value),
    );
    const method = (init.method ?? "GET").toUpperCase();
    return {
      url,
      init,
      headers,
      method,
      key: this.#key(method, url, headers, init.idempotencyKey),
      options: init,
      deadline:
        init.timeout === undefined ? undefined : this.#now() + init.timeout,
      replayable: !isStream(init.body),
      secrets: new Secrets(this.#contract, url, headers),
      attempts: [],
    };
  }

  /** Puts the API key where the contract has it: in a header rather than the URL. */
  #sign(apiKey: string, url: URL, headers: Headers): void {
    const places = this.#contract.secrets;
    const place = places.find((x) => x.in === "header") ?? places[0];
    if (place === undefined) return;
    if (place.in === "query") {
      url.searchParams.set(place.name, apiKey);
      return;
    }
    const prefix = place.prefix.trim();
    headers.set(place.name, prefix === "" ? apiKey : `${prefix} ${apiKey}`);
  }

  /** The key that protects a call: the caller's, or a new one; "" for none. */
  #key(method: string, url: URL, headers: Headers, own?: string): string {
    const { header, methods } = this.#contract.keys;
    if (header === "" || !methods.includes(method)) return "";
    const operation = operationOf(this.#contract, method, url.pathname);
    if (operation?.unkeyed) return "";
    if (own !== undefined) headers.set(header, own);
    else if (!headers.has(header) && !this.#options.noKeys)
      headers.set(header, (this.#options.newKey ?? drawKey)());
    return headers.get(header) ?? "";
  }

  async #attempt(call: Call): Promise<Response | Failed> {
    const timeout = this.#timeout(call);
    const left =
      call.deadline === undefined ? undefined : call.deadline - this.#now();
    const watched = watch(call.init.signal ?? undefined, timeout, left);
    const headers = new Headers(call.headers);
    const { countHeader } = this.#options;
    if (countHeader !== undefined && call.attempts.length > 0)
      headers.set(countHeader, String(call.attempts.length));
    const init: RequestInit = { ...call.init, method: call.method, headers };
    if (watched.signal) init.signal = watched.signal;
    if (!call.replayable) Object.assign(init, { duplex: "half" });
    try {
      const send = this.#options.fetch ?? globalThis.fetch;
      const response = await send(call.url.href, init);
      return await this.#read(call, response, watched);
    } catch (cause) {
      watched.release();
      return this.#unanswered(call, cause, watched);
    }
  }

  #timeout(call: Call): number {
    return (
      call.options.attemptTimeout ??
      this.#options.attemptTimeout ??
      this.#contract.retry.timeout_ms
    );
  }

  /** The failure in a response, or the response when it is a success. */
  async #read(
    call: Call,
    response: Response,
    watched: Watch,
  ): Promise<Response | Failed> {
    if (!mayFail(this.#contract, response)) {
      watched.answered();
      return response;
    }
    const failing = response.status >= 400;
    const body = await readBody(failing ? response : response.clone());
    const now = this.#serverTime(response);
    const header = (name: string): string => response.headers.get(name) ?? "";
    const answer = { status: response.status, header, body };
    const failure = decode(this.#contract, answer, now);
    if (!failure) {
      watched.answered();
      return response;
    }
    watched.release();
    if (!failing) void response.body?.cancel();
    call.secrets.failure(failure);
    return {
      failure,
      headers: call.secrets.headers(response.headers),
      body: call.secrets.text(new TextDecoder().decode(body)),
      cause: undefined,
      unsent: false,
    };
  }

  /** Instants in a hint are meant by the server's clock. */
  #serverTime(response: Response): number {
    const date = dateOf(response.headers.get("date") ?? "");
    return Number.isNaN(date) ? this.#now() : date;
  }

  #unanswered(call: Call, cause: unknown, watched: Watch): Failed {
    const failure = classify(cause, watched, this.#contract.retry.network);
    return {
      failure,
      headers: undefined,
      body: "",
      cause: call.secrets.cause(watched.reason() ?? cause),
      unsent: wasNotSent(cause),
    };
  }

  /** How long to wait for the next attempt, or why there is none. */
  #decide(call: Call, outcome: Failed): { wait: number; stop?: Stop } {
    const { failure } = outcome;
    const made = call.attempts.length + 1;
    const now = this.#now();
    const rules = this.#contract.retry;
    const stop = (why: Stop): { wait: number; stop: Stop } => ({
      wait: 0,
      stop: why,
    });
    if (call.init.signal?.aborted) return stop("cancelled");
    if (outcome.cause instanceof DeadlineError) return stop("deadline");
    if (failure.items.length > 0) return stop("partial");
    if (!isRetryable(failure.retry)) return stop("advice");
    if (!this.#isSafe(call, outcome)) return stop("unsafe");
    if (!call.replayable) return stop("body");
    const most =
      call.options.attempts ?? this.#options.attempts ?? rules.attempts;
    if (made >= most) return stop("attempts");
    const { wait, appointed } = this.#wait(failure, made - 1);
    if (call.deadline !== undefined && wait >= call.deadline - now)
      return stop("deadline");
    const longest =
      call.options.maxWait ??
      this.#options.maxWait ??
      (rules.max_wait_ms || defaultMaxWait);
    if (longest >= 0 && wait > longest) return stop("max_wait");
    if (!appointed && !this.#purse.spend(now)) return stop("budget");
    return { wait };
  }

  /** Whether a repetition cannot do the call's work twice. */
  #isSafe(call: Call, outcome: Failed): boolean {
    if (outcome.unsent || call.key !== "") return true;
    const { method } = call;
    const reads = ["GET", "HEAD", "OPTIONS", "TRACE"].includes(method);
    if (reads || outcome.failure.retry === "same_key") return reads;
    if (method === "PUT" || method === "DELETE") return true; // RFC 9110 section 9.2.2
    return !!operationOf(this.#contract, method, call.url.pathname)?.safe;
  }

  /** The server's hint, else the contract's for the status, else a growing wait. */
  #wait(failure: Failure, n: number): { wait: number; appointed: boolean } {
    if (failure.retryAfter !== undefined && failure.retryAfter > 0) {
      const limits = ["rate_limited", "concurrency_exceeded"];
      const appointed = limits.includes(failure.condition);
      return { wait: failure.retryAfter, appointed };
    }
    const rules = this.#contract.retry;
    const usual = rules.default_waits_ms[failure.status];
    if (usual !== undefined) return { wait: usual, appointed: false };
    const random = (this.#options.random ?? Math.random)();
    return { wait: backoff(rules, n, random), appointed: false };
  }

  #note(
    call: Call,
    began: number,
    status: number,
    outcome: Failed | undefined,
    wait: number,
    stopped: Stop | undefined,
  ): void {
    const code = outcome ? nameOf(outcome.failure) : "";
    const cause = outcome?.cause;
    const attempt: Attempt = {
      at: new Date(began),
      duration: this.#now() - began,
      status,
      code,
      requestId: outcome?.failure.requestId ?? "",
      reason:
        cause instanceof Error
          ? cause.message
          : code && `${code} (${String(status)})`,
      wait,
      stopped,
    };
    call.attempts.push(attempt);
    this.#options.onAttempt?.(attempt);
  }

  #failed(call: Call, outcome: Failed, stopped: Stop): CallError {
    return this.#errorOf({
      contract: this.#contract,
      failure: outcome.failure,
      fromServer: outcome.cause === undefined,
      method: call.method,
      url: call.secrets.address(call.url),
      idempotencyKey: call.key,
      attempts: [...call.attempts],
      stopped,
      headers: outcome.headers,
      body: outcome.body,
      cause: outcome.cause,
    });
  }

  /** The error of a stream that told of a failure, or broke off. */
  #broken(
    response: Response,
    body: Uint8Array,
    cause: unknown,
  ): CallError | undefined {
    const header = (name: string): string => response.headers.get(name) ?? "";
    // An event has no status line: the shape alone decides.
    const answer = { status: 0, header, body };
    const failure =
      cause === undefined
        ? decode(this.#contract, answer, this.#serverTime(response))
        : classify(cause, undefined, this.#contract.retry.network);
    if (!failure) return undefined;
    const url = new URL(response.url || this.#base.href);
    const secrets = new Secrets(this.#contract, url, new Headers());
    return this.#errorOf({
      contract: this.#contract,
      failure,
      fromServer: cause === undefined,
      method: "",
      url: secrets.address(url),
      idempotencyKey: "",
      attempts: [],
      stopped: undefined,
      headers: response.headers,
      body: new TextDecoder().decode(body),
      cause,
    });
  }
}

/** A failure, or a success under which the contract puts failures. */
function mayFail(contract: Contract, response: Response): boolean {
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
function resolve(base: URL, path: string | URL): URL {
  if (path instanceof URL || /^[a-z][a-z0-9+.-]*:/i.test(path))
    return new URL(path);
  const prefix = base.pathname.replace(/\/$/, "");
  return new URL(prefix + (path.startsWith("/") ? path : `/${path}`), base);
}

function isStream(body: RequestInit["body"]): boolean {
  if (typeof body !== "object" || body === null) return false;
  return body instanceof ReadableStream || Symbol.asyncIterator in body;
}
