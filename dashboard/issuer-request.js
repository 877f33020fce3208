// @ts-check
import { Problem } from "./problem.js";

const TIMEOUT_MS = 10_000;

/**
 * The origins to which the content security policy of this page has blocked requests.
 *
 * @type {Set<string>}
 */
const blockedOrigins = new Set();

addEventListener("securitypolicyviolation", ({ effectiveDirective, blockedURI }) => {
  if (effectiveDirective === "connect-src" && URL.canParse(blockedURI)) blockedOrigins.add(new URL(blockedURI).origin);
});

/**
 * Send a request to the identity provider.
 *
 * @param {string} url
 * @param {RequestInit} init
 * @returns {Promise<Response>} Any response that this page may read.
 * @throws {Problem} The response does not arrive, or this page may not read it.
 */
export async function send(url, init) {
  try {
    return await fetch(url, { ...init, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
  } catch (error) {
    throw await explainFailure(new URL(url), error);
  }
}

/**
 * Find out why a request failed. The browser gives a page no reason.
 *
 * @param {URL} url
 * @param {unknown} cause
 * @returns {Promise<Problem>}
 */
async function explainFailure({ href, host, origin }, cause) {
  const answers = await isReachable(href);
  await nextTask();
  if (blockedOrigins.has(origin)) return new Problem("blocked_by_policy", { origin }, cause);
  return answers
    ? new Problem("blocked_by_cors", { host, origin: location.origin }, cause)
    : new Problem("unreachable", { host }, cause);
}

/**
 * Return whether a server answers at all. The browser sends this request without asking the server for permission, and
 * does not show the answer to the page.
 *
 * @param {string} url
 */
async function isReachable(url) {
  /** @type {RequestInit} */
  const init = { mode: "no-cors", credentials: "omit", cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  return fetch(url, init).then(
    () => true,
    () => false,
  );
}

/** Wait until the browser has run the tasks that it has queued, such as the events of blocked requests. */
function nextTask() {
  const { port1, port2 } = new MessageChannel();
  return new Promise((resolve) => {
    port1.onmessage = resolve;
    port2.postMessage(null);
  });
}
