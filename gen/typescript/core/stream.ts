// Streams whose last event or line tells of a failure: it is thrown.

/** A server-sent event (WHATWG HTML section 9.2). */
export interface ServerEvent {
  /** "message" when the server gave no name. */
  readonly event: string;
  readonly data: string;
  /** The latest id that the stream gave: what Last-Event-ID should say. */
  readonly id: string;
  /** How long the server asks to wait before that, in milliseconds. */
  readonly retry: number | undefined;
}

/** The longest event or line that is read, in UTF-16 units. */
const longest = 16 << 20;

/** Makes the errors that end a stream. */
export interface Endings {
  /** The error that an event or a line tells of. */
  told(text: string): Error;
  /** The error of a stream that broke off, or is none. */
  broken(cause: unknown): Error;
}

/** A stream that cannot be read, however often it is asked for. */
export class StreamError extends Error {
  override name = "StreamError";
}

/** The lines of a body as they arrive. ends finds their ends; last: also one without. */
async function* linesOf(
  response: Response,
  types: readonly string[],
  ends: RegExp,
  last: boolean,
  endings: Endings,
): AsyncGenerator<string, void, undefined> {
  const reader = response.body?.getReader();
  const kind = response.headers.get("content-type") ?? "";
  try {
    if (kind !== "" && !types.includes(mediaType(kind))) {
      const what = `the response is ${kind}, not ${types[0] ?? ""}`;
      throw endings.broken(new StreamError(what));
    }
    const decoder = new TextDecoder();
    let held = "";
    let halfEnd = false; // a CR, of which an LF may follow
    for (let done = !reader; !done;) {
      const part = await reader?.read().catch((cause: unknown) => {
        throw endings.broken(cause);
      });
      done = part?.done ?? true;
      let text = decoder.decode(part?.value, { stream: !done });
      if (halfEnd && text !== "") {
        if (text.startsWith("\n")) text = text.slice(1);
        halfEnd = false;
      }
      let at = 0;
      for (const found of text.matchAll(ends)) {
        const line = held + text.slice(at, found.index);
        held = "";
        at = (found.index ?? 0) + found[0].length;
        halfEnd = found[0] === "\r" && at === text.length;
        yield bounded(line, endings);
      }
      held = bounded(held + text.slice(at), endings);
    }
    if (last && held !== "") yield held;
  } finally {
    await reader?.cancel().catch(() => undefined);
  }
}

function mediaType(kind: string): string {
  return (kind.split(";", 1)[0] ?? "").trim().toLowerCase();
}

function bounded(text: string, endings: Endings): string {
  if (text.length <= longest) return text;
  throw endings.broken(new StreamError("an event of the stream is too long"));
}

/** Events that are not whole when the stream ends are dropped. */
export async function* events(
  response: Response,
  failing: string,
  endings: Endings,
): AsyncGenerator<ServerEvent, void, undefined> {
  let event = "";
  let id = "";
  let retry: number | undefined;
  let data: string | undefined;
  const kind = ["text/event-stream"];
  const ends = /\r\n|\n|\r/g;
  for await (const line of linesOf(response, kind, ends, false, endings)) {
    if (line === "") {
      if (data !== undefined) {
        if (event === failing) throw endings.told(data);
        yield { event: event || "message", data, id, retry };
        retry = undefined;
      }
      event = "";
      data = undefined;
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "data")
      data = bounded(data === undefined ? value : `${data}\n${value}`, endings);
    else if (name === "id" && !value.includes("\0")) id = value;
    else if (name === "retry" && /^\d{1,9}$/.test(value)) retry = Number(value);
  }
}

const linesOfJSON = [
  "application/x-ndjson",
  "application/jsonl",
  "application/ndjson",
  "application/json-lines",
  "application/jsonlines",
];

/**
 * The error is the last line. One that looks like it is held until it is known
 * whether another one follows.
 */
export async function* lines<T>(
  response: Response,
  looksLast: (line: string) => boolean,
  endings: Endings,
): AsyncGenerator<T, void, undefined> {
  let held = "";
  const source = linesOf(response, linesOfJSON, /\n/g, true, endings);
  try {
    for await (const line of source) {
      if (line.trim() === "") continue;
      const before = held;
      held = looksLast(line) ? line : "";
      if (before !== "") yield parsed<T>(before, endings);
      if (held === "") yield parsed<T>(line, endings);
    }
  } catch (error) {
    throw held === "" ? error : endings.told(held);
  }
  if (held !== "") throw endings.told(held);
}

function parsed<T>(line: string, endings: Endings): T {
  try {
    return JSON.parse(line) as T;
  } catch {
    throw endings.broken(new StreamError("a line of the stream is no JSON"));
  }
}
