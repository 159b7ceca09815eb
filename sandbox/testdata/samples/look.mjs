// What the programs beside this one have in common: where the sandbox is, and
// what it has seen.
import { readFileSync } from "node:fs";

export const { base, origin, keys, unit } = JSON.parse(readFileSync(0, "utf8"));
export const facts = {};

export const control = async (method, path, body) => {
  const answer = await fetch(`${origin}/_sandbox/${path}`, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};

export const faults = (...rules) => control("PUT", "faults", { rules });

// look does something and keeps the statuses of the calls that came of it, and how it ended.
export const look = async (name, work, end = (value) => value) => {
  await control("DELETE", "journal");
  let how = "fine";
  try {
    const value = end(await work());
    if (value !== undefined && typeof value !== "object") how = String(value);
  } catch (err) {
    how = [err.name, err.status, err.code, err.message.startsWith("HTTP") ? err.message.slice(0, 8) : ""].filter(Boolean).join(" ");
  }
  const calls = (await control("GET", "journal")).entries.map((e) => e.status);
  facts[name] = `${calls.length > 8 ? `${calls.length} calls` : calls.join(" ")}: ${how}`;
  await faults();
};

export const pause = (n) => new Promise((done) => setTimeout(done, n * unit));
export const done = () => process.stdout.write(JSON.stringify(facts), () => process.exit(0));
