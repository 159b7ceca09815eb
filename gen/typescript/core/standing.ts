// What a response tells of the limit that its call counted against.

import type { PaceRules, Rate } from "./data.js";
import { parseWait } from "./hint.js";

/** Instants are those of the client's clock; all times are in milliseconds. */
export interface Standing {
  /** Calls that the limit still admits. */
  left: number;
  /** What it admits when none was made; 0 when that is not told. */
  limit: number;
  /** When the whole of it is there again; undefined when that is not told. */
  fresh: number | undefined;
  /**
   * How long one call takes to be free again, where they come back one by one; 0
   * where they come back all at once, or nobody knows.
   */
  every: number;
  /** After how long they all come back; 0 when that is not told. */
  window: number;
}

/** The client's own time, and that which instants are meant by. */
export interface Clocks {
  readonly now: number;
  readonly server: number;
}

/** Undefined when a response does not tell how its limit stands. */
export function readStanding(
  rules: PaceRules,
  headers: Headers,
  clocks: Clocks,
): Standing | undefined {
  const s =
    readHeaders(rules, headers, clocks) ??
    (rules.ietf
      ? readFields(
          headers.get("ratelimit") ?? "",
          headers.get("ratelimit-policy") ?? "",
          clocks.now,
        )
      : undefined);
  if (!s) return undefined;
  const rate = rateOf(rules, s.limit);
  s.every = rate?.every_ms ?? 0;
  if (rate && s.every === 0) s.window = rate.per_ms;
  else if (rate && rate.burst > 0) s.limit = Math.min(s.limit, rate.burst);
  // Without a way to come back a limit of nothing would be one for good.
  return s.every > 0 || s.fresh !== undefined ? s : undefined;
}

function rateOf(rules: PaceRules, limit: number): Rate | undefined {
  return rules.rates.find((rate) => rate.limit === limit);
}

function readHeaders(
  rules: PaceRules,
  headers: Headers,
  { now, server }: Clocks,
): Standing | undefined {
  const first = (name: string): string =>
    name === "" ? "" : (headers.get(name) ?? "");
  const left = count(first(rules.remaining));
  if (left === undefined) return undefined;
  const wait = parseWait(first(rules.reset), rules.unit, server);
  const fresh = wait === undefined ? undefined : now + wait;
  const limit = count(first(rules.limit)) ?? 0;
  return { left, limit, fresh, every: 0, window: 0 };
}

function count(text: string): number | undefined {
  const digits = text.trim();
  return /^\d{1,12}$/.test(digits) ? Number(digits) : undefined;
}

/**
 * The fields of draft-ietf-httpapi-ratelimit-headers-10: of the policies that
 * count requests, the one with the least left. Others (bytes, calls at once, an
 * API's own units) say nothing about the next call.
 */
function readFields(
  fields: string,
  policies: string,
  now: number,
): Standing | undefined {
  let best: (Standing & { fresh: number }) | undefined;
  for (const { name, params } of items(fields)) {
    const left = count(params.get("r") ?? "");
    const seconds = count(params.get("t") ?? "");
    const policy = items(policies).find((item) => item.name === name)?.params;
    const unit = policy?.get("qu") ?? '"requests"';
    if (left === undefined || seconds === undefined || unit !== '"requests"')
      continue;
    const limit = count(policy?.get("q") ?? "") ?? 0;
    const window = (count(policy?.get("w") ?? "") ?? 0) * 1000;
    const fresh = now + seconds * 1000;
    if (!best || left < best.left || (left === best.left && fresh > best.fresh))
      best = { left, limit, fresh, every: 0, window };
  }
  return best;
}

interface Item {
  readonly name: string;
  readonly params: ReadonlyMap<string, string>;
}

/** A list of items with parameters (RFC 9651), their values as they are written. */
function items(field: string): Item[] {
  return split(field, ",").map((item) => {
    const [name = "", ...params] = split(item, ";");
    const pairs = params.map((param): [string, string] => {
      const [key = "", ...value] = param.split("=");
      return [key.trim(), value.join("=").trim()];
    });
    return { name: name.trim(), params: new Map(pairs) };
  });
}

/** Parts of a structured field, split outside of its strings. */
function split(field: string, separator: string): string[] {
  const parts: string[] = [];
  let start = 0;
  let quoted = false;
  for (let i = 0; i < field.length; i++) {
    const c = field[i];
    if (quoted && c === "\\") i++;
    else if (c === '"') quoted = !quoted;
    else if (c === separator && !quoted) {
      parts.push(field.slice(start, i));
      start = i + 1;
    }
  }
  return [...parts, field.slice(start)];
}
