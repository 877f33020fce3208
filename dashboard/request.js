// @ts-check
import { UnauthorizedError } from "./client/client.js";
import { serverClock } from "./clock.js";

const TIMEOUT_MS = 10_000;

/**
 * Send a request to the server that serves the page.
 *
 * @param {string} url
 * @param {object} [body] Sent as JSON with POST. Without a body, the method is GET.
 * @returns {Promise<Record<string, unknown> | null>} The JSON object of the response; null if the response has none.
 * @throws {UnauthorizedError} The status is 401 or 403.
 * @throws {Error} The request failed. The message can be shown to the user.
 */
export async function request(url, body) {
  /** @type {RequestInit} */
  const init = { cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) };
  if (body) {
    init.method = "POST";
    init.headers = { "Content-Type": "application/json" };
    init.body = JSON.stringify(body);
  }
  const sentAt = Date.now();
  let response, text;
  try {
    response = await fetch(url, init);
    serverClock.read(response, sentAt);
    text = await response.text();
  } catch (error) {
    throw new Error("The server cannot be reached. Check that it is running.", { cause: error });
  }
  const answer = parse(text);
  if (response.ok) return answer;
  const message = String(answer?.error ?? `The server answered ${response.status} to ${url}.`);
  throw response.status === 401 || response.status === 403 ? new UnauthorizedError(message) : new Error(message);
}

/**
 * @param {string} text
 * @returns {Record<string, unknown> | null} Null if the text is not a JSON object.
 */
function parse(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" ? value : null;
  } catch {
    return null;
  }
}
