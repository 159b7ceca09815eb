// Messages of the contract, filled with what a failure says.
/** The message that was received, else the contract's own. */
export function messageOf(f) {
    return f.message !== "" ? f.message : fill(f.entry?.messages ?? [], f);
}
/** The contract's text for end users, "" when it has none. */
export function friendlyOf(contract, f) {
    const own = f.entry?.friendly ?? [];
    return fill(own.length > 0 ? own : contract.friendly, f);
}
/** The first text whose values are all there. */
function fill(texts, f) {
    for (const text of texts) {
        const parts = text.map((part) => typeof part === "string" ? part : fact(f, part.slot));
        if (!parts.includes(undefined))
            return parts.join("");
    }
    return "";
}
function fact(f, name) {
    if (name === "status")
        return String(f.status);
    if (name === "code")
        return f.entry?.wire || f.entry?.name || f.code;
    if (name === "message")
        return f.message === "" ? undefined : f.message;
    const plain = name.replace(/^params\./, "");
    const param = f.entry?.params.find((x) => x.name === plain);
    for (const key of [plain, param?.from ?? plain]) {
        const value = Object.hasOwn(f.params, key) ? f.params[key] : undefined;
        if (value !== undefined)
            return typeof value === "string" ? value : JSON.stringify(value);
    }
    switch (param?.from ?? name) {
        case "request_id":
            return f.requestId === ""
                ? undefined
                : (param?.prefix ?? "") + f.requestId;
        case "retry_after":
            return f.retryAfter === undefined
                ? undefined
                : String(Math.ceil(f.retryAfter / 1000));
        case "field":
            return f.fields[0]?.path.join(".") || undefined;
        case "issue":
            return f.fields[0]?.message || undefined;
        default:
            return undefined;
    }
}
