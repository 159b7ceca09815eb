// The error that every failed call ends in.
import { inWords } from "./retry.js";
import { friendlyOf, messageOf } from "./text.js";
/**
 * A call that failed, whoever noticed: the server or this side. Nothing in it
 * holds the credentials that were sent.
 */
export class CallError extends Error {
    name = "CallError";
    /** The code as sent; where none was, the name of the entry or the condition. */
    code;
    /** The name of the catalogue's entry, undefined for a code that is not in it. */
    known;
    /** What happened, in words that all APIs share. */
    condition;
    /** The HTTP status, 0 when no response came. */
    status;
    /** The category that the API gives, "" for none. */
    type;
    /** What the server said, else the contract's own message. */
    description;
    /** A sentence that is safe to show to end users. It never repeats the server. */
    friendlyMessage;
    /** The id to give to support, "" when there was none. */
    requestId;
    retry;
    /** The wait that the server asked for, in milliseconds. */
    retryAfter;
    fields;
    items;
    /** What else the API says of this failure. */
    params;
    origin;
    method;
    url;
    /** The key that went with every attempt, "" for none. */
    idempotencyKey;
    attempts;
    /** Why there was no further attempt. */
    stopped;
    headers;
    /** The beginning of the last response's body. */
    body;
    constructor(parts) {
        super(lineOf(parts), parts.cause === undefined ? undefined : { cause: parts.cause });
        const f = parts.failure;
        this.code = nameOf(f);
        this.known = f.entry?.name;
        this.condition = f.condition;
        this.status = f.status;
        this.type = f.type;
        this.description = messageOf(f);
        this.friendlyMessage = friendly(parts);
        this.requestId = f.requestId;
        this.retry = f.retry;
        this.retryAfter = f.retryAfter;
        this.fields = f.fields;
        this.items = f.items.map((item) => ({
            index: item.index,
            id: item.id,
            code: nameOf(item.failure),
            condition: item.failure.condition,
            message: messageOf(item.failure),
        }));
        this.params = f.params;
        this.origin = parts.fromServer ? "server" : "client side";
        this.method = parts.method;
        this.url = parts.url;
        this.idempotencyKey = parts.idempotencyKey;
        this.attempts = parts.attempts;
        this.stopped = parts.stopped;
        this.headers = parts.headers;
        this.body = parts.body;
    }
    /** Whether the same call may succeed later without anybody acting. */
    get isRetryable() {
        return isRetryable(this.retry);
    }
    /** What to log: all but the body and the headers. */
    toJSON() {
        return {
            name: this.name,
            message: this.message,
            code: this.code,
            condition: this.condition,
            status: this.status,
            origin: this.origin,
            method: this.method,
            url: this.url,
            requestId: this.requestId,
            idempotencyKey: this.idempotencyKey,
            retry: this.retry,
            retryAfter: this.retryAfter,
            fields: this.fields,
            params: this.params,
            attempts: this.attempts.length,
            stopped: this.stopped,
        };
    }
    /** Whether a class stands for an error, also where the error is of another. */
    static covers(_error) {
        return false;
    }
    /**
     * An error is of its class and those above, and of each class that stands for
     * it: a code can mean several conditions, but extend one class only.
     */
    static [Symbol.hasInstance](value) {
        const ordinary = Function.prototype[Symbol.hasInstance];
        if (ordinary.call(this, value))
            return true;
        return (Object.hasOwn(this, "covers") &&
            ordinary.call(CallError, value) &&
            this.covers(value));
    }
}
export function isRetryable(retry) {
    return ["after_wait", "backoff", "same_key"].includes(retry);
}
export function nameOf(f) {
    const known = f.entry?.wire || f.entry?.name;
    return known || f.code || f.condition || "failed";
}
/** One line for developers. */
function lineOf(parts) {
    const f = parts.failure;
    const notes = [];
    if (f.requestId !== "")
        notes.push(`request id ${f.requestId}`);
    if (parts.attempts.length > 1)
        notes.push(`${parts.attempts.length} attempts`);
    const stop = parts.stopped;
    if (stop && stop !== "advice" && stop !== "attempts")
        notes.push(`client side: ${inWords(stop)}`);
    else if (!parts.fromServer)
        notes.push("client side");
    const status = f.status === 0 ? "" : ` (${f.status})`;
    const message = messageOf(f);
    const cause = parts.cause instanceof Error ? parts.cause.message : "";
    return (`${parts.contract.api}: ${nameOf(f)}${status}` +
        (message === "" ? "" : `: ${message}`) +
        (cause === "" ? "" : `: ${cause}`) +
        (notes.length === 0 ? "" : ` [${notes.join("; ")}]`));
}
function friendly(parts) {
    const own = friendlyOf(parts.contract, parts.failure);
    if (own !== "")
        return own;
    if (isRetryable(parts.failure.retry))
        return "The service cannot do this at the moment. Please try again in a while.";
    return parts.failure.status >= 500 || !parts.fromServer
        ? "The service could not do this. Please try again later."
        : "The service did not accept this request.";
}
