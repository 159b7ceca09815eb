// Credentials are taken out of whatever is kept of a call, by value: servers echo
// what they were sent.
import { isObject } from "./lens.js";
const mark = "[redacted]";
const secretHeaders = [
    "authorization",
    "proxy-authorization",
    "x-api-key",
    "api-key",
    "apikey",
    "x-auth-token",
    "x-access-token",
    "x-csrf-token",
    "x-amz-security-token",
    "x-goog-api-key",
    "ocp-apim-subscription-key",
    "private-token",
];
const secretQueries = [
    "key",
    "api_key",
    "apikey",
    "api-key",
    "access_token",
    "token",
    "auth",
    "auth_token",
    "password",
    "secret",
    "client_secret",
    "sig",
    "signature",
    "x-amz-signature",
    "x-amz-security-token",
    "x-goog-signature",
    "code",
    "refresh_token",
    "id_token",
    "jwt",
];
export class Secrets {
    #names;
    #values;
    constructor(contract, url, headers) {
        const values = new Set();
        const add = (least, value) => {
            if (value.length >= least)
                values.add(value);
        };
        const names = new Set(secretQueries);
        const inHeaders = new Set(secretHeaders);
        for (const place of contract.secrets) {
            const name = place.name.toLowerCase();
            if (place.in !== "query")
                inHeaders.add(name);
            else {
                names.add(name);
                url.searchParams.getAll(place.name).forEach((v) => add(4, v));
            }
        }
        for (const name of inHeaders) {
            const value = headers.get(name) ?? "";
            add(4, value);
            add(4, value.slice(value.indexOf(" ") + 1).trim());
            if (/^basic /i.test(value)) {
                const plain = fromBase64(value.slice(6).trim());
                add(4, plain);
                add(4, plain.slice(plain.indexOf(":") + 1));
            }
        }
        for (const pair of (headers.get("cookie") ?? "").split(";"))
            add(8, pair.slice(pair.indexOf("=") + 1).trim());
        url.searchParams.forEach((value, name) => {
            if (names.has(name.toLowerCase()))
                add(8, value);
        });
        add(4, decodeURIComponent(url.password));
        this.#names = names;
        this.#values = patternOf([...values]);
    }
    text(s) {
        return this.#values ? s.replace(this.#values, mark) : s;
    }
    /** A URL without credentials and without its fragment. */
    address(url) {
        const clean = new URL(url);
        clean.hash = "";
        if (clean.username !== "" || clean.password !== "") {
            clean.username = "redacted";
            clean.password = "";
        }
        const parts = clean.search.slice(1).split("&");
        const kept = parts.map((part) => {
            const name = part.split("=", 1)[0] ?? "";
            return this.#names.has(decoded(name).toLowerCase())
                ? `${name}=redacted`
                : part;
        });
        if (clean.search !== "")
            clean.search = kept.join("&");
        return this.text(clean.href);
    }
    headers(headers) {
        const clean = new Headers();
        headers.forEach((value, name) => clean.set(name, name === "set-cookie" ? mark : this.text(value)));
        return clean;
    }
    failure(f) {
        f.code = this.text(f.code);
        f.message = this.text(f.message);
        f.requestId = this.text(f.requestId);
        f.type = this.text(f.type);
        f.params = this.#value(f.params);
        f.fields = f.fields.map((field) => ({
            in: field.in,
            path: field.path.map((step) => this.text(step)),
            message: this.text(field.message),
            code: this.text(field.code),
        }));
        f.items = f.items.map((item) => {
            this.failure(item.failure);
            return { ...item, id: this.text(item.id) };
        });
    }
    /** The cause itself, or a copy of what it says where that tells a secret. */
    cause(cause) {
        if (!(cause instanceof Error))
            return cause;
        let told = "";
        for (let e = cause; e instanceof Error; e = e.cause)
            told += `${e.message}\n${e.stack ?? ""}\n`;
        const secret = this.text(told) !== told || /[?&][^ ]*=/.test(told);
        if (!secret)
            return cause;
        const copy = new Error(this.text(cause.message).replace(/\?[^ ]*/, "?redacted"));
        copy.name = cause.name;
        copy.stack = `${copy.name}: ${copy.message}`;
        return copy;
    }
    #value(value) {
        if (typeof value === "string")
            return this.text(value);
        if (Array.isArray(value))
            return value.map((v) => this.#value(v));
        if (!isObject(value))
            return value;
        return Object.fromEntries(Object.entries(value).map(([k, v]) => [k, this.#value(v)]));
    }
}
/** Each value as it is, as URLs, HTML and JSON write it, in any mixture of escapes. */
function patternOf(values) {
    if (values.length === 0)
        return undefined;
    const forms = [...values]
        .sort((a, b) => b.length - a.length)
        .slice(0, 64)
        .map((value) => [...value].map(formsOf).join(""));
    return new RegExp(forms.join("|"), "g");
}
function formsOf(char) {
    const literal = char.replace(/[\\^$.*+?()[\]{}|/-]/g, "\\$&");
    const units = [...Array(char.length).keys()].map((i) => "\\\\u" +
        [...char.charCodeAt(i).toString(16).padStart(4, "0")]
            .map((digit) => `[${digit}${digit.toUpperCase()}]`)
            .join(""));
    const percent = [...new TextEncoder().encode(char)]
        .map((byte) => "%" + byte.toString(16).padStart(2, "0"))
        .map((escape) => escape.replace(/[a-f]/g, (x) => `[${x}${x.toUpperCase()}]`))
        .join("");
    const other = {
        "&": "&amp;",
        "<": "&lt;",
        ">": "&gt;",
        '"': "&(?:quot|#34);",
        "'": "&(?:apos|#39);",
        " ": "\\+",
    };
    const html = other[char] === undefined ? "" : `|${other[char]}`;
    return `(?:\\\\?${literal}|${units.join("")}|${percent}${html})`;
}
function fromBase64(text) {
    try {
        return atob(text);
    }
    catch {
        return "";
    }
}
function decoded(text) {
    try {
        return decodeURIComponent(text);
    }
    catch {
        return text;
    }
}
