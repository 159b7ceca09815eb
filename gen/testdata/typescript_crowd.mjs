// Plays a crowd of clients, each as of a process of its own, on a clock of its own.
//
// The API is whoever reads standard output: each call is a line there, and its
// answer a line of standard input. The arguments are the folder of a built package, and
// a JSON object, see crowd in gen/crowd_test.go.
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const [folder, text] = process.argv.slice(2);
const crowd = JSON.parse(text);
const { Client } = await import(pathToFileURL(`${folder}/dist/index.js`).href);
const answers = createInterface({ input: process.stdin })[
  Symbol.asyncIterator
]();

let now = 0;
let due = [];
let asleep = 0;

/** Resolves when the clock shows it. */
function sleep(ms) {
  const at = now + ms;
  asleep++;
  return new Promise((go) => due.push({ at, go }));
}

/** The first that is due; few enough sleep for a look at all of them. */
function next() {
  let first = 0;
  for (let i = 1; i < due.length; i++) if (due[i].at < due[first].at) first = i;
  return due.splice(first, 1)[0];
}

/** The same numbers each time. */
let seed = 1;
function random() {
  seed = (seed * 48271) % 2147483647;
  return seed / 2147483647;
}

async function send(url, init) {
  await sleep(random() * 4);
  const call = { at_ns: Math.round(now * 1e6), caller: +init.headers.get("n") };
  process.stdout.write(JSON.stringify(call) + "\n");
  const { status, headers, body } = JSON.parse((await answers.next()).value);
  return new Response(body, { status, headers });
}

async function work(client, n) {
  await sleep(random() * 1000);
  for (;;) await client.fetch("/parcels", { headers: { n: String(n) } });
}

function fail(error) {
  console.error(error);
  process.exit(1);
}

let workers = 0;
for (let p = 0; p < crowd.processes; p++) {
  const client = new Client({
    baseURL: "http://api",
    attempts: 1 << 20,
    maxWait: -1,
    fetch: send,
    now: () => now,
    sleep,
  });
  for (let w = 0; w < crowd.workers; w++) work(client, ++workers).catch(fail);
}
for (;;) {
  // What one does ends with everybody asleep again.
  while (asleep < workers) await new Promise(setImmediate);
  const { at, go } = next();
  if (at >= crowd.seconds * 1000) process.exit(0);
  now = at;
  asleep--;
  go();
}
