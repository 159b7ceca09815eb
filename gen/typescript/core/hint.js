// How long a server asks a caller to wait, in any form that servers write it.
const largest = 9223372036854; // milliseconds; 292 years
const unitsOfTime = {
    ns: 1e-6,
    us: 1e-3,
    "\u00b5s": 1e-3,
    ms: 1,
    msec: 1,
    msecs: 1,
    millis: 1,
    millisecond: 1,
    milliseconds: 1,
    s: 1000,
    sec: 1000,
    secs: 1000,
    second: 1000,
    seconds: 1000,
    m: 60_000,
    min: 60_000,
    mins: 60_000,
    minute: 60_000,
    minutes: 60_000,
    h: 3_600_000,
    hr: 3_600_000,
    hrs: 3_600_000,
    hour: 3_600_000,
    hours: 3_600_000,
    d: 86_400_000,
    day: 86_400_000,
    days: 86_400_000,
};
/**
 * Reads a wait from now, in milliseconds. It is never negative: what lies in the
 * past is 0. undefined is for what is no wait of that unit.
 */
export function parseWait(text, unit, now) {
    if (text.length > 256)
        return undefined;
    const value = text.replace(/^[\s"']+|[\s"']+$/g, "");
    if (value === "")
        return undefined;
    switch (unit) {
        case "seconds":
        case "delta_s":
            return count(value, 1000);
        case "milliseconds":
            return count(value, 1);
        case "epoch_s":
            return epoch(value, 1000, now);
        case "epoch_ms":
            return epoch(value, 1, now);
        case "http_date":
            return httpDate(value, now);
        case "rfc3339":
            return rfc3339(value, now);
        case "duration":
            return duration(value);
        case "auto":
            return auto(value, now);
        default:
            return undefined;
    }
}
/** The form and the size of the value decide what it is. */
function auto(value, now) {
    const n = decimal(value);
    if (n !== undefined) {
        // 1e9 seconds are 31 years: what is larger is an instant, in ever finer units.
        if (n >= 1e17)
            return epoch(value, 1e-6, now);
        if (n >= 1e14)
            return epoch(value, 1e-3, now);
        if (n >= 1e11)
            return epoch(value, 1, now);
        return n >= 1e9 ? epoch(value, 1000, now) : count(value, 1000);
    }
    const found = resetOf(value) ??
        httpDate(value, now) ??
        rfc3339(value, now) ??
        duration(value);
    if (found !== undefined)
        return found;
    const head = value.split(",")[0]?.trim() ?? "";
    const first = value.includes(",") ? decimal(head) : undefined;
    return first !== undefined && first < 1e9 ? count(head, 1000) : undefined;
}
function decimal(value) {
    if (!/^[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?$/i.test(value))
        return undefined;
    const n = Number(value);
    return Number.isFinite(n) ? n : undefined;
}
function count(value, perUnit) {
    const n = decimal(value);
    if (n === undefined)
        return undefined;
    if (n <= 0)
        return 0;
    return n * perUnit < largest ? n * perUnit : undefined;
}
function epoch(value, perUnit, now) {
    const n = decimal(value);
    if (n === undefined)
        return undefined;
    const at = n * perUnit;
    // Nothing beyond the year 9999 is meant as an instant.
    return Math.abs(at) > 253402300799_999 ? undefined : until(at, now);
}
function until(at, now) {
    if (Number.isNaN(at) || at - now >= largest)
        return undefined;
    return Math.max(at - now, 0);
}
const weekday = "(Mon|Tue|Wed|Thu|Fri|Sat|Sun)[a-z]*";
/** The three forms of RFC 9110 section 5.6.7, and numeric zones. */
function httpDate(value, now) {
    const imf = new RegExp(`^${weekday},? \\d{1,2}[ -][A-Z][a-z]{2}[ -]\\d{2,4} \\d\\d:\\d\\d:\\d\\d (GMT|UTC|[+-]\\d{4})$`);
    const asctime = new RegExp(`^${weekday} [A-Z][a-z]{2} [ \\d]\\d \\d\\d:\\d\\d:\\d\\d \\d{4}$`);
    if (imf.test(value))
        return until(Date.parse(value.replace(/-/g, " ")), now);
    return asctime.test(value)
        ? until(Date.parse(`${value} GMT`), now)
        : undefined;
}
/** The instant of a Date header, NaN when it is none. */
export function dateOf(value) {
    const wait = httpDate(value.trim(), -largest / 2);
    return wait === undefined ? NaN : wait - largest / 2;
}
function rfc3339(value, now) {
    const found = /^(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d:\d\d(?:\.\d+)?) ?(Z|UTC|[+-]\d\d:\d\d)?$/i.exec(value);
    if (!found)
        return undefined;
    const zone = found[3] === undefined || /utc/i.test(found[3]) ? "Z" : found[3];
    return until(Date.parse(`${found[1]}T${found[2]}${zone}`), now);
}
/** 1m30s, 20 ms, 1 hour and 2 minutes, PT1M30S. */
function duration(value) {
    let rest = value.toLowerCase();
    const iso = /^p(?:(\d+)w)?(?:(\d+)d)?(?:t(?:(\d+)h)?(?:(\d+)m)?(?:([\d.]+)s)?)?$/;
    const parts = rest.length > 1 ? iso.exec(rest) : null;
    if (parts) {
        const [w, d, h, m, s] = parts.slice(1).map((x) => Number(x ?? 0));
        return (((((w ?? 0) * 7 + (d ?? 0)) * 24 + (h ?? 0)) * 60 + (m ?? 0)) * 60_000 +
            (s ?? 0) * 1000);
    }
    let total = 0;
    for (let n = 0; rest !== ""; n++) {
        const found = /^([\d.]+) *([a-z\u00b5]+)[ ,]*(?:and )? */.exec(rest);
        const scale = found?.[2] === undefined ? undefined : unitsOfTime[found[2]];
        const amount = found?.[1] === undefined ? undefined : decimal(found[1]);
        if (!found || scale === undefined || amount === undefined || n === 8)
            return undefined;
        total += amount * scale;
        rest = rest.slice(found[0].length);
    }
    return total < largest ? total : undefined;
}
/** The reset of a RateLimit field (draft-ietf-httpapi-ratelimit-headers). */
export function resetOf(value) {
    let best;
    for (const item of value.split(",")) {
        let left;
        let reset;
        for (const part of item.split(";")) {
            const [name, number] = part.split("=", 2).map((x) => x.trim());
            if (number === undefined)
                continue;
            if (name === "r" || name === "remaining")
                left = decimal(number);
            if (name === "t" || name === "reset")
                reset = count(number, 1000);
        }
        if (reset === undefined)
            continue;
        const out = left !== undefined && left <= 0;
        const bestOut = best?.left !== undefined && best.left <= 0;
        if (!best || (out && (!bestOut || reset > best.reset)))
            best = { left, reset };
    }
    return best?.reset;
}
