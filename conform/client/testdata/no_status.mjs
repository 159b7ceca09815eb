// A loop as documents print it: it decides by a status that the error does not
// have, and follows a refusal without end.
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

async function get(url) {
  const answer = await fetch(url, {
    headers: { "X-Api-Key": process.env.FAILWELL_KEY },
  });
  if (answer.status === 429) {
    await answer.text();
    await pause((answer.headers.get("Retry-After") || 1) * 1000);
    return get(url);
  }
  if (!answer.ok) {
    const { error } = await answer.json();
    throw new Error(`failed: ${error.message} (${error.request_id})`);
  }
  return answer.json();
}

async function again(call, tries = 3) {
  for (let n = 0; ; n++) {
    try {
      return await call();
    } catch (error) {
      const final = error.status >= 400 && error.status < 500;
      if (final || n === tries - 1) throw error;
      await pause(200 * 2 ** n + Math.random() * 400);
    }
  }
}

console.log(JSON.stringify(await again(() => get(process.argv[2] + "/notes"))));
