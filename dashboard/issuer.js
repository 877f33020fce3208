// @ts-check
import * as oauth from "./vendor/oauth4webapi.js";

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/**
 * What one sign-in has to know again when the issuer answers.
 *
 * @typedef {{state: string, nonce: string, verifier: string}} Attempt
 *
 * @typedef {object} Tokens
 * @property {string} idToken
 * @property {import("./vendor/oauth4webapi.js").IDToken} claims What the ID token says.
 * @property {number} expiresAt Epoch milliseconds by this device's clock, whatever that says.
 * @property {string | undefined} refreshToken
 */

/** Cognito puts a custom attribute, which the tenant is, into the ID token for `profile`, and not for `openid email`. */
const SCOPE = "openid email profile";
const TIMEOUT_MS = 10_000;
const LOOPBACK = new Set(["127.0.0.1", "localhost"]);
const COGNITO = /^cognito-idp\.[a-z0-9-]+\.amazonaws\.com(\.cn)?$/;

/** The issuer asks for a new sign-in: what was good for fresh tokens is so no longer. */
export class GrantRefusedError extends Error {}

/**
 * An OIDC issuer, and this page as its public client: authorization code with PKCE. It knows the protocol and nothing
 * of the page. The ID token's signature is not checked: it comes from the token endpoint itself, over TLS.
 *
 * Each method throws an Error with a message fit for a person.
 */
export class Issuer {
  #name;
  #server;
  #client;
  #redirectUri;
  #options;

  /**
   * @param {string} name What messages call it.
   * @param {import("./vendor/oauth4webapi.js").AuthorizationServer} server
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
   * Reads what the issuer publishes of itself.
   *
   * @param {SiteConfig} config
   * @param {string} redirectUri The page's own address, as the issuer knows it.
   */
  static discover({ issuer, client_id }, redirectUri) {
    return explained(`The sign-in service ${issuer} cannot be used`, async () => {
      const url = new URL(issuer);
      const options = requestOptions(url);
      const server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options));
      return new Issuer(url.host, server, client_id, redirectUri, options);
    });
  }

  /** @returns {Attempt} */
  newAttempt() {
    return {
      state: oauth.generateRandomState(),
      nonce: oauth.generateRandomNonce(),
      verifier: oauth.generateRandomCodeVerifier(),
    };
  }

  /**
   * @param {Attempt} attempt
   * @returns {Promise<URL>} Where to sign in.
   */
  signInUrl({ state, nonce, verifier }) {
    return explained(`The sign-in service ${this.#name} cannot be used`, async () => {
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
   * @param {URLSearchParams} answer What the issuer said in the page's address.
   * @param {Attempt} attempt
   * @returns {Promise<Tokens>}
   */
  redeem(answer, attempt) {
    return explained("The sign-in did not succeed", async () => {
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
      return tokens(await oauth.processAuthorizationCodeResponse(this.#server, this.#client, response, expected));
    });
  }

  /**
   * @param {string} refreshToken
   * @returns {Promise<Tokens>} With the refresh token to use from now on.
   * @throws {GrantRefusedError} The refresh token is good for nothing any more.
   */
  refresh(refreshToken) {
    return explained("The session could not be renewed", async () => {
      const response = await oauth.refreshTokenGrantRequest(
        this.#server,
        this.#client,
        oauth.None(),
        refreshToken,
        this.#options,
      );
      return tokens(await oauth.processRefreshTokenResponse(this.#server, this.#client, response), refreshToken);
    });
  }

  /** @returns {URL | null} Where to end the issuer's own session; null where the issuer names no such place. */
  signOutUrl() {
    return signOutUrl(this.#server, this.#client.client_id, this.#redirectUri);
  }
}

/**
 * The ID token itself is not sent as a hint: it would stand in an address.
 *
 * @param {import("./vendor/oauth4webapi.js").AuthorizationServer} server
 * @param {string} clientId
 * @param {string} returnTo
 */
export function signOutUrl(server, clientId, returnTo) {
  const { issuer, authorization_endpoint, end_session_endpoint } = server;
  if (COGNITO.test(new URL(issuer).host)) {
    // Cognito publishes its endpoint, or not, and either way gives the parameters names of its own.
    const url = new URL("/logout", authorization_endpoint);
    return withParameters(url, { client_id: clientId, logout_uri: returnTo });
  }
  if (!end_session_endpoint) return null;
  return withParameters(new URL(end_session_endpoint), { client_id: clientId, post_logout_redirect_uri: returnTo });
}

/** @param {URL} issuer Without TLS only on this machine, where a developer runs one. */
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
 * @param {import("./vendor/oauth4webapi.js").TokenEndpointResponse} response
 * @param {string} [refreshToken] The one in use, which an issuer that gives no other leaves good.
 * @returns {Tokens}
 */
function tokens(response, refreshToken) {
  const claims = oauth.getValidatedIdTokenClaims(response);
  if (!claims || !response.id_token) throw new GrantRefusedError("the issuer gave no ID token");
  return {
    idToken: response.id_token,
    claims,
    // The lifetime, not `exp`: this device's clock may be wrong.
    expiresAt: Date.now() + (claims.exp - claims.iat) * 1_000,
    refreshToken: response.refresh_token ?? refreshToken,
  };
}

/**
 * @param {URL} url
 * @param {Record<string, string>} parameters
 */
function withParameters(url, parameters) {
  for (const [name, value] of Object.entries(parameters)) url.searchParams.set(name, value);
  return url;
}

/**
 * @template T
 * @param {string} what What does not work if this fails, as the beginning of a sentence.
 * @param {() => Promise<T>} action
 * @returns {Promise<T>}
 */
async function explained(what, action) {
  try {
    return await action();
  } catch (error) {
    const message = `${what}: ${reason(error)}.`;
    const refused = error instanceof GrantRefusedError || codeOf(error) === "invalid_grant";
    throw refused ? new GrantRefusedError(message, { cause: error }) : new Error(message, { cause: error });
  }
}

/** @param {unknown} error */
function reason(error) {
  const code = codeOf(error);
  if (code === null) return error instanceof Error ? error.message : String(error);
  const { error_description } = /** @type {{error_description?: string}} */ (error);
  return error_description ? `${error_description.replace(/\.$/, "")} (${code})` : code;
}

/**
 * @param {unknown} error
 * @returns {string | null} What the issuer called it, where it was the issuer that refused.
 */
function codeOf(error) {
  const told = error instanceof oauth.AuthorizationResponseError || error instanceof oauth.ResponseBodyError;
  return told ? error.error : null;
}
