// @ts-check
import * as oauth from "./vendor/oauth4webapi.js";
import { Problem } from "./problem.js";

/** @typedef {import("./messages.js").Code} Code */
/**
 * What the page was doing: reading the metadata of the provider, signing in, or renewing the session.
 *
 * @typedef {"discovery" | "sign_in" | "refresh"} Step
 */
/**
 * The parts of the library's errors that say what is wrong.
 *
 * @typedef {{claim?: string, header?: {alg?: string}, expected?: unknown, body?: Record<string, unknown>}} Details
 */

/**
 * The messages for the error codes of OAuth 2.0 and OpenID Connect. With any other code, the user can sign in again.
 *
 * @type {Record<string, Code>}
 */
const OAUTH_CODES = {
  temporarily_unavailable: "busy",
  server_error: "busy",
  slow_down: "busy",
  invalid_client: "client_refused",
  unauthorized_client: "client_refused",
  unsupported_grant_type: "client_refused",
  unsupported_response_type: "client_refused",
  invalid_scope: "scope_refused",
  invalid_request: "request_refused",
  invalid_target: "request_refused",
};
/**
 * The messages for claims of the ID token that do not have the expected value.
 *
 * @type {Record<string, Code>}
 */
const CLAIMS = { iss: "wrong_issuer", aud: "wrong_audience", azp: "wrong_audience" };

/**
 * Return the problem behind an error of the library or of a request.
 *
 * @param {unknown} error
 * @param {Step} step
 * @param {URL} url Where the request went.
 * @returns {Problem}
 */
export function toProblem(error, step, { host, href }) {
  if (error instanceof Problem) return error;
  const values = { host, url: href, reason: reasonOf(error), algorithm: String(detailsOf(error).header?.alg) };
  return new Problem(chooseCode(error, step), values, error);
}

/**
 * @param {unknown} error
 * @param {Step} step
 * @returns {Code}
 */
function chooseCode(error, step) {
  const response = responseOf(error);
  if (response?.status === 429 || Number(response?.status) >= 500) return "busy";
  if (response?.type === "opaqueredirect") return "redirected";
  if (step === "discovery") return "no_metadata";
  const oauthCode = oauthCodeOf(error);
  const code = oauthCode === null ? null : (OAUTH_CODES[oauthCode] ?? null);
  if (step === "refresh") {
    // Some providers call an expired refresh token an invalid request.
    if (code !== null && code !== "request_refused") return code;
    return errorCodeOf(error) === oauth.JWT_CLAIM_COMPARISON ? "other_user" : "session_ended";
  }
  return code ?? (oauthCode === null ? chooseCodeOfAnswer(error) : "sign_in_refused");
}

/**
 * Return the code of a problem with the provider's answer to a sign-in, which is no OAuth error.
 *
 * @param {unknown} error
 * @returns {Code}
 */
function chooseCodeOfAnswer(error) {
  const { claim, header, expected, body } = detailsOf(error);
  if (errorCodeOf(error) === oauth.JWT_TIMESTAMP_CHECK) return "wrong_time";
  if (header && expected) return "wrong_algorithm";
  if (body && "access_token" in body && !("id_token" in body)) return "no_id_token";
  return CLAIMS[claim ?? ""] ?? "bad_answer";
}

/**
 * @param {unknown} error
 * @returns {string} The reason of the failure, without a period.
 */
function reasonOf(error) {
  const code = oauthCodeOf(error);
  if (code !== null) {
    const { error_description } = /** @type {{error_description?: string}} */ (error);
    return error_description ? `${error_description.replace(/\.$/, "")} (${code})` : code;
  }
  const status = responseOf(error)?.status;
  if (status && status !== 200) return `HTTP ${status}`;
  return error instanceof Error ? error.message : String(error);
}

/**
 * @param {unknown} error
 * @returns {string | null} The provider's error code; null if the error does not come from the provider.
 */
function oauthCodeOf(error) {
  const isOfProvider =
    error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError;
  return isOfProvider ? error.error : null;
}

/**
 * @param {unknown} error
 * @returns {string | undefined} The library's own code.
 */
function errorCodeOf(error) {
  return error instanceof oauth.OperationProcessingError ? error.code : undefined;
}

/**
 * @param {unknown} error
 * @returns {Response | undefined} The response that caused the error, if the library names it.
 */
function responseOf(error) {
  if (error instanceof oauth.ResponseBodyError) return error.response;
  return error instanceof Error && error.cause instanceof Response ? error.cause : undefined;
}

/**
 * @param {unknown} error
 * @returns {Details}
 */
function detailsOf(error) {
  const isOfLibrary = error instanceof oauth.OperationProcessingError;
  const { cause } = isOfLibrary ? error : {};
  return cause !== null && typeof cause === "object" ? cause : {};
}
