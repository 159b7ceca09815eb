// Calls that share a limit are spread before it has to refuse them.

import type { Contract } from "./data.js";
import { operationOf } from "./retry.js";
import type { Standing } from "./standing.js";

/** How much faster than evenly those go who waited for a window. */
const crowded = 10;

/** What is kept of limits is bounded: callers with more credentials go unpaced. */
const mostLanes = 1024;

/** now, if there is room; after a wait, in milliseconds; or too late. */
export type Room =
  { readonly wait: 0 } | { readonly wait: number } | { readonly late: number };

/**
 * The calls that share one limit. Whoever would exceed it is given an instant at
 * which there is room, each another one, so that nobody has to be refused to find
 * out.
 *
 * Limits whose units come back one by one are used as they do. The units of a
 * window are used as they are asked for: to spread them would delay calls that are
 * admitted. Those who wait for the next window go through its first tenth, as many
 * as it has units, then the next.
 */
export class Lane {
  /** The latest standing; what is left is less those under way. */
  #told: Standing = {
    left: 0,
    limit: 0,
    fresh: undefined,
    every: 0,
    window: 0,
  };
  #known = false;
  #seen = 0;
  /** Calls that were sent and not answered, and those that wait. */
  #under = 0;
  #parked = 0;
  /** The instants that were given, from base on. */
  #base = -Infinity;
  #given = 0;
  /** Until when the server refuses, by its own word. */
  #held = -Infinity;

  get idle(): boolean {
    return this.#under === 0 && this.#parked === 0;
  }

  /**
   * Asks for a place. A wait of 0 counts the call as sent; who is given another
   * one comes back then, with leave. Nothing is reserved for who is too late.
   */
  enter(now: number, most: number): Room {
    if (!this.#known) {
      this.#under++;
      return { wait: 0 };
    }
    const left = this.#leftAt(now);
    const earliest = this.#earliest(now, left);
    if (this.#slot() < earliest) {
      this.#base = earliest;
      this.#given = 0;
    }
    const wait = this.#slot() - now;
    if (wait > most) return { late: wait };
    // The units that are left are no queue.
    if (wait > 0 || left < 1) this.#given++;
    if (wait <= 0) {
      this.#sent();
      return { wait: 0 };
    }
    this.#parked++;
    return { wait };
  }

  /** Ends a wait; false when the server refuses meanwhile: then enter again. */
  leave(now: number): boolean {
    this.#parked--;
    if (now < this.#held) return false;
    this.#sent();
    return true;
  }

  /** Gives back the instant of a call that waits no longer. */
  forgo(): void {
    this.#parked--;
    this.#given = Math.max(this.#given - 1, 0);
  }

  /** Counts a call that the server itself told when to come. */
  join(): void {
    this.#sent();
  }

  #sent(): void {
    this.#under++;
    this.#told.left--;
  }

  /** How many calls the limit admits now, for all that is known. */
  #leftAt(now: number): number {
    const s = this.#told;
    if (s.every > 0)
      return Math.min(
        s.left + (now - this.#seen) / s.every,
        s.limit - this.#under,
      );
    if (s.fresh !== undefined && now >= s.fresh) this.#renew(now, s.fresh);
    return s.left;
  }

  /** Begins a window of which no response has told yet. */
  #renew(now: number, fresh: number): void {
    const s = this.#told;
    if (s.window <= 0 || s.limit <= 0) {
      this.#known = false;
      s.left = 1;
      return;
    }
    s.fresh = now + s.window - ((now - fresh) % s.window);
    s.left = s.limit - this.#under;
  }

  /** When there is room, were nobody in the queue. */
  #earliest(now: number, left: number): number {
    const s = this.#told;
    const at = Math.max(now, this.#held);
    if (left >= 1) return at;
    const free = s.every > 0 ? now + (1 - left) * s.every : s.fresh;
    return Math.max(at, free ?? at);
  }

  /** The first instant that nobody was given. */
  #slot(): number {
    const s = this.#told;
    if (s.every > 0 || s.limit < 1) return this.#base + this.#given * s.every;
    const windows = Math.floor(this.#given / s.limit);
    const step = s.window / s.limit / crowded;
    return this.#base + windows * s.window + (this.#given % s.limit) * step;
  }

  /** Takes in what a response tells, if it does. */
  saw(now: number, s: Standing | undefined): void {
    this.#under--;
    if (!s) return;
    if (s.limit <= 0) s.limit = Math.max(this.#told.limit, s.left + 1);
    if (s.window <= 0 && s.every <= 0)
      s.window = Math.max(this.#told.window, (s.fresh ?? now) - now);
    s.left -= this.#under;
    this.#told = s;
    this.#known = true;
    this.#seen = now;
  }

  /**
   * Takes in that the limit refused a call and named its next instant: whoever
   * asks from now on comes after that.
   */
  refused(now: number, wait: number): void {
    if (!this.#known) return; // nothing tells when there is room again
    this.#told.left = Math.min(this.#told.left, 0);
    this.#held = Math.max(this.#held, now + wait);
    // The first instant is that of the call that was refused.
    if (this.#slot() <= this.#held) {
      this.#base = this.#held;
      this.#given = 1;
    }
  }

  /** Ends a call that got no response. */
  lost(): void {
    this.#under--;
  }
}

/** The lanes of a client: by host, credential and, where it has one, own rate. */
export class Pacer {
  readonly #contract: Contract;
  /** The least recently used first. */
  readonly #lanes = new Map<string, Lane>();

  constructor(contract: Contract) {
    this.#contract = contract;
  }

  /** Where a call queues; undefined where nothing tells of its limit. */
  lane(method: string, url: URL, headers: Headers): Lane | undefined {
    if (!this.#contract.pace) return undefined;
    const name = this.#name(method, url, headers);
    const lane = this.#lanes.get(name) ?? this.#make();
    if (!lane) return undefined;
    this.#lanes.delete(name);
    this.#lanes.set(name, lane);
    return lane;
  }

  #name(method: string, url: URL, headers: Headers): string {
    const parts = [url.host, headers.get("authorization")];
    for (const place of this.#contract.secrets)
      parts.push(
        place.in === "query"
          ? url.searchParams.get(place.name)
          : headers.get(place.name),
      );
    const operation = operationOf(this.#contract, method, url.pathname);
    if (operation?.limited) parts.push(operation.method, operation.path);
    return JSON.stringify(parts);
  }

  #make(): Lane | undefined {
    if (this.#lanes.size < mostLanes) return new Lane();
    let looked = 0;
    for (const [name, lane] of this.#lanes) {
      if (lane.idle) {
        this.#lanes.delete(name);
        return new Lane();
      }
      if (++looked === 16) break;
    }
    return undefined;
  }
}
