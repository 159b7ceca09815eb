// What the vendor's TypeScript client makes of the sandbox at the origin in argv;
// keys come by standard input, what was seen goes out as JSON.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";

const [origin, modules] = process.argv.slice(2);
const { HumeClient, HumeError, HumeTimeoutError } = createRequire(join(modules, "any.js"))("hume");
const keys = JSON.parse(readFileSync(0, "utf8"));
const facts = {};

const control = async (method, path, body) => {
  const answer = await fetch(`${origin}/_sandbox/${path}`, { method, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? null : answer.json();
};
const client = (apiKey, more) => new HumeClient({ apiKey, environment: origin, ...more }).expressionMeasurement.batch;
const attempts = async (work) => {
  await control("DELETE", "journal");
  await work();
  return (await control("GET", "journal")).entries.map((e) => e.status).join(" ");
};
const told = async (work) => {
  try {
    await work();
    return "no error";
  } catch (err) {
    const name = err instanceof HumeTimeoutError ? "HumeTimeoutError" : err instanceof HumeError ? "HumeError" : err.constructor.name;
    return `${name} ${err.statusCode ?? "without a status"} ${err.body?.code ?? err.body?.fault?.faultstring ?? "without a code"}`;
  }
};

const good = client(keys.valid);
const done = async (job) => {
  await control("POST", "clock", { advance: "1h" });
  return (await good.getJobDetails(job.jobId)).state.status;
};

const text = await good.startInferenceJob({ text: ["I am happy and glad."], models: { language: {} } });
facts["a new job"] = (await good.getJobDetails(text.jobId)).state.status;
facts["predictions too early"] = await told(() => good.getJobPredictions(text.jobId));
facts["text"] = await done(text);
await text.awaitCompletion(10);
const found = await good.getJobPredictions(text.jobId);
facts["emotions of a text"] = found[0].results.predictions[0].models.language.groupedPredictions[0].predictions[0].emotions.length;
const media = await good.startInferenceJob({ urls: ["https://media.example/face.mp4"], models: { face: {} } });
facts["address"] = await done(media);
facts["face"] = typeof (await good.getJobPredictions(media.jobId))[0].results.predictions[0].models.face.groupedPredictions[0].predictions[0].box.w;
const file = await good.startInferenceJobFromLocalFile({ file: [new File(["calm and quiet"], "calm.txt", { type: "text/plain" })], json: { models: { language: {} } } });
facts["file"] = await done(file);
const archive = await good.getJobArtifacts(file.jobId);
const bytes = new Uint8Array(await (archive.arrayBuffer ? archive.arrayBuffer() : new Response(archive.body ?? archive).arrayBuffer()));
facts["artifacts"] = String.fromCharCode(...bytes.slice(0, 2));
facts["list"] = (await good.listJobs({ limit: 2, status: ["COMPLETED", "FAILED"] })).length;

const force = (code) => ({ headers: { "X-Sandbox-Error": code }, maxRetries: 0 });
for (const code of ["bad_request", "unauthorized", "not_found", "request_timeout", "conflict", "too_many_requests", "internal_server_error", "service_unavailable"]) {
  facts[`error ${code}`] = await told(() => good.listJobs({}, force(code)));
}
facts["a revoked key"] = await told(() => client(keys.revoked).listJobs());
for (const [code, retry] of [["request_timeout", "1"], ["conflict", "1"], ["too_many_requests", "1"], ["internal_server_error", "1"], ["service_unavailable", "1"], ["bad_request", "1"]]) {
  await control("PUT", "faults", { rules: [{ nth: "1", fault: { error: code, retry_after: retry } }] });
  facts[`attempts after ${code}`] = await attempts(() => told(() => client(keys.test).listJobs()));
}
await control("PUT", "faults", { rules: [{ nth: "1", fault: { reset: "before" } }] });
facts["attempts after a reset"] = await attempts(async () => { facts["error of a reset"] = await told(() => client(keys.test).listJobs()); });
await control("PUT", "faults", { rules: [{ fault: { delay: "3s" } }] });
facts["error of a timeout"] = await told(() => client(keys.test).listJobs({}, { timeoutInSeconds: 0.2, maxRetries: 0 }));
await control("PUT", "faults", { rules: [{ fault: { status: 502, body: "html", content_type: "text/html" } }] });
facts["a page of a proxy"] = await told(() => client(keys.test).listJobs({}, { maxRetries: 0 }));
await control("PUT", "faults", { rules: [{ fault: { body: "malformed" } }] });
facts["broken JSON"] = await told(() => client(keys.test).listJobs({}, { maxRetries: 0 }));
process.stdout.write(JSON.stringify(facts, null, 1), () => process.exit(0));
