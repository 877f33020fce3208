// @ts-check
import { UnauthorizedError } from "./client/client.js";

const TIMEOUT_MS = 10_000;

/**
 * Asks the page's own server.
 *
 * @param {string} url
 * @param {object} [body] Sent as JSON with POST; GET without one.
 * @returns {Promise<any>} The answer's JSON; null where it has none.
 * @throws {UnauthorizedError} On 401 and 403.
 * @throws {Error} On anything else, with a message fit for a person.
 */
export async function request(url, body) {
  /** @type {RequestInit} */
  const init = { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body) {
    init.method = "POST";
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  let response, text;
  try {
    response = await fetch(url, init);
    text = await response.text();
  } catch (error) {
    throw new Error("The server cannot be reached. Check that it is running.", { cause: error });
  }
  const answer = parse(text);
  if (response.ok) return answer;
  const message = answer?.error ?? `The server answered ${response.status} to ${url}.`;
  throw response.status === 401 || response.status === 403 ? new UnauthorizedError(message) : new Error(message);
}

/** @param {string} text */
function parse(text) {
  try {
    return JSON.parse(text);
  } catch {
    return null;
  }
}
