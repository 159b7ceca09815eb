// A fetch that copes with failures as the contract says.

import {
  isSafe,
  isStream,
  mayFail,
  nothing,
  resolve,
  type Call,
  type Failed,
  type Next,
} from "./call.js";
import { bareFailure, type Contract, type Failure } from "./data.js";
import { decode, decodeTerminal, isError } from "./decode.js";
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
import type { CallInit, ClientOptions } from "./options.js";
import { Pacer } from "./pace.js";
import { Secrets } from "./redact.js";
import { sendHome } from "./redirect.js";
import { operationOf, Purse, waitFor, type Stop } from "./retry.js";
import { readStanding } from "./standing.js";
import {
  events,
  lines,
  StreamError,
  type Endings,
  type ServerEvent,
} from "./stream.js";

const defaultMaxWait = 5 * 60_000;

/** The part of a client that is the same for every API. */
export class ApiClient {
  readonly #contract: Contract;
  readonly #errorOf: (parts: ErrorParts) => CallError;
  readonly #options: ClientOptions;
  readonly #base: URL;
  readonly #purse: Purse;
  readonly #pacer: Pacer;
  /** The calls of responses, whose streams may yet tell of a failure. */
  readonly #calls = new WeakMap<Response, Call>();

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
    this.#pacer = new Pacer(contract);
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
    await this.#enter(call, undefined);
    for (;;) {
      const began = this.#now();
      const outcome = await this.#attempt(call);
      if (outcome instanceof Response) {
        this.#note(call, began, outcome.status, undefined, 0, undefined);
        this.#calls.set(outcome, call);
        return outcome;
      }
      const next = this.#decide(call, outcome);
      const status = outcome.failure.status;
      this.#note(call, began, status, outcome, next.wait, next.stop);
      if (next.stop) throw this.#failed(call, outcome, next.stop);
      if (next.appointed) await this.#come(call, outcome, next.wait);
      else {
        await this.#sleep(call, outcome, next.wait);
        await this.#enter(call, outcome);
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

  /**
   * The events of a response that fetch gave. One that tells of a failure is
   * thrown instead, and so is a stream that breaks off.
   */
  events(response: Response): AsyncGenerator<ServerEvent, void, undefined> {
    const failing = this.#contract.streams.event || "error";
    return events(response, failing, this.#endings(response));
  }

  /** The JSON lines of a response that fetch gave, in the same way. */
  lines<T>(response: Response): AsyncGenerator<T, void, undefined> {
    const contract = this.#contract;
    const looksLast = (line: string): boolean =>
      contract.streams.ndjson && isError(contract, line);
    return lines<T>(response, looksLast, this.#endings(response));
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
    const key = this.#key(method, url, headers, init.idempotencyKey);
    const paced = !(init.noPacing ?? this.#options.noPacing);
    return {
      url,
      init,
      headers,
      method,
      key,
      options: init,
      deadline:
        init.timeout === undefined ? undefined : this.#now() + init.timeout,
      replayable: !isStream(init.body),
      secrets: new Secrets(this.#contract, url, headers),
      lane: paced ? this.#pacer.lane(method, url, headers) : undefined,
      refused: undefined,
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
    const init = { ...call.init, method: call.method, headers };
    if (watched.signal) init.signal = watched.signal;
    if (!call.replayable) Object.assign(init, { duplex: "half" });
    let answered = false;
    try {
      const send = this.#options.fetch ?? globalThis.fetch;
      const response = await sendHome(
        send,
        this.#contract,
        call.url.href,
        init,
      );
      answered = true;
      this.#saw(call, response);
      return await this.#read(call, response, watched);
    } catch (cause) {
      if (!answered) call.lane?.lost();
      watched.release();
      return this.#unanswered(call, cause, watched);
    }
  }

  /** Takes in what a response tells of the limit. */
  #saw(call: Call, response: Response): void {
    const { pace } = this.#contract;
    if (!call.lane || !pace) return;
    const clocks = { now: this.#now(), server: this.#serverTime(response) };
    call.lane.saw(clocks.now, readStanding(pace, response.headers, clocks), {
      admitted: response.status !== 429,
      before: call.refused,
    });
  }

  /**
   * Waits until the call's limit has room; after an attempt, met tells of it. The
   * call fails at once when that is later than it may wait.
   */
  async #enter(call: Call, met: Failed | undefined): Promise<void> {
    const { lane } = call;
    while (lane) {
      const now = this.#now();
      const { most, stop } = this.#patience(call, now);
      const room = lane.enter(now, most);
      if ("late" in room)
        throw this.#failed(call, met ?? this.#unsent(room.late), stop);
      const { ticket = 0 } = room;
      let wait: number | undefined = room.wait;
      while (wait) {
        try {
          await this.#sleep(call, met ?? nothing(undefined), wait);
        } catch (error) {
          lane.forgo(ticket);
          throw error;
        }
        const then = this.#now();
        wait = lane.leave(then, ticket, this.#patience(call, then).most);
      }
      if (wait === 0) return;
    }
  }

  /** The longest that a call may wait for room, and which bound that is. */
  #patience(call: Call, now: number): { most: number; stop: Stop } {
    const longest = this.#longestWait(call);
    // At its deadline a call cannot be made any more.
    const left = (call.deadline ?? Infinity) - now - 1e-6;
    return left < longest
      ? { most: left, stop: "deadline" }
      : { most: longest, stop: "max_wait" };
  }

  /** Waits for the place that the server itself has given. */
  async #come(call: Call, met: Failed, wait: number): Promise<void> {
    call.lane?.expect(1);
    try {
      await this.#sleep(call, met, wait);
    } finally {
      call.lane?.expect(-1);
    }
    call.lane?.join();
  }

  /** How a call that is not sent fails: as the server would have it. */
  #unsent(wait: number): Failed {
    const text = `not sent: the limit has no room for it within ${wait} ms`;
    const unsent = nothing(new Error(text), "rate_limited", "after_wait");
    const { failure } = unsent;
    failure.entry = this.#contract.codes.find(
      (entry) => entry.name === this.#contract.pace?.code,
    );
    failure.retryAfter = wait;
    return unsent;
  }

  /** Waits, unless the caller ends the call. */
  async #sleep(call: Call, met: Failed, ms: number): Promise<void> {
    const signal = call.init.signal ?? undefined;
    try {
      await (this.#options.sleep ?? sleep)(ms, signal);
    } catch (reason) {
      throw this.#failed(call, { ...met, cause: reason }, "cancelled");
    }
  }

  #longestWait(call: Call): number {
    const longest =
      call.options.maxWait ??
      this.#options.maxWait ??
      (this.#contract.retry.max_wait_ms || defaultMaxWait);
    return longest < 0 ? Infinity : longest;
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
  #decide(call: Call, outcome: Failed): Next {
    const { failure } = outcome;
    const made = call.attempts.length + 1;
    const now = this.#now();
    const rules = this.#contract.retry;
    const stop = (why: Stop): Next => ({
      wait: 0,
      appointed: false,
      stop: why,
    });
    if (failure.condition === "rate_limited" && failure.retryAfter) {
      const refusal = call.lane?.refused(now, failure.retryAfter);
      call.refused ??= refusal;
    }
    if (call.init.signal?.aborted) return stop("cancelled");
    if (outcome.cause instanceof DeadlineError) return stop("deadline");
    if (failure.items.length > 0) return stop("partial");
    if (!isRetryable(failure.retry)) return stop("advice");
    if (!isSafe(this.#contract, call, outcome)) return stop("unsafe");
    if (!call.replayable) return stop("body");
    const most =
      call.options.attempts ?? this.#options.attempts ?? rules.attempts;
    if (made >= most) return stop("attempts");
    const random = this.#options.random ?? Math.random;
    const { wait, appointed } = waitFor(rules, failure, made - 1, random);
    if (call.deadline !== undefined && wait >= call.deadline - now)
      return stop("deadline");
    if (wait > this.#longestWait(call)) return stop("max_wait");
    if (!appointed && !this.#purse.spend(now)) return stop("budget");
    return { wait, appointed, stop: undefined };
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

  /** The errors that a stream can end in. */
  #endings(response: Response): Endings {
    const header = (name: string): string => response.headers.get(name) ?? "";
    const url = new URL(response.url || this.#base.href);
    const call = this.#calls.get(response);
    const secrets =
      call?.secrets ?? new Secrets(this.#contract, url, new Headers());
    const error = (
      failure: Failure,
      body: string,
      cause: unknown = undefined,
    ): CallError =>
      this.#errorOf({
        contract: this.#contract,
        failure,
        fromServer: cause === undefined,
        method: call?.method ?? "",
        url: secrets.address(url),
        idempotencyKey: call?.key ?? "",
        attempts: [...(call?.attempts ?? [])],
        stopped: undefined,
        headers: secrets.headers(response.headers),
        body: secrets.text(body),
        cause: secrets.cause(cause),
      });
    return {
      told: (text) => {
        const answer = { header, body: new TextEncoder().encode(text) };
        const now = this.#serverTime(response);
        const failure = decodeTerminal(this.#contract, answer, now);
        secrets.failure(failure);
        return error(failure, text);
      },
      broken: (cause) => {
        const failure =
          cause instanceof StreamError
            ? bareFailure("", "never")
            : classify(cause, undefined, this.#contract.retry.network);
        const name = this.#contract.headers.request_id || "x-request-id";
        failure.requestId = secrets.text(header(name));
        return error(failure, "", cause);
      },
    };
  }
}
