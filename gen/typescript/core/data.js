// The contract as data: what client.ts, decode.ts and their like interpret.
export function conditionOfStatus(contract, status) {
    const known = contract.statuses[status];
    if (known !== undefined)
        return known;
    if (status >= 400 && status < 500)
        return "request_malformed";
    return status >= 500 && status < 600 ? "internal" : "";
}
/** The code's own advice, else that of the status. */
export function retryFor(contract, entry, status) {
    if (entry && entry.retry !== "")
        return entry.retry;
    for (const rule of contract.retry.by_status) {
        if (status >= rule.from && status <= rule.to)
            return rule.retry;
    }
    return contract.conditions[conditionOfStatus(contract, status)] ?? "never";
}
/** The condition that a code means under a status. */
export function conditionOf(contract, entry, status) {
    for (const meaning of entry.is) {
        if (meaning.status === status && status !== 0)
            return meaning.condition;
    }
    return entry.is[0]?.condition ?? conditionOfStatus(contract, status);
}
