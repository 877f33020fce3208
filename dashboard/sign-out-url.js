// @ts-check

/** @typedef {import("./vendor/oauth4webapi.js").AuthorizationServer} AuthorizationServer */

const COGNITO = /^cognito-idp\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;
/** Many servers limit a URL to 8 KB. A longer ID token is left out; the issuer then knows the client by its id. */
const MAX_HINT_LENGTH = 4_096;

/**
 * Build the URL that ends the issuer's own session.
 *
 * @param {AuthorizationServer} server
 * @param {{idToken: string, state: string, clientId: string, returnTo: string}} request
 * @returns {URL | null} Null if the issuer has no such URL.
 */
export function signOutUrl(server, { idToken, state, clientId, returnTo }) {
  const { issuer, authorization_endpoint, end_session_endpoint } = server;
  if (COGNITO.test(new URL(issuer).host)) {
    // Cognito may not publish its endpoint, and the endpoint has its own parameter names.
    return withParameters(new URL("/logout", authorization_endpoint), { client_id: clientId, logout_uri: returnTo });
  }
  if (!end_session_endpoint || !isSafe(end_session_endpoint, issuer)) return null;
  return withParameters(new URL(end_session_endpoint), {
    client_id: clientId,
    post_logout_redirect_uri: returnTo,
    state,
    ...(idToken.length <= MAX_HINT_LENGTH && { id_token_hint: idToken }),
  });
}

/**
 * Return whether the endpoint has TLS, or is on this machine together with the issuer.
 *
 * @param {string} endpoint
 * @param {string} issuer
 */
function isSafe(endpoint, issuer) {
  if (!URL.canParse(endpoint)) return false;
  const { protocol, origin } = new URL(endpoint);
  return protocol === "https:" || origin === new URL(issuer).origin;
}

/**
 * Set query parameters of the URL, and return the URL.
 *
 * @param {URL} url
 * @param {Record<string, string>} parameters
 */
export function withParameters(url, parameters) {
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}
