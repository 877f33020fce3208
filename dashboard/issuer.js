// @ts-check
import * as oauth from "./vendor/oauth4webapi.js";

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/** @typedef {import("./vendor/oauth4webapi.js").AuthorizationServer} AuthorizationServer */
/**
 * The secrets of one sign-in. They are needed again when the issuer redirects back to the page.
 *
 * @typedef {{state: string, nonce: string, verifier: string}} Attempt
 */
/**
 * @typedef {object} Tokens
 * @property {string} idToken
 * @property {import("./vendor/oauth4webapi.js").IDToken} claims The claims of the ID token.
 * @property {number} expiresAt Epoch milliseconds by this device's clock, even if the clock is wrong.
 * @property {string | undefined} refreshToken
 */

/** Cognito adds custom attributes, such as the tenant, to the ID token only for the scope `profile`. */
const SCOPE = "openid email profile";
const TIMEOUT_MS = 10_000;
const LOOPBACK = new Set(["127.0.0.1", "localhost"]);
const COGNITO = /^cognito-idp\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

/** The error for a refresh token that the issuer no longer accepts. The user must sign in again. */
export class GrantRefusedError extends Error {}

/**
 * An OIDC issuer with this page as a public client: authorization code flow with PKCE.
 *
 * The class handles the protocol and does not depend on the page. It does not check the ID token's signature, because
 * the token comes directly from the token endpoint over TLS.
 *
 * The errors of all methods have messages that can be shown to the user.
 */
export class Issuer {
  #name;
  #server;
  #client;
  #redirectUri;
  #options;

  /**
   * @param {string} name The issuer's name in error messages.
   * @param {AuthorizationServer} server
   * @param {string} clientId
   * @param {string} redirectUri
   * @param {ReturnType<typeof requestOptions>} options
   */
  constructor(name, server, clientId, redirectUri, options) {
    this.#name = name;
    this.#server = server;
    this.#client = { client_id: clientId };
    this.#redirectUri = redirectUri;
    this.#options = options;
  }

  /**
   * Load the issuer's metadata.
   *
   * @param {SiteConfig} config
   * @param {string} redirectUri The page's own URL, as it is registered with the issuer.
   */
  static discover({ issuer, client_id }, redirectUri) {
    return withExplanation(`The sign-in service ${issuer} cannot be used`, async () => {
      const url = new URL(issuer);
      const options = requestOptions(url);
      const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options));
      return new Issuer(url.host, server, client_id, redirectUri, options);
    });
  }

  /** @returns {Attempt} New random secrets for one sign-in. */
  newAttempt() {
    return {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
    };
  }

  /**
   * Build the URL of the issuer's sign-in page.
   *
   * @param {Attempt} attempt
   * @returns {Promise<URL>}
   */
  signInUrl({ state, nonce, verifier }) {
    return withExplanation(`The sign-in service ${this.#name} cannot be used`, async () => {
      const url = new URL(this.#server.authorization_endpoint ?? "");
      oauth.checkProtocol(url, !this.#options[oauth.allowInsecureRequests]);
      return withParameters(url, {
        response_type: "code",
        client_id: this.#client.client_id,
        redirect_uri: this.#redirectUri,
        scope: SCOPE,
        state,
        nonce,
        code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
        code_challenge_method: "S256",
      });
    });
  }

  /**
   * Exchange the authorization code for tokens.
   *
   * @param {URLSearchParams} answer The query parameters that the issuer added to the page's URL.
   * @param {Attempt} attempt
   * @returns {Promise<Tokens>}
   */
  redeem(answer, attempt) {
    return withExplanation("The sign-in did not succeed", async () => {
      const granted = oauth.validateAuthResponse(this.#server, this.#client, answer, attempt.state);
      const response = await oauth.authorizationCodeGrantRequest(
        this.#server,
        this.#client,
        oauth.None(),
        granted,
        this.#redirectUri,
        attempt.verifier,
        this.#options,
      );
      const expected = { expectedNonce: attempt.nonce, requireIdToken: true };
      return toTokens(await oauth.processAuthorizationCodeResponse(this.#server, this.#client, response, expected));
    });
  }

  /**
   * Exchange the refresh token for new tokens.
   *
   * @param {string} refreshToken
   * @returns {Promise<Tokens>} New tokens, with the refresh token to use next time.
   * @throws {GrantRefusedError} The issuer no longer accepts the refresh token.
   */
  refresh(refreshToken) {
    return withExplanation("The session could not be renewed", async () => {
      const response = await oauth.refreshTokenGrantRequest(
        this.#server,
        this.#client,
        oauth.None(),
        refreshToken,
        this.#options,
      );
      return toTokens(await oauth.processRefreshTokenResponse(this.#server, this.#client, response), refreshToken);
    });
  }

  /**
   * Revoke the refresh token (RFC 7009), if the issuer has an endpoint for that. The issuer then gives no new tokens for
   * it. The request goes on when the browser leaves the page.
   *
   * @param {string} refreshToken
   */
  revoke(refreshToken) {
    return withExplanation("The refresh token could not be revoked", async () => {
      if (!this.#server.revocation_endpoint) return;
      const { [oauth.customFetch]: send, ...options } = this.#options;
      const response = await oauth.revocationRequest(this.#server, this.#client, oauth.None(), refreshToken, {
        ...options,
        [oauth.customFetch]: (url, init) => send(url, { ...init, keepalive: true }),
      });
      await oauth.processRevocationResponse(response);
    });
  }

  /** @returns {URL | null} The URL that ends the issuer's own session; null if the issuer has none. */
  signOutUrl() {
    return signOutUrl(this.#server, this.#client.client_id, this.#redirectUri);
  }
}

/**
 * Build the URL that ends the issuer's own session.
 *
 * It has no `id_token_hint`, because the ID token would then appear in a URL.
 *
 * @param {AuthorizationServer} server
 * @param {string} clientId
 * @param {string} returnTo
 * @returns {URL | null} Null if the issuer publishes no such endpoint.
 */
export function signOutUrl(server, clientId, returnTo) {
  const { issuer, authorization_endpoint, end_session_endpoint } = server;
  if (COGNITO.test(new URL(issuer).host)) {
    // Cognito may not publish its endpoint, and the endpoint has its own parameter names.
    const url = new URL("/logout", authorization_endpoint);
    return withParameters(url, { client_id: clientId, logout_uri: returnTo });
  }
  if (!end_session_endpoint) return null;
  return withParameters(new URL(end_session_endpoint), { client_id: clientId, post_logout_redirect_uri: returnTo });
}

/**
 * Return the options of all requests to the issuer.
 *
 * @param {URL} issuer HTTP without TLS is allowed only for an issuer on this machine, for development.
 */
function requestOptions(issuer) {
  return {
    [oauth.allowInsecureRequests]: issuer.protocol === "http:" && LOOPBACK.has(issuer.hostname),
    [oauth.customFetch]: async (/** @type {string} */ url, /** @type {RequestInit} */ init) => {
      try {
        return await fetch(url, { ...init, cache: "no-store", signal: AbortSignal.timeout(TIMEOUT_MS) });
      } catch (error) {
        throw new Error(`${new URL(url).host} cannot be reached`, { cause: error });
      }
    },
  };
}

/**
 * Read the tokens from the response of the token endpoint.
 *
 * @param {import("./vendor/oauth4webapi.js").TokenEndpointResponse} response
 * @param {string} [refreshToken] The current refresh token. It stays valid if the response has no new one.
 * @returns {Tokens}
 */
function toTokens(response, refreshToken) {
  const claims = oauth.getValidatedIdTokenClaims(response);
  if (!claims || !response.id_token) throw new GrantRefusedError("the issuer returned no ID token");
  return {
    idToken: response.id_token,
    claims,
    // Use the lifetime instead of `exp`, because this device's clock may be wrong.
    expiresAt: Date.now() + (claims.exp - claims.iat) * 1_000,
    refreshToken: response.refresh_token ?? refreshToken,
  };
}

/**
 * Set query parameters of the URL, and return the URL.
 *
 * @param {URL} url
 * @param {Record<string, string>} parameters
 */
function withParameters(url, parameters) {
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/**
 * Run the action. If it fails, throw an Error whose message begins with `problem` and continues with the reason.
 *
 * @template T
 * @param {string} problem The beginning of a sentence, such as "The session could not be renewed".
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
async function withExplanation(problem, action) {
  try {
    return await action();
  } catch (error) {
    const message = `${problem}: ${reasonOf(error)}.`;
    const refused = error instanceof GrantRefusedError || codeOf(error) === "invalid_grant";
    throw refused ? new GrantRefusedError(message, { cause: error }) : new Error(message, { cause: error });
  }
}

/**
 * @param {unknown} error
 * @returns {string} The reason of the failure, without a period.
 */
function reasonOf(error) {
  const code = codeOf(error);
  if (code === null) return error instanceof Error ? error.message : String(error);
  const { error_description } = /** @type {{error_description?: string}} */ (error);
  return error_description ? `${error_description.replace(/\.$/, "")} (${code})` : code;
}

/**
 * @param {unknown} error
 * @returns {string | null} The issuer's error code; null if the error does not come from the issuer.
 */
function codeOf(error) {
  const isFromIssuer =
    error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError;
  return isFromIssuer ? error.error : null;
}
