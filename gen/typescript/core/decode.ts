// Reading the failure out of a response: the contract's envelopes first, then
// conventions of the world's APIs.

import {
  conditionOf,
  conditionOfStatus,
  retryFor,
  type CodeEntry,
  type Contract,
  type Envelope,
  type Failure,
  type ItemFailure,
  type Shape,
} from "./data.js";
import { guess } from "./guess.js";
import { parseWait } from "./hint.js";
import {
  isObject,
  matches,
  matchesText,
  newMatch,
  type Match,
} from "./lens.js";

/** What is needed of a response. */
export interface Answer {
  readonly status: number;
  /** The first value of a header, "" when it is absent. */
  header(name: string): string;
  readonly body: Uint8Array;
}

/** A JSON value that fills the body; undefined when there is none. */
export function parseBody(body: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(body));
  } catch {
    return undefined;
  }
}

/**
 * Reads the failure; undefined when the response is none. now is the server's
 * time, against which instants are read.
 */
export function decode(
  contract: Contract,
  answer: Answer,
  now: number,
): Failure | undefined {
  const value = parseBody(answer.body);
  const text = new TextDecoder().decode(answer.body);
  const failure = decodeEnvelope(contract, answer, value, text, now);
  if (failure) return failure;
  const items = decodeItems(contract, answer, value, now);
  if (items[0]) return { ...items[0].failure, status: answer.status, items };
  if (answer.status < 400) return undefined;
  return decodeForeign(contract, answer, value, text, now);
}

/**
 * Reads the failure that ended a stream. It has no status line: the shape decides,
 * and what has no known shape is a failure all the same.
 */
export function decodeTerminal(
  contract: Contract,
  answer: Omit<Answer, "status">,
  now: number,
): Failure {
  const alone: Answer = { ...answer, status: 0 };
  const text = new TextDecoder().decode(answer.body);
  const value = parseBody(answer.body);
  return (
    decode(contract, alone, now) ??
    decodeForeign(contract, alone, value, text, now)
  );
}

/** Whether a line of a stream is an error of the catalogue. */
export function isError(contract: Contract, line: string): boolean {
  const body = new TextEncoder().encode(line);
  const answer: Answer = { status: 0, header: () => "", body };
  const value = parseBody(body);
  return !!decodeEnvelope(contract, answer, value, line, 0)?.entry;
}

function decodeEnvelope(
  contract: Contract,
  answer: Answer,
  value: unknown,
  text: string,
  now: number,
): Failure | undefined {
  const success = answer.status >= 200 && answer.status < 400;
  let best:
    { m: Match; entry: CodeEntry | undefined; of: Envelope } | undefined;
  for (const of of contract.envelopes) {
    if (success && !of.inside.includes(answer.status)) continue;
    const m = newMatch();
    if (of.body && (value === undefined || !matches(m, of.body, value)))
      continue;
    const unescape = of.xml ? unescapeXML : undefined;
    if (of.text && !matchesText(m, partsOf(of.text), text, undefined, unescape))
      continue;
    const headersFit = of.headers.every((h) =>
      matchesText(m, partsOf(h.value), answer.header(h.name)),
    );
    if (!headersFit) continue;
    const entry = identify(contract, m, of, answer);
    if (!best || isBetter({ m, entry, of }, best)) best = { m, entry, of };
  }
  if (!best || (!best.entry && !best.m.coded)) return undefined;
  const pleased = best.of.successes.includes(best.m.code);
  if (success && !best.entry && (!contract.open_codes || pleased))
    return undefined; // the same shape tells of successes
  return interpret(contract, best.m, best.entry, answer, value, now);
}

function partsOf(shape: Shape): readonly Shape[] {
  return shape.text ?? [shape];
}

interface Candidate {
  m: Match;
  entry: CodeEntry | undefined;
  of: Envelope;
}

/** A code of the catalogue, then its own envelope, then what explains more. */
function isBetter(a: Candidate, b: Candidate): boolean {
  if (!a.entry !== !b.entry) return !!a.entry;
  if (a.entry && b.entry) {
    const own = a.entry.envelope === a.of.name;
    if (own !== (b.entry.envelope === b.of.name)) return own;
  }
  return a.m.exact > b.m.exact;
}

function unescapeXML(s: string): string {
  const plain: Readonly<Record<string, string>> = {
    "&lt;": "<",
    "&gt;": ">",
    "&quot;": '"',
    "&apos;": "'",
    "&#13;": "\r",
    "&amp;": "&",
  };
  return s.replace(
    /&(?:lt|gt|quot|apos|#13|amp);/g,
    (found) => plain[found] ?? found,
  );
}

/** The catalogue's entry: by the code as sent, else by status, type and title. */
function identify(
  contract: Contract,
  m: Match,
  of: Envelope,
  answer: Answer,
): CodeEntry | undefined {
  if (!m.coded && contract.headers.code !== "") {
    m.code = answer.header(contract.headers.code);
    m.coded = m.code !== "";
  }
  let best: CodeEntry | undefined;
  let most = 0;
  for (const entry of contract.codes) {
    if (m.coded && entry.wire !== m.code) continue;
    const score = likeness(entry, m, of, answer.status);
    if (score !== undefined && score > most) {
      best = entry;
      most = score;
    }
  }
  return best ?? (m.coded ? undefined : ofStatus(contract, answer.status));
}

function ofStatus(contract: Contract, status: number): CodeEntry | undefined {
  const name = contract.code_by_status[status];
  return contract.codes.find((entry) => entry.name === name);
}

/** How well an entry explains a match; undefined when it cannot. */
function likeness(
  entry: CodeEntry,
  m: Match,
  of: Envelope,
  status: number,
): number | undefined {
  const carries = (slot: string): boolean => of.carries.includes(slot);
  let score = 0;
  if (m.coded) score = m.numeric !== entry.numeric && of.body ? 8 : 16;
  else if (entry.envelope !== of.name || (entry.wire && carries("code")))
    return undefined;
  if (carries("type") && m.type !== "" && entry.type !== "") {
    if (m.type !== entry.type) return m.coded ? score : undefined;
    score += 4;
  }
  if (carries("subcode") && m.subcode !== entry.subcode)
    return m.coded && entry.subcode === "" ? score : undefined;
  if (carries("title") && m.title !== "" && entry.title === m.title) score += 2;
  if (entry.envelope === of.name) score += 2;
  if (status === entry.status) score += 8;
  else if (allows(entry, status)) score += 6;
  else if (!m.coded) return undefined;
  return score + 1;
}

function allows(entry: CodeEntry, status: number): boolean {
  return (
    entry.is.some((meaning) => meaning.status === status) ||
    entry.others.some(([from, to]) => status >= from && status <= to)
  );
}

function interpret(
  contract: Contract,
  m: Match,
  entry: CodeEntry | undefined,
  answer: Answer,
  value: unknown,
  now: number,
): Failure {
  const f: Failure = {
    code: m.code,
    entry,
    condition: "",
    status: answer.status === 0 ? m.status : answer.status,
    type: m.type,
    message: m.message,
    requestId: m.requestId,
    retry: "never",
    retryAfter: m.wait,
    fields: m.fields,
    items: [],
    params: m.params,
  };
  if (entry) settleParams(f, entry);
  if (m.field !== "" && f.fields.length === 0)
    f.fields = [fieldOf(m.field, "")];
  f.requestId ||= answer.header(contract.headers.request_id);
  if (entry) {
    f.condition = conditionOf(contract, entry, f.status);
    f.type ||= entry.type;
  }
  if (f.requestId === "" || f.condition === "") {
    const found = guess(contract, answer, value, "", now);
    f.requestId ||= found.requestId;
    f.condition ||= found.condition;
  }
  f.retry = retryFor(contract, entry, f.status);
  const matters = f.retry !== "never" || f.status === 429 || f.status === 503;
  const wait = hintOf(contract, answer, value, f, now);
  if (wait !== undefined && matters) f.retryAfter = wait;
  return f;
}

function fieldOf(path: string, message: string): Failure["fields"][number] {
  return {
    in: "",
    path: path === "" ? [] : path.split("."),
    message,
    code: "",
  };
}

/** Parameters that only stand for the request id, a field or the wait go there. */
function settleParams(f: Failure, entry: CodeEntry): void {
  let field = "";
  let issue = "";
  const kept: Record<string, unknown> = {};
  for (const [name, raw] of Object.entries(f.params)) {
    const param = entry.params.find((x) => x.name === name);
    let value = raw;
    if (param?.prefix && typeof raw === "string")
      value = raw.startsWith(param.prefix)
        ? raw.slice(param.prefix.length)
        : raw;
    if (typeof value === "string" && value !== "") {
      if (param?.from === "request_id") {
        f.requestId ||= value;
        continue;
      }
      if (param?.from === "field" || param?.from === "issue") {
        if (param.from === "field") field = value;
        else issue = value;
        continue;
      }
    }
    if (param?.from === "retry_after" && typeof value === "number") {
      const unit = param.format === "delta_ms" ? "milliseconds" : "seconds";
      const wait = parseWait(String(value), unit, 0);
      if (wait !== undefined && f.retryAfter === undefined) {
        f.retryAfter = wait;
        continue;
      }
    }
    Object.defineProperty(kept, name, {
      value,
      enumerable: true,
      configurable: true,
      writable: true,
    });
  }
  if ((field !== "" || issue !== "") && f.fields.length === 0)
    f.fields = [fieldOf(field, issue)];
  f.params = kept;
}

const ofLimits = [
  "rate_limited",
  "quota_exhausted",
  "concurrency_exceeded",
  "overloaded",
];

/** The contract's hints in order; a reset counts only where a limit is the matter. */
function hintOf(
  contract: Contract,
  answer: Answer,
  value: unknown,
  f: Failure,
  now: number,
): number | undefined {
  const aboutLimit = f.status === 429 || ofLimits.includes(f.condition);
  for (const hint of contract.retry.hints) {
    const name = hint.header.toLowerCase();
    const reset =
      name === contract.headers.reset.toLowerCase() || name.includes("reset");
    if (name !== "" && reset && !aboutLimit) continue;
    const text =
      name === "" ? memberText(value, hint.body) : answer.header(name);
    if (text === "") continue;
    const wait = parseWait(text, hint.unit, now);
    if (wait !== undefined) return wait;
  }
  return undefined;
}

function memberAt(value: unknown, path: readonly string[]): unknown {
  let at = value;
  for (const step of path) {
    if (!isObject(at) || !Object.hasOwn(at, step)) return undefined;
    at = at[step];
  }
  return at;
}

function memberText(value: unknown, path: readonly string[]): string {
  const at = memberAt(value, path);
  return typeof at === "string" || typeof at === "number" ? String(at) : "";
}

/** The failed items of a call on many. */
function decodeItems(
  contract: Contract,
  answer: Answer,
  value: unknown,
  now: number,
): ItemFailure[] {
  const out: ItemFailure[] = [];
  for (const rule of contract.partial) {
    if (
      !rule.statuses.some(([a, b]) => answer.status >= a && answer.status <= b)
    )
      continue;
    const items = memberAt(value, rule.items);
    for (const [index, item] of (Array.isArray(items) ? items : []).entries()) {
      const error = memberAt(item, rule.error);
      if (error === undefined || error === null) continue;
      // An item has no status line: the shape alone decides.
      const body = new TextEncoder().encode(JSON.stringify(error));
      const alone = { status: 0, header: answer.header, body };
      const failure = decodeEnvelope(contract, alone, error, "", now);
      if (failure) out.push({ index, id: memberText(item, rule.id), failure });
    }
  }
  return out;
}

/** A response that no envelope explains. */
function decodeForeign(
  contract: Contract,
  answer: Answer,
  value: unknown,
  text: string,
  now: number,
): Failure {
  const f = guess(contract, answer, value, text, now);
  f.entry = contract.codes.find((x) => f.code !== "" && x.wire === f.code);
  if (f.entry) f.condition = conditionOf(contract, f.entry, f.status);
  else if (f.condition === conditionOfStatus(contract, f.status))
    f.entry = ofStatus(contract, f.status);
  f.retry = retryFor(contract, f.entry, f.status);
  f.retryAfter = hintOf(contract, answer, value, f, now) ?? f.retryAfter;
  return f;
}
