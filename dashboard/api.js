// @ts-check
import { UnauthorizedError } from "./client.js";

const TIMEOUT_MS = 10_000;

/**
 * @typedef {object} Config
 * @property {string} websocket_url
 * @property {string[]} tenants
 * @property {string[]} forms
 * @property {string} token_url
 * @property {string} submissions_url
 *
 * @typedef {{name: string, email: string, message: string}} Payload
 * @typedef {import("./protocol.js").Submission} Submission
 */

/** @returns {Promise<Config>} */
export async function loadConfig() {
  const config = await request("config.json");
  for (const name of ["websocket_url", "tenants", "forms", "token_url", "submissions_url"]) {
    if (!config?.[name]?.length) throw new Error(`config.json gives no ${name}.`);
  }
  return config;
}

/**
 * @param {Config} config
 * @param {string} tenantId
 * @returns {Promise<string>} A fresh JWT.
 */
export async function fetchToken(config, tenantId) {
  const answer = await request(config.token_url, { tenant_id: tenantId });
  if (!answer?.token) throw new Error(`${config.token_url} gave no token.`);
  return answer.token;
}

/**
 * @param {Config} config
 * @param {string} tenantId
 * @param {string} formId
 * @param {Payload} payload
 * @returns {Promise<{submission_id: string, submitted_at: string}>}
 */
export function submit(config, tenantId, formId, payload) {
  return request(config.submissions_url, { tenant_id: tenantId, form_id: formId, payload });
}

/**
 * @param {Config} config
 * @param {Submission} submission
 * @param {string} status
 */
export async function changeStatus(config, submission, status) {
  const { tenant_id, submission_id, form_id, submitted_at } = submission;
  const url = `${config.submissions_url}/${encodeURIComponent(submission_id)}`;
  await request(url, { tenant_id, form_id, status, submitted_at });
}

/**
 * @param {string} url
 * @param {object} [body] Sent as JSON with POST; GET without one.
 * @returns {Promise<any>} The answer's JSON; null where it has none.
 * @throws {UnauthorizedError} On 401 and 403.
 * @throws {Error} On anything else, with a message fit for a person.
 */
async function request(url, body) {
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
