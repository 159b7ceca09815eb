// What a client, and a single call, can be told.

import type { Attempt } from "./error.js";
import type { Budget } from "./retry.js";

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
  /**
   * Send calls without regard to what earlier responses told of the limit that
   * they share. Otherwise a call that the limit would refuse waits until there is
   * room, and one that cannot wait so long ends at once, unsent.
   */
  noPacing?: boolean;
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
  /** Send the call at once, whatever is known of its limit. */
  noPacing?: boolean;
}

export type CallInit = RequestInit & CallOptions;
