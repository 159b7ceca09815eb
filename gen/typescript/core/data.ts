// The contract as data: what client.ts, decode.ts and their like interpret.

/** What a program may do about a failure by itself. */
export type Retry =
  "never" | "after_wait" | "backoff" | "same_key" | "new_key" | "after_action";

/** The template of a body: exactly one of literal to tree is there. */
export interface Shape {
  literal?: unknown;
  slot?: string;
  text?: readonly Shape[];
  array?: readonly Shape[];
  object?: readonly { key: string; value: Shape }[];
  each?: Shape;
  map?: Shape;
  tree?: Shape;
  optional?: boolean;
  spread?: boolean;
}

/** A message: literals, and places for values. */
export type Text = readonly (string | { slot: string })[];

export interface Envelope {
  name: string;
  body: Shape | null;
  text: Shape | null;
  xml: boolean;
  headers: readonly { name: string; value: Shape }[];
  inside: readonly number[];
  successes: readonly string[];
  carries: readonly string[];
}

export interface Param {
  name: string;
  type: string;
  from: string;
  format: string;
  prefix: string;
}

export interface CodeEntry {
  name: string;
  wire: string;
  numeric: boolean;
  status: number;
  others: readonly (readonly [number, number])[];
  subcode: string;
  type: string;
  title: string;
  envelope: string;
  is: readonly { condition: string; status: number }[];
  retry: Retry | "";
  params: readonly Param[];
  messages: readonly Text[];
  friendly: readonly Text[];
}

export interface RetryRules {
  attempts: number;
  timeout_ms: number;
  first_ms: number;
  factor: number;
  cap_ms: number;
  low: number;
  high: number;
  add_ms: number;
  hints: readonly { header: string; body: readonly string[]; unit: string }[];
  max_wait_ms: number;
  default_waits_ms: Readonly<Record<string, number>>;
  network: Retry;
  by_status: readonly { from: number; to: number; retry: Retry }[];
}

export interface Operation {
  method: string;
  path: string;
  safe: boolean;
  unkeyed: boolean;
  limited: boolean;
}

/** A rate; units that come back one by one each take every_ms, else per_ms. */
export interface Rate {
  limit: number;
  every_ms: number;
  per_ms: number;
  burst: number;
}

/** Where responses tell what is left of a limit. */
export interface PaceRules {
  limit: string;
  remaining: string;
  reset: string;
  unit: string;
  ietf: boolean;
  rates: readonly Rate[];
  code: string;
}

export interface Contract {
  api: string;
  title: string;
  base_url: string;
  base_path: string;
  envelopes: readonly Envelope[];
  codes: readonly CodeEntry[];
  open_codes: boolean;
  code_by_status: Readonly<Record<string, string>>;
  friendly: readonly Text[];
  timestamp: string;
  headers: { request_id: string; code: string; reset: string };
  secrets: readonly { in: string; name: string; prefix: string }[];
  keys: { header: string; methods: readonly string[] };
  retry: RetryRules;
  streams: { event: string; ndjson: boolean };
  pace: PaceRules | null;
  partial: readonly {
    statuses: readonly (readonly [number, number])[];
    items: readonly string[];
    error: readonly string[];
    id: readonly string[];
  }[];
  operations: readonly Operation[];
  conditions: Readonly<Record<string, Retry>>;
  statuses: Readonly<Record<string, string>>;
}

/** A fault of one part of a request. */
export interface FieldError {
  /** body, query, path, header, or "" when the API does not say. */
  readonly in: string;
  readonly path: readonly string[];
  readonly message: string;
  readonly code: string;
}

/** The failure of one item of a call on many. */
export interface ItemFailure {
  readonly index: number;
  readonly id: string;
  readonly failure: Failure;
}

/** What a response says of its failure. */
export interface Failure {
  /** The code as sent, "" when none was. */
  code: string;
  /** The catalogue's entry, if it is one. */
  entry: CodeEntry | undefined;
  condition: string;
  status: number;
  type: string;
  message: string;
  requestId: string;
  retry: Retry;
  /** The wait that was asked for, in milliseconds. */
  retryAfter: number | undefined;
  fields: FieldError[];
  items: ItemFailure[];
  params: Record<string, unknown>;
}

/** A failure of which nothing but its condition is known. */
export function bareFailure(condition: string, retry: Retry): Failure {
  return {
    code: "",
    entry: undefined,
    condition,
    status: 0,
    type: "",
    message: "",
    requestId: "",
    retry,
    retryAfter: undefined,
    fields: [],
    items: [],
    params: {},
  };
}

export function conditionOfStatus(contract: Contract, status: number): string {
  const known = contract.statuses[status];
  if (known !== undefined) return known;
  if (status >= 400 && status < 500) return "request_malformed";
  return status >= 500 && status < 600 ? "internal" : "";
}

/** The code's own advice, else that of the status. */
export function retryFor(
  contract: Contract,
  entry: CodeEntry | undefined,
  status: number,
): Retry {
  if (entry && entry.retry !== "") return entry.retry;
  for (const rule of contract.retry.by_status) {
    if (status >= rule.from && status <= rule.to) return rule.retry;
  }
  return contract.conditions[conditionOfStatus(contract, status)] ?? "never";
}

/** The condition that a code means under a status. */
export function conditionOf(
  contract: Contract,
  entry: CodeEntry,
  status: number,
): string {
  for (const meaning of entry.is) {
    if (meaning.status === status && status !== 0) return meaning.condition;
  }
  return entry.is[0]?.condition ?? conditionOfStatus(contract, status);
}
