// The part of a limit that comes to this process, where others use it as well.
//
// Several processes may call under one key. None sees the others, and all are told
// of the same limit: each would take what is left for its own, come at once and be
// refused, and each call that gets in would take two attempts. So a share is
// learned: how long a unit takes to come to this process.
//
// A refusal tells it first. Callers wait at a server in a line, and how long it took
// to get through is how long it takes until all others had their turn. From then on
// calls keep that distance, longer or shorter by what is left over in the limit,
// which all processes see: each unit above what should be left brings everybody
// sooner by what one unit takes to come back. What is left over slowly changes the
// share, too.
//
// A window's share is learned from what came here of one that was used up, and kept
// in the same way, as if the window's units came back one by one.

import type { Standing } from "./standing.js";

/**
 * The part of a limit that is left over where a share is one unit in the time of
 * the whole limit, and by how much more for each factor e that a share is larger.
 */
const spare = 0.05;
const droop = 0.01;

/** The same of a window, whose units are lost at its end. */
const lack = 0.02;

/** How much of what is left over above that, or lacks, a share takes into account. */
const quicker = 0.5;
const slower = 0.3;

/** How far apart the ends of a window may be told: in whole seconds, and late. */
export const sameEnd = 2000;

/** When a call was refused first, and how many had been admitted by then. */
export interface Refusal {
  readonly at: number;
  readonly served: number;
}

/** What is known of this process's part of a limit. Times are in milliseconds. */
export class Share {
  /** How long a unit takes to come to this process; 0 is not known. */
  every = 0;
  /** How long it would if there were no others. */
  alone = 0;
  /** Calls that were admitted. */
  served = 0;
  /** Calls that the server has told when to come, and that have not yet. */
  awaited = 0;
  /** How long all units of the limit take, and whether they come all at once. */
  #whole = 0;
  #windowed = false;
  /**
   * Those that came here in the window that ends at fresh, at the earliest, and in
   * the one before.
   */
  #mine = 0;
  #last = 0;
  #fresh = -Infinity;
  /** Whether the window was there from its beginning. */
  #seen = false;
  /** When the share was last made smaller, which is a longer distance. */
  #grew = -Infinity;

  /** After how long a call looks whether its turn has come sooner. */
  get glance(): number {
    return Math.max(this.#whole / 16, 1);
  }

  /** Measures the share anew when a call got in; others of this process wait. */
  learn(
    now: number,
    s: Standing,
    before: Refusal | undefined,
    others: number,
  ): void {
    const waiting = Math.max(this.awaited + others, 0);
    this.#windowed = s.every <= 0;
    if (s.limit <= 0) return;
    if (!this.#windowed) {
      this.alone = s.every;
      this.#whole = s.every * s.limit;
    } else {
      if (s.window <= 0 || s.fresh === undefined) return;
      this.alone = s.window / s.limit;
      this.#whole = s.window;
      this.#count(s, s.fresh, waiting);
    }
    if (before) this.#waited(now, before, waiting);
    else if (this.every > 0) this.#adjust(this.#over(now, s));
  }

  /**
   * Makes the standing of the limit that of this process's share: of the surplus,
   * each takes its part, and what lacks it waits for.
   */
  ours(now: number, s: Standing): void {
    if (this.#windowed !== s.every <= 0 || this.every === 0) return;
    const part = this.alone / this.every;
    s.left = (this.#over(now, s) - this.#aim()) * s.limit * part;
    // A reserve is put by gradually: that of an hour's limit takes minutes.
    if (!this.#windowed) s.left = Math.max(s.left, -0.5);
    s.limit = Math.max(s.limit * part, 1);
    s.every = this.every;
  }

  /**
   * Counts the units that came here in a window. Who has seen all of it, and most
   * went elsewhere, has a share.
   */
  #count(s: Standing, fresh: number, waiting: number): void {
    const past = fresh - this.#fresh;
    if (past > this.#whole / 2) {
      this.#seen = past < (3 * this.#whole) / 2;
      this.#fresh = fresh;
      this.#last = this.#mine;
      this.#mine = 0;
    } else if (past < 0 && -past <= this.#sameEnd) this.#fresh = fresh;
    this.#mine++;
    const came = this.#mine + waiting;
    const usedUp = this.#seen && s.left < 1;
    if (this.every === 0 && usedUp && 3 * came < 2 * Math.floor(s.limit))
      this.every = this.#whole / came;
  }

  /**
   * The part of a limit that is left over. Of a window that is what would be left
   * at its end, were it used evenly from now on.
   */
  #over(now: number, s: Standing): number {
    const over = s.left / s.limit;
    if (!this.#windowed) return over;
    const end = this.#end(s.fresh ?? now);
    return over - Math.max(end - now, 0) / this.#whole;
  }

  /**
   * When the window of an answer ends: the earliest instant that was told of it,
   * since whole seconds are rounded up as a rule.
   */
  #end(fresh: number): number {
    const past = fresh - this.#fresh;
    return past > 0 && past <= this.#sameEnd ? this.#fresh : fresh;
  }

  get #sameEnd(): number {
    return Math.min(sameEnd, this.#whole / 4);
  }

  /**
   * Measures by the time that a call was in line. What came in meanwhile had its
   * units in this time, and who waits here, or comes yet, would have had one.
   */
  #waited(now: number, before: Refusal, waiting: number): void {
    const took = now - before.at;
    const again = before.at > this.#grew;
    let { every } = this;
    if (!this.#windowed) {
      const came = Math.max(this.served - before.served, 1) + waiting;
      const each = took / came;
      // Others were in line because they are early, too: half is theirs.
      every =
        every > 0 && again
          ? Math.max(each, every + each / 2)
          : Math.max(each, every);
    } else if (every === 0)
      every = this.#whole / (Math.max(this.#last, 1) + waiting);
    // A window's line begins anew in the next one, wherever one stood.
    else if (again) every = Math.max(took - this.#whole, every * 1.2);
    if (every <= Math.max(this.every, this.alone)) return;
    this.every = every;
    this.#grew = now;
  }

  /** Makes the share larger when much is left over, and smaller when little is. */
  #adjust(left: number): void {
    const size = this.every / this.#whole;
    const e = left - this.#aim();
    const even = Math.min(size, 1 / size);
    // Large shares hear often of what is left, and change no faster for it than
    // others; small ones hear rarely. A limit that is half free has been left.
    let change = Math.max(
      quicker * e * Math.min(size * size, 1 / size),
      left - 0.5,
    );
    // In a window what is lost counts at once, and so does what will lack.
    if (this.#windowed) change = Math.min(Math.max(e * even, -0.5), 0.5);
    else if (e < 0) change = ((slower * e) / spare) * even;
    this.every -= change * this.every;
    if (this.every <= this.alone) this.every = 0; // alone again
  }

  /**
   * The part of the limit that should be left over. Of a window it is less than
   * nothing: a unit too many is lost for everybody, and one too few refuses one.
   */
  #aim(): number {
    const more = droop * Math.log(this.#whole / this.every);
    if (this.#windowed) return Math.min(Math.max(more - lack, -2 * lack), 0);
    return Math.min(Math.max(spare + more, spare / 2), 3 * spare);
  }
}
