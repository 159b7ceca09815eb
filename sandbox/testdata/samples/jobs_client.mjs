// A client as people write them who follow a page on errors.
import { base, done, faults, keys, look, pause } from "./look.mjs";

// What it throws for a client's error its own catch takes for a lost connection,
// and an error that stays has neither code nor status in the end.
const send = async (url, options, tries = 3) => {
  for (let n = 0; n < tries; n++) {
    try {
      const answer = await fetch(url, options);
      if (answer.ok) return await answer.json();
      if (![429, 500, 503].includes(answer.status)) throw new Error(`HTTP ${answer.status}`);
      await pause(2 ** n);
    } catch (err) {
      if (n === tries - 1) throw err;
      await pause(2 ** n);
    }
  }
  throw new Error("all tries are used up");
};

const signed = { Authorization: `Bearer ${keys.valid}`, "Content-Type": "application/json" };
const translate = (body) => send(`${base}/v1/translate`, { method: "POST", headers: signed, body: JSON.stringify(body) });
const good = { srtContent: "1\n00:00:01,000 --> 00:00:02,000\nhello\n", sourceLanguage: "en-US", targetLanguage: "es-ES" };
const total = async () => (await (await fetch(`${base}/v1/jobs`, { headers: signed })).json()).total;

await look("a job", () => translate(good), (got) => got.status);
await look("a job of nothing", () => translate({}));
await look("a key that is none", () => send(`${base}/v1/jobs`, { headers: { Authorization: "Bearer none" } }));
await faults({ fault: { error: "PROCESSING_FAILED" } });
await look("what fails for good", () => send(`${base}/v1/jobs`, { headers: signed }));
await faults({ fault: { error: "SERVICE_UNAVAILABLE" } });
await look("unavailable", () => translate(good));
const before = await total();
await faults({ nth: "1", fault: { reset: "before", done: true } });
await look("an answer that is lost", () => translate(good), (got) => got.status);
await look("jobs of it", async () => (await total()) - before);
done();
