// A loop as documents print it: what it throws for a request that is wrong, it
// catches and tries again.
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function post(url, tries = 3) {
  for (let n = 0; n < tries; n++) {
    try {
      const answer = await fetch(url, {
        method: "POST",
        headers: { "X-Api-Key": process.env.FAILWELL_KEY },
        body: '{"text":"hello"}',
      });
      const text = await answer.text();
      if (answer.ok) return text;
      if (![429, 500, 503].includes(answer.status)) {
        throw new Error(`status ${answer.status}: ${text}`);
      }
      await pause(400 * 2 ** n);
    } catch (error) {
      if (n === tries - 1) throw error;
      await pause(400 * 2 ** n);
    }
  }
  throw new Error("all tries failed");
}

console.log(await post(process.argv[2] + "/notes"));
