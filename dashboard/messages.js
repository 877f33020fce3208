// @ts-check

/**
 * What can be done about a problem.
 * - `retry`: it passes by itself. The page tries again, with growing delays, and offers to try again at once.
 * - `sign_in`: the user can sign in again.
 * - `configuration`: it stays until somebody changes a setting of the stack or of the identity provider.
 *
 * @typedef {"retry" | "sign_in" | "configuration"} Kind
 */
/**
 * A message for the user: one sentence that says what is wrong, and one that says what to do. `{name}` is replaced by a
 * value.
 *
 * @typedef {{kind: Kind, text: string, action: string}} Message
 */
/** @typedef {keyof typeof MESSAGES} Code */

/**
 * All problems that the page reports, by code. The codes of the last two groups come from the gateway.
 *
 * @satisfies {Record<string, Message>}
 */
export const MESSAGES = {
  // The identity provider does not answer, or not to this page.
  unreachable: {
    kind: "retry",
    text: "{host} cannot be reached.",
    action: "Check the network of this device.",
  },
  busy: {
    kind: "retry",
    text: "{host} cannot answer at the moment ({reason}).",
    action: "Wait a moment.",
  },
  blocked_by_policy: {
    kind: "configuration",
    text: "The content security policy of this page does not allow requests to {origin}.",
    action: "Add it to the setting connectSources.",
  },
  blocked_by_cors: {
    kind: "configuration",
    text: "{host} answers, but it does not allow this page to read the answer (CORS).",
    action: "Add {origin} to the allowed origins of the page's client at the provider.",
  },

  // The metadata of the identity provider.
  redirected: {
    kind: "configuration",
    text: "{url} redirects to another address.",
    action: "Set the setting issuer to the address that the provider itself calls its issuer.",
  },
  no_metadata: {
    kind: "configuration",
    text: "{url} is not the metadata of an identity provider ({reason}).",
    action: "Correct the setting issuer.",
  },
  other_issuer: {
    kind: "configuration",
    text: "The provider calls itself {found}, and not {expected}.",
    action: "Set the setting issuer to exactly what the provider says, including the slash at the end.",
  },

  // The identity provider refuses.
  sign_in_refused: {
    kind: "sign_in",
    text: "{host} refused the sign-in: {reason}.",
    action: "Sign in again, or ask the provider's administrator for access.",
  },
  session_ended: {
    kind: "sign_in",
    text: "{host} no longer renews this session: {reason}.",
    action: "Sign in again.",
  },
  client_refused: {
    kind: "configuration",
    text: "{host} does not accept the client of this page: {reason}.",
    action: "Check that the setting audience is the id of a public client that may use authorization codes and refresh tokens.",
  },
  scope_refused: {
    kind: "configuration",
    text: "{host} does not grant the scopes that this page asks for: {reason}.",
    action: "Correct the setting scopes, or allow them for the page's client at the provider.",
  },
  request_refused: {
    kind: "configuration",
    text: "{host} does not accept the request of this page: {reason}.",
    action: "Check the settings audience, scopes and prompt, and the client at the provider.",
  },

  // The answer of the identity provider.
  foreign_answer: {
    kind: "sign_in",
    text: "This sign-in was not started in this tab, or it is already complete.",
    action: "Sign in again.",
  },
  bad_answer: {
    kind: "sign_in",
    text: "The answer of {host} to the sign-in cannot be used: {reason}.",
    action: "Sign in again.",
  },
  other_user: {
    kind: "sign_in",
    text: "{host} renewed the session with a token of another user or client.",
    action: "Sign in again.",
  },
  wrong_time: {
    kind: "sign_in",
    text: "The ID token is not valid now: {reason}.",
    action: "Sign in again, and check the clock of the provider if this happens again.",
  },
  no_id_token: {
    kind: "configuration",
    text: "{host} returned no ID token.",
    action: "Add openid to the setting scopes, and allow it for the page's client at the provider.",
  },

  // The ID token is one that the gateway never accepts.
  wrong_algorithm: {
    kind: "configuration",
    text: "The ID token is signed with {algorithm}, which the gateway does not accept.",
    action: "Choose RS256, ES256 or another asymmetric algorithm for the page's client at the provider.",
  },
  wrong_issuer: {
    kind: "configuration",
    text: "The ID token comes from another issuer than the configured one ({reason}).",
    action: "Set the setting issuer to exactly the value of the claim iss.",
  },
  wrong_audience: {
    kind: "configuration",
    text: "The ID token is not meant for the client of this page ({reason}).",
    action: "Set the setting audience to the id of the page's client at the provider.",
  },
  token_too_long: {
    kind: "configuration",
    text: "The ID token has {length} characters, and the gateway takes at most {limit}.",
    action: "Let the provider put fewer values into the ID token, for example only the groups of this application.",
  },
  no_tenant_claim: {
    kind: "configuration",
    text: "The ID token of {account} has no claim {claim}.",
    action:
      "Ask an administrator to assign a tenant; if one is assigned, the provider must put the claim into the ID token " +
      "(not only into the access token or userinfo), under the name in the setting tenantClaim.",
  },
  empty_tenant_claim: {
    kind: "sign_in",
    text: "The claim {claim} in the ID token of {account} is empty.",
    action: "Ask an administrator to add you to a tenant, or sign out to use another account.",
  },
  no_tenant_of_form: {
    kind: "configuration",
    text: "The claim {claim} in the ID token of {account} has values, but none has the form {pattern}.",
    action: "Correct the setting tenantIdPattern or tenantClaim, or the tenant ids at the provider.",
  },

  // The gateway refuses the connection.
  token_refused: {
    kind: "configuration",
    text: "The gateway can be reached, but it refuses the connection, even with a fresh token.",
    action: "Ask an operator of the stack to check the token with python -m tools doctor --token FILE.",
  },
  forbidden: {
    kind: "configuration",
    text: "Your account has no access to this tenant.",
    action: "Ask your administrator for access, then reconnect.",
  },
  revoked: {
    kind: "sign_in",
    text: "Access to this tenant was revoked.",
    action: "Sign in again to continue.",
  },
  token_expired: {
    kind: "sign_in",
    text: "Your session has ended.",
    action: "Sign in again to receive submissions.",
  },
  too_many_connections: {
    kind: "retry",
    text: "Too many dashboards are open for this tenant.",
    action: "Close one of them to connect as soon as there is room.",
  },
  too_many_connections_of_user: {
    kind: "retry",
    text: "You have too many dashboards open.",
    action: "Close one of them to connect as soon as there is room.",
  },

  // The gateway does not understand this page.
  protocol_error: {
    kind: "configuration",
    text: "The gateway rejected a message of this page.",
    action: "Reload the page to get the current version.",
  },
  too_large: {
    kind: "configuration",
    text: "The gateway rejected the subscription of this page, because it is too large.",
    action: "Reload the page.",
  },
  too_many_filters: {
    kind: "configuration",
    text: "The dashboards of this tenant have too many different filters.",
    action: "Remove the filter of this page, or close others.",
  },
};

/**
 * What the page says after a sign-out.
 *
 * @satisfies {Record<string, Omit<Message, "kind">>}
 */
export const SIGNED_OUT = {
  everywhere: {
    text: "You are signed out.",
    action: "",
  },
  here: {
    text: "You are signed out of this page, but your session at {host} may still be open.",
    action: "If others use this device, sign out there too; the next sign-in here asks who you are.",
  },
};

/**
 * Return a message with its values.
 *
 * @param {{text: string, action: string}} message
 * @param {Record<string, string>} [values] Values by the names in the message.
 * @returns {{text: string, action: string}}
 */
export function fill({ text, action }, values = {}) {
  const insert = (/** @type {string} */ template) => template.replace(/\{(\w+)\}/g, (_, name) => values[name] ?? "");
  return { text: insert(text), action: insert(action) };
}
