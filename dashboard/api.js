// @ts-check
import { request } from "./request.js";

/**
 * @typedef {{name: string, email: string, message: string}} Payload
 * @typedef {import("./config.js").LocalConfig} LocalConfig
 * @typedef {import("./client/protocol.js").Submission} Submission
 */

/**
 * @param {LocalConfig} config
 * @param {string} tenantId
 * @returns {Promise<string>} A fresh JWT.
 */
export async function fetchToken(config, tenantId) {
  const answer = await request(config.token_url, { tenant_id: tenantId });
  if (!answer?.token) throw new Error(`${config.token_url} gave no token.`);
  return answer.token;
}

/**
 * @param {LocalConfig} config
 * @param {string} tenantId
 * @param {string} formId
 * @param {Payload} payload
 * @returns {Promise<{submission_id: string, submitted_at: string}>}
 */
export function submit(config, tenantId, formId, payload) {
  return request(config.submissions_url, { tenant_id: tenantId, form_id: formId, payload });
}

/**
 * @param {LocalConfig} config
 * @param {Submission} submission
 * @param {string} status
 */
export async function changeStatus(config, submission, status) {
  const { tenant_id, submission_id, form_id, submitted_at } = submission;
  const url = `${config.submissions_url}/${encodeURIComponent(submission_id)}`;
  await request(url, { tenant_id, form_id, status, submitted_at });
}
