// Reading a failure that the contract does not describe: the page of a proxy, the
// body of a framework, an empty answer. It knows conventions, not vendors.
import { conditionOfStatus } from "./data.js";
import { parseWait, resetOf } from "./hint.js";
import { isObject } from "./lens.js";
const codeNames = ["code", "error_code", "errorCode", "errcode", "reason"];
const messageNames = [
    "message",
    "detail",
    "error_description",
    "errorMessage",
    "error_message",
    "errmsg",
    "msg",
    "description",
    "title",
];
const idNames = [
    "request_id",
    "requestId",
    "requestID",
    "RequestId",
    "trace_id",
];
const idHeaders = [
    "x-request-id",
    "request-id",
    "x-amzn-requestid",
    "x-amz-request-id",
    "x-correlation-id",
    "x-trace-id",
    "cf-ray",
];
const errorNames = ["error", "errors", "fault", "exception"];
const longestMessage = 4096;
export function guess(contract, answer, value, text, now) {
    const f = {
        code: "",
        entry: undefined,
        condition: conditionOfStatus(contract, answer.status),
        status: answer.status,
        type: "",
        message: "",
        requestId: "",
        retry: "never",
        retryAfter: undefined,
        fields: [],
        items: [],
        params: {},
    };
    if (isObject(value))
        readObject(f, value);
    else if (typeof value === "string")
        f.message = value;
    else if (value === undefined && text !== "")
        readText(f, text);
    for (const name of idHeaders)
        f.requestId ||= answer.header(name).trim();
    f.message = clean(f.message, longestMessage);
    f.code = clean(f.code, 128);
    f.requestId = clean(f.requestId, 200);
    f.retryAfter ??= waitOf(answer, now);
    return f;
}
/** The error object, then what stands around it. */
function readObject(f, root) {
    const scopes = [root];
    for (const name of errorNames) {
        const inner = root[name];
        const first = Array.isArray(inner) ? inner[0] : inner;
        if (isObject(first))
            scopes.unshift(first);
        else if (typeof first === "string" && first !== "")
            readWord(f, first);
    }
    if (isObject(root["detail"]))
        scopes.unshift(root["detail"]);
    for (const scope of scopes) {
        f.code ||= wordOf(scope, codeNames);
        f.type ||= wordOf(scope, ["type"]);
        f.message ||= sentenceOf(scope);
        f.requestId ||= wordOf(scope, idNames);
        f.retryAfter ??= memberWait(scope);
    }
    readIssues(f, root["detail"]);
    readIssues(f, root["errors"]);
    f.message ||= f.fields[0]?.message ?? "";
}
/** "error" holds a code with some APIs and a sentence with others. */
function readWord(f, word) {
    if (/^[A-Za-z][A-Za-z0-9]*([_.-][A-Za-z0-9]+)+$/.test(word))
        f.code ||= word;
    else
        f.message ||= word;
}
function wordOf(scope, names) {
    for (const name of names) {
        const v = scope[name];
        if (typeof v === "string" && v !== "")
            return v;
        if (typeof v === "number" && name !== "type")
            return String(v);
    }
    return "";
}
function sentenceOf(scope) {
    for (const name of messageNames) {
        const v = scope[name];
        if (typeof v === "string" && v !== "")
            return v;
    }
    return "";
}
function memberWait(scope) {
    const ms = scope["retry_after_ms"];
    if (typeof ms === "number")
        return parseWait(String(ms), "milliseconds", 0);
    const s = scope["retry_after"] ?? scope["retryAfter"];
    return typeof s === "number" ? parseWait(String(s), "seconds", 0) : undefined;
}
/** Lists of issues: FastAPI's detail, and lists of fields and messages. */
function readIssues(f, list) {
    if (!Array.isArray(list) || f.fields.length > 0)
        return;
    for (const issue of list.slice(0, 100)) {
        if (!isObject(issue))
            continue;
        const loc = issue["loc"] ?? issue["path"] ?? issue["field"];
        const steps = (Array.isArray(loc) ? loc : String(loc ?? "").split("."))
            .map(String)
            .filter((step) => step !== "");
        const places = ["body", "query", "path", "header"];
        const place = Array.isArray(loc) && places.includes(steps[0] ?? "");
        const message = wordOf(issue, ["msg", "message", "detail"]);
        if (steps.length === 0 && message === "")
            continue;
        f.fields.push({
            in: place ? (steps[0] ?? "") : "",
            path: place ? steps.slice(1) : steps,
            message,
            code: wordOf(issue, ["type", "code"]),
        });
    }
}
/** A page, XML, or words. */
function readText(f, text) {
    const member = (name) => new RegExp(`<${name}>([^<]*)</${name}>`, "i").exec(text)?.[1] ?? "";
    if (/^\s*<\?xml|^\s*<error/i.test(text)) {
        f.code = member("Code");
        f.message = member("Message");
        f.requestId = member("RequestId");
    }
    else if (/^\s*<(!doctype|html|head|body)/i.test(text)) {
        f.message = member("h1") || member("title");
    }
    else if (!/^\s*[[{]/.test(text) && !text.includes("\ufffd")) {
        f.message = text;
    }
}
function clean(text, longest) {
    // eslint-disable-next-line no-control-regex -- that is what is taken out
    const plain = text.replace(/[\u0000-\u001f\u007f]+/g, " ").trim();
    return plain.length > longest ? plain.slice(0, longest) : plain;
}
function waitOf(answer, now) {
    for (const name of ["retry-after-ms", "x-ms-retry-after-ms"]) {
        const wait = parseWait(answer.header(name), "milliseconds", now);
        if (wait !== undefined)
            return wait;
    }
    const wait = parseWait(answer.header("retry-after"), "auto", now);
    if (wait !== undefined || answer.status !== 429)
        return wait;
    const reset = answer.header("ratelimit");
    return ((reset === "" ? undefined : resetOf(reset)) ??
        parseWait(answer.header("x-ratelimit-reset"), "auto", now));
}
