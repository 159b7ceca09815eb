// Redirects, which an API key does not follow to other hosts. fetch leaves
// Authorization behind there, and no header that an API has chosen.

import type { Contract } from "./data.js";

type Send = (url: string, init: RequestInit) => Promise<Response>;

const most = 20; // as fetch has it
const byFetch = ["authorization", "cookie", "proxy-authorization"];
const redirects = [301, 302, 303, 307, 308];

/** The headers with keys that fetch would take along. */
function carried(contract: Contract, headers: Headers): string[] {
  return contract.secrets
    .filter((place) => place.in !== "query")
    .map((place) => place.name.toLowerCase())
    .filter((name) => !byFetch.includes(name) && headers.has(name));
}

/**
 * Sends a request. Where it has a key in a header of the API's own, redirects are
 * followed here. Browsers do not say where one leads, so that there such a
 * request fails at it.
 */
export async function sendHome(
  send: Send,
  contract: Contract,
  address: string,
  init: RequestInit & { headers: Headers },
): Promise<Response> {
  const keys = carried(contract, init.headers);
  if (keys.length === 0 || init.redirect) return send(address, init);
  let url = new URL(address);
  let next: RequestInit & { headers: Headers } = init;
  for (let hops = 0; ; hops++) {
    const response = await send(url.href, { ...next, redirect: "manual" });
    if (response.type === "opaqueredirect")
      throw new TypeError("a redirect that would take the API key along");
    const location = response.headers.get("location");
    if (!redirects.includes(response.status) || location === null)
      return response;
    if (hops === most) throw new TypeError("too many redirects");
    await response.body?.cancel();
    const target = new URL(location, url);
    next = redirected(next, response.status, contract);
    if (target.origin !== url.origin)
      for (const name of [...keys, ...byFetch]) next.headers.delete(name);
    url = target;
  }
}

/** The request that a redirect asks for (RFC 9110 section 15.4). */
function redirected(
  init: RequestInit & { headers: Headers },
  status: number,
  contract: Contract,
): RequestInit & { headers: Headers } {
  const headers = new Headers(init.headers);
  const method = init.method ?? "GET";
  const kept = status === 307 || status === 308;
  if (kept || method === "GET" || method === "HEAD") {
    if (kept && init.body instanceof ReadableStream)
      throw new TypeError("a redirect of a body that is gone");
    return { ...init, headers };
  }
  if (status !== 303 && method !== "POST") return { ...init, headers };
  for (const name of ["content-type", "content-length", "content-encoding"])
    headers.delete(name);
  if (contract.keys.header !== "") headers.delete(contract.keys.header);
  const { body: _, ...rest } = init;
  return { ...rest, method: "GET", headers };
}
