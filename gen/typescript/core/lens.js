// Reading a body back through the template that it was made with.
export function newMatch() {
    return {
        code: "",
        coded: false,
        numeric: false,
        subcode: "",
        type: "",
        title: "",
        message: "",
        status: 0,
        requestId: "",
        wait: undefined,
        field: "",
        params: {},
        fields: [],
        exact: 0,
    };
}
const longest = 10 * 365 * 86_400_000; // nothing meant as a wait is longer
const mostFields = 1000;
export function isObject(value) {
    return typeof value === "object" && value !== null && !Array.isArray(value);
}
/** Whether value has the shape; what its slots hold goes into m. */
export function matches(m, shape, value, field) {
    if (shape.slot !== undefined)
        return readSlot(m, shape.slot, value, field);
    if (shape.text)
        return (typeof value === "string" && matchesText(m, shape.text, value, field));
    if (shape.object)
        return readObject(m, shape.object, value, field);
    if (shape.array)
        return readArray(m, shape.array, value, field);
    if (shape.each)
        return readEach(m, shape.each, value);
    if (shape.map)
        return readMap(m, shape.map, value);
    if (shape.tree)
        return isObject(value) && readTree(m, shape.tree, value, []);
    if (!same(shape.literal, value))
        return false;
    m.exact++;
    return true;
}
function same(a, b) {
    if (typeof a !== "object" || a === null)
        return a === b;
    return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}
function sorted(value) {
    if (Array.isArray(value))
        return value.map(sorted);
    if (!isObject(value))
        return value;
    return Object.fromEntries(Object.keys(value)
        .sort()
        .map((key) => [key, sorted(value[key])]));
}
function readObject(m, members, value, field) {
    if (!isObject(value))
        return false;
    for (const { key, value: shape } of members) {
        if (shape.spread)
            continue;
        const there = Object.hasOwn(value, key);
        if (!there || (value[key] === null && shape.optional)) {
            if (!shape.optional)
                return false;
            continue;
        }
        const before = { ...m, params: { ...m.params }, fields: [...m.fields] };
        if (matches(m, shape, value[key], field))
            continue;
        if (!shape.optional)
            return false;
        Object.assign(m, before); // an optional member that makes no sense is as good as absent
    }
    if (members.some((x) => x.value.spread)) {
        const named = new Set(members.map((x) => x.key));
        for (const [name, v] of Object.entries(value)) {
            if (!named.has(name))
                setOwn(m.params, name, v);
        }
    }
    return true;
}
/** Names come from the wire: __proto__ must be a member like any other. */
function setOwn(object, name, value) {
    Object.defineProperty(object, name, {
        value,
        enumerable: true,
        configurable: true,
        writable: true,
    });
}
function readSlot(m, slot, value, field) {
    if (slot.startsWith("params.")) {
        if (value !== null)
            setOwn(m.params, slot.slice(7), value);
        return true;
    }
    switch (slot) {
        case "code":
            return readCode(m, value);
        case "status":
            return readStatus(m, value);
        case "timestamp":
            return isInstant(value);
        case "retry_after":
        case "retry_after_ms":
            return readWait(m, value, slot === "retry_after" ? 1000 : 1);
        case "retryable":
            return typeof value === "boolean";
        case "params":
            if (!isObject(value))
                return false;
            for (const [name, v] of Object.entries(value))
                setOwn(m.params, name, v);
            return true;
        case "field.path":
            return Array.isArray(value) && !!field && readSteps(value, field);
        default:
            if (typeof value !== "string")
                return value === null;
            m.exact++;
            readString(m, slot, value, field);
            return true;
    }
}
function readString(m, slot, s, field) {
    switch (slot) {
        case "subcode":
            m.subcode = s;
            break;
        case "type":
            m.type = s;
            break;
        case "title":
            m.title = s;
            break;
        case "message":
            m.message = s;
            break;
        case "request_id":
            m.requestId = s;
            break;
        case "field":
            m.field = s;
            break;
        case "field.name":
            if (field && s !== "")
                field.path = s.split(".");
            break;
        case "field.pointer":
            if (field)
                field.path = pointerSteps(s);
            break;
        case "field.message":
            if (field)
                field.message = s;
            break;
        case "field.code":
            if (field)
                field.code = s;
            break;
        case "field.in":
            if (field)
                field.in = s;
            break;
    }
}
function readCode(m, value) {
    if (typeof value !== "string" && typeof value !== "number")
        return false;
    m.code = String(value);
    m.coded = true;
    m.numeric = typeof value === "number";
    m.exact++;
    return true;
}
function readStatus(m, value) {
    if (typeof value !== "string" && typeof value !== "number")
        return false;
    if (!/^-?\d+$/.test(String(value)))
        return false;
    m.status = Number(value);
    m.exact++;
    return true;
}
function isInstant(value) {
    if (typeof value === "number")
        return Number.isInteger(value) && value >= 0;
    return typeof value === "string" && !Number.isNaN(Date.parse(value));
}
function readWait(m, value, perUnit) {
    if (typeof value !== "number")
        return value === null;
    if (value >= 0 && value * perUnit <= longest)
        m.wait = value * perUnit;
    return true;
}
function readArray(m, parts, value, field) {
    if (!Array.isArray(value))
        return false;
    let i = 0;
    for (const [at, part] of parts.entries()) {
        if (part.spread && part.slot === "field.path") {
            const rest = value.length - i - (parts.length - at - 1);
            if (rest < 0 || !field || !readSteps(value.slice(i, i + rest), field))
                return false;
            i += rest;
            continue;
        }
        if (i >= value.length || !matches(m, part, value[i], field))
            return false;
        i++;
    }
    return i === value.length;
}
function readSteps(steps, field) {
    for (const step of steps) {
        if (typeof step !== "string" && typeof step !== "number")
            return false;
        field.path = [...field.path, String(step)];
    }
    return true;
}
function pointerSteps(s) {
    const pointer = s.replace(/^#/, "");
    if (pointer === "")
        return [];
    return pointer
        .replace(/^\//, "")
        .split("/")
        .map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}
function newField() {
    return { in: "", path: [], message: "", code: "" };
}
function addField(m, field) {
    if (m.fields.length < mostFields)
        m.fields.push(field);
}
function readEach(m, shape, value) {
    if (!Array.isArray(value))
        return false;
    for (const item of value) {
        const field = newField();
        if (!matches(m, shape, item, field))
            return false;
        addField(m, field);
    }
    return true;
}
function readMap(m, shape, value) {
    if (!isObject(value))
        return false;
    return Object.entries(value).every(([name, v]) => readLeaf(m, shape, v, name.split(".")));
}
/** A list as the element of a field holds one entry for each of its faults. */
function readLeaf(m, shape, value, path) {
    let values = [value];
    let single = shape;
    if (shape.array?.length === 1 && shape.array[0]) {
        if (!Array.isArray(value))
            return false;
        values = value;
        single = shape.array[0];
    }
    for (const v of values) {
        const field = newField();
        if (!matches(m, single, v, field))
            return false;
        field.path = path;
        addField(m, field);
    }
    return true;
}
function readTree(m, shape, branch, path) {
    for (const [name, value] of Object.entries(branch)) {
        const at = [...path, name];
        const probe = newMatch();
        if (readLeaf(probe, shape, value, at)) {
            probe.fields.forEach((field) => addField(m, field));
            continue;
        }
        if (!isObject(value) || at.length > 64 || !readTree(m, shape, value, at))
            return false;
    }
    return true;
}
/** A string of literals and slots: each slot takes as little as it can. */
export function matchesText(m, parts, text, field, unescape = (s) => s) {
    let s = text;
    for (const [i, part] of parts.entries()) {
        if (part.slot === undefined) {
            const literal = String(part.literal);
            if (!s.startsWith(literal))
                return false;
            s = s.slice(literal.length);
            m.exact++;
            continue;
        }
        let end = s.length;
        const next = parts[i + 1];
        if (next && next.slot === undefined) {
            const literal = String(next.literal);
            // The last literal ends the text.
            end =
                i + 2 === parts.length ? s.lastIndexOf(literal) : s.indexOf(literal);
            if (end < 0)
                return false;
        }
        if (!readSlotText(m, part.slot, unescape(s.slice(0, end)), field))
            return false;
        s = s.slice(end);
    }
    return s === "";
}
/** Inside a text numbers are text, too. */
function readSlotText(m, slot, s, field) {
    if (slot === "code")
        return readCode(m, s);
    if (s === "")
        return true;
    const isNumber = /^-?\d+(\.\d+)?([eE][+-]?\d+)?$/.test(s);
    if (slot === "status" || slot.startsWith("retry_after"))
        return isNumber && readSlot(m, slot, Number(s), field);
    if (slot === "timestamp" && isNumber)
        return readSlot(m, slot, Number(s), field);
    return readSlot(m, slot, s, field);
}
