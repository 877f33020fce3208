// @ts-check
import { request } from "./request.js";

/**
 * @typedef {{name: string, email: string, message: string}} Payload
 * @typedef {{submission_id: string, submitted_at: string}} Accepted
 * @typedef {import("./config.js").LocalConfig} LocalConfig
 * @typedef {import("./client/protocol.js").Submission} Submission
 */

/**
 * Fetch a token for the tenant.
 *
 * @param {LocalConfig} config
 * @param {string} tenantId
 * @returns {Promise<string>} A new JWT.
 */
export async function fetchToken(config, tenantId) {
  const answer = await request(config.token_url, { tenant_id: tenantId });
  if (typeof answer?.token !== "string" || !answer.token) throw new Error(`${config.token_url} returned no token.`);
  return answer.token;
}

/**
 * Send a new submission.
 *
 * @param {LocalConfig} config
 * @param {string} tenantId
 * @param {string} formId
 * @param {Payload} payload
 * @returns {Promise<Accepted>}
 */
export async function submit(config, tenantId, formId, payload) {
  const answer = await request(config.submissions_url, { tenant_id: tenantId, form_id: formId, payload });
  return /** @type {Accepted} */ (answer);
}

/**
 * Change the status of a submission.
 *
 * @param {LocalConfig} config
 * @param {Submission} submission
 * @param {string} status
 */
export async function changeStatus(config, submission, status) {
  const { tenant_id, submission_id, form_id, submitted_at } = submission;
  const url = `${config.submissions_url}/${encodeURIComponent(submission_id)}`;
  await request(url, { tenant_id, form_id, status, submitted_at });
}
