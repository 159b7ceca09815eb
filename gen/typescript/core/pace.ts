// Calls that share a limit are spread before it has to refuse them.

import type { Contract } from "./data.js";
import { operationOf } from "./retry.js";
import { sameEnd, Share, type Refusal } from "./share.js";
import type { Standing } from "./standing.js";

/** How much faster than evenly those go who waited for a window. */
const crowded = 10;

/** What is kept of limits is bounded: callers with more credentials go unpaced. */
const mostLanes = 1024;

/** How much of a unit nobody waits for: it is the error of reckoning. */
const nearly = 1e-6;

/**
 * Now, if there is room; after a wait, in milliseconds; or too late. Who is in line
 * for a unit of the share has a ticket, others an instant of their own.
 */
export type Room =
  | { readonly wait: number; readonly ticket?: number }
  | { readonly late: number };

/** An answer's word on its call: whether it got in, and was refused before. */
export interface Verdict {
  readonly admitted: boolean;
  readonly before: Refusal | undefined;
}

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
  /** The least that was told to be left of the window that ends about then. */
  #lowest = 0;
  #ends: number | undefined;
  /** Calls that were sent and not answered, and those that wait. */
  #under = 0;
  #parked = 0;
  /** The ticket that was given last, and how many of those that wait have one. */
  #tickets = 0;
  #queued = 0;
  /** The instants that were given, from base on. */
  #base = -Infinity;
  #given = 0;
  /** Until when the server refuses, by its own word. */
  #held = -Infinity;
  /** This process's part of the limit, where others use it as well. */
  readonly #share = new Share();

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
    if (this.#shared()) return this.#lineUp(now, most);
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

  #lineUp(now: number, most: number): Room {
    const wait = this.#bounded(now, this.#queued, most);
    if (wait > most) return { late: wait };
    if (wait === 0) {
      this.#sent();
      return { wait: 0 };
    }
    this.#parked++;
    this.#queued++;
    this.#tickets++;
    return {
      wait: Math.min(wait, this.#share.glance),
      ticket: this.#tickets,
    };
  }

  /**
   * The turn of a call that waits no longer than most. How much others take is a
   * guess, which refuses nobody.
   */
  #bounded(now: number, before: number, most: number): number {
    const wait = this.#turn(now, before);
    return wait > most && now >= this.#held ? 0 : wait;
  }

  /** How long a call waits that has so many before it in this process. */
  #turn(now: number, before: number): number {
    const left = this.#leftAt(now);
    const held = Math.max(this.#held - now, 0);
    if (left >= before + 1 - nearly) return held;
    const next = Math.max(1 - left, 0) * this.#told.every;
    // Those behind go faster once there is more than was thought, at best as fast
    // as the limit has units. They look again by then.
    const each = Math.max(next, this.#share.alone / 2);
    return Math.max(held, next + before * each, 1);
  }

  /**
   * Ends a wait: 0 sends the call, and otherwise it waits on for so long. Undefined:
   * enter again. The server has said meanwhile that it refuses, or the wait would be
   * longer than most.
   */
  leave(now: number, ticket: number, most: number): number | undefined {
    let stays = ticket === 0 || this.#shared();
    if (stays && ticket > 0) {
      const behind = this.#tickets - ticket;
      const before = Math.max(this.#queued - 1 - behind, 0);
      const wait = this.#bounded(now, before, most);
      stays = wait <= most;
      if (stays && wait > 0) return Math.min(wait, this.#share.glance);
    }
    this.#unpark(ticket);
    if (!stays || now < this.#held) return undefined;
    this.#sent();
    return 0;
  }

  /** Gives back the instant of a call that waits no longer. */
  forgo(ticket: number): void {
    this.#unpark(ticket);
    if (ticket === 0) this.#given = Math.max(this.#given - 1, 0);
  }

  #unpark(ticket: number): void {
    this.#parked--;
    if (ticket > 0) this.#queued--;
  }

  /** Counts a call that the server itself told when to come. */
  join(): void {
    this.#sent();
  }

  #sent(): void {
    this.#under++;
    this.#told.left--;
  }

  /** Whether calls keep the distance of a share. */
  #shared(): boolean {
    return this.#share.every > 0 && this.#told.every === this.#share.every;
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
    this.#lowest = s.limit;
    this.#ends = s.fresh;
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
  saw(now: number, s: Standing | undefined, verdict: Verdict): void {
    this.#under--;
    if (!s) return;
    if (s.limit <= 0) s.limit = Math.max(this.#told.limit, s.left + 1);
    if (s.window <= 0 && s.every <= 0)
      s.window = Math.max(this.#told.window, (s.fresh ?? now) - now);
    if (verdict.admitted) {
      this.#share.served++;
      const others = this.#parked + this.#under;
      this.#share.learn(now, s, verdict.before, others);
    }
    this.#share.ours(now, s);
    this.#reckon(s);
    this.#told = s;
    this.#known = true;
    this.#seen = now;
  }

  /**
   * Takes calls under way off what is left. The limit may have counted some of them
   * already: answers come in another order than they were given. Of a window that has
   * been told of before it is known how many went, and nothing comes back before its
   * end, so that what one reckons oneself holds as long as no answer contradicts it.
   */
  #reckon(s: Standing): void {
    const same = this.#known && !this.#shared() && this.#isSameWindow(s);
    if (!same) {
      this.#lowest = s.left;
      this.#ends = s.fresh;
      s.left -= this.#under;
      return;
    }
    this.#lowest = Math.min(s.left, this.#lowest);
    const reckoned = Math.max(this.#told.left, this.#lowest - this.#under);
    s.left = Math.min(reckoned, this.#lowest);
  }

  #isSameWindow({ every, fresh, window }: Standing): boolean {
    if (every > 0 || fresh === undefined || this.#ends === undefined)
      return false;
    return Math.abs(fresh - this.#ends) <= Math.min(sameEnd, window / 4);
  }

  /**
   * Takes in that the limit refused a call and named its next instant: whoever
   * asks from now on comes after that.
   */
  refused(now: number, wait: number): Refusal {
    if (!this.#known) return { at: now, served: 0 }; // nothing tells when there is room
    this.#told.left = Math.min(this.#told.left, 0);
    this.#held = Math.max(this.#held, now + wait);
    // The first instant is that of the call that was refused.
    if (this.#slot() <= this.#held) {
      this.#base = this.#held;
      this.#given = 1;
    }
    return { at: now, served: this.#share.served };
  }

  /** Counts calls that the server told when to come, and that have not yet. */
  expect(calls: number): void {
    this.#share.awaited += calls;
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
