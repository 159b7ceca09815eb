// Streams whose last event or line tells of a failure: it is thrown.

import type { CallError } from "./error.js";

/** A server-sent event. */
export interface ServerEvent {
  /** "message" when the server gave no name. */
  readonly event: string;
  readonly data: string;
  readonly id: string;
}

/** Makes the error of a body that tells of a failure, or of a broken stream. */
type Broken = (body: Uint8Array, cause: unknown) => CallError | undefined;

async function* textLines(
  response: Response,
  broken: Broken,
): AsyncGenerator<string, void, undefined> {
  const reader = response.body?.getReader();
  if (!reader) return;
  const decoder = new TextDecoder();
  let rest = "";
  try {
    for (;;) {
      const part = await reader.read().catch((cause: unknown) => {
        throw broken(new Uint8Array(), cause) ?? cause;
      });
      rest += decoder.decode(part.value, { stream: !part.done });
      // A CR at the end may be half of a CRLF.
      const found = rest.split(part.done ? /\r\n|\r|\n/ : /\r\n|\r(?!$)|\n/);
      rest = found.pop() ?? "";
      yield* found;
      if (part.done) break;
    }
    if (rest !== "") yield rest;
  } finally {
    await reader.cancel().catch(() => undefined);
  }
}

export async function* events(
  response: Response,
  failing: string,
  broken: Broken,
): AsyncGenerator<ServerEvent, void, undefined> {
  let event = "";
  let id = "";
  let data: string[] = [];
  for await (const line of textLines(response, broken)) {
    if (line === "") {
      if (data.length > 0) {
        const text = data.join("\n");
        const error = event === (failing || "error");
        const thrown =
          error && broken(new TextEncoder().encode(text), undefined);
        if (thrown) throw thrown;
        yield { event: event || "message", data: text, id };
      }
      event = "";
      data = [];
      continue;
    }
    const colon = line.indexOf(":");
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + 1).replace(/^ /, "");
    if (name === "event") event = value;
    else if (name === "data") data.push(value);
    else if (name === "id") id = value;
  }
}

export async function* lines<T>(
  response: Response,
  broken: Broken,
): AsyncGenerator<T, void, undefined> {
  for await (const line of textLines(response, broken)) {
    if (line.trim() === "") continue;
    const thrown = broken(new TextEncoder().encode(line), undefined);
    if (thrown) throw thrown;
    yield JSON.parse(line) as T;
  }
}
