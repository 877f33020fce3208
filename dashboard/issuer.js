// @ts-check
import * as oauth from "./vendor/oauth4webapi.js";
import { serverClock } from "./clock.js";
import { send } from "./issuer-request.js";
import { toProblem } from "./oauth-problem.js";
import { Problem } from "./problem.js";
import { signOutUrl, withParameters } from "./sign-out-url.js";

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/** @typedef {import("./oauth-problem.js").Step} Step */
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
 * @property {number} expiresAt Epoch milliseconds by the clock of the server that serves the page.
 * @property {string | undefined} refreshToken
 */

/** Cognito adds custom attributes, such as the tenant, to the ID token only for the scope `profile`. */
const SCOPES = ["openid", "profile", "email"];
const OFFLINE_ACCESS = "offline_access";
const LOOPBACK = new Set(["127.0.0.1", "localhost"]);
/** @type {["authorization_endpoint", "token_endpoint"]} */
const ENDPOINTS = ["authorization_endpoint", "token_endpoint"];
/** The algorithms of signatures that the gateway accepts. */
const ALGORITHMS = [
  ...["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"],
  ...["ES256", "ES384", "ES512", "EdDSA"],
];
/** API Gateway takes at most 10,240 bytes of headers. The other headers of a browser's handshake have about 1,200. */
const MAX_TOKEN_LENGTH = 9_000;

/**
 * An OIDC issuer with this page as a public client: authorization code flow with PKCE.
 *
 * The class handles the protocol and does not depend on the page. It does not check the ID token's signature, because
 * the token comes directly from the token endpoint over TLS.
 *
 * All methods that send requests throw a Problem.
 */
export class Issuer {
  #server;
  #config;
  #redirectUri;
  #options;

  /**
   * @param {AuthorizationServer} server
   * @param {SiteConfig} config
   * @param {string} redirectUri
   * @param {ReturnType<typeof requestOptions>} options
   */
  constructor(server, config, redirectUri, options) {
    // The library checks the algorithm of the ID token against this list.
    this.#server = { ...server, id_token_signing_alg_values_supported: ALGORITHMS };
    this.#config = config;
    this.#redirectUri = redirectUri;
    this.#options = options;
  }

  /**
   * Load the issuer's metadata.
   *
   * @param {SiteConfig} config
   * @param {string} redirectUri The page's own URL, as it is registered with the issuer.
   */
  static async discover(config, redirectUri) {
    const url = new URL(config.issuer);
    const options = requestOptions(url);
    let server;
    try {
      server = await oauth.processDiscoveryResponse(url, await oauth.discoveryRequest(url, options));
      for (const name of ENDPOINTS) {
        if (!URL.canParse(server[name] ?? "")) throw new Error(`no URL in ${name}`);
        oauth.checkProtocol(new URL(server[name] ?? ""), !options[oauth.allowInsecureRequests]);
      }
    } catch (error) {
      throw explainOtherIssuer(error, config) ?? toProblem(error, "discovery", metadataUrl(config));
    }
    // The gateway compares the strings. For the library, a slash after the host makes no difference.
    if (server.issuer !== config.issuer) throw otherIssuer(server.issuer, config);
    return new Issuer(server, config, redirectUri, options);
  }

  /** @returns {boolean} Whether the page asks for a refresh token by the scope `offline_access`, as a default. */
  get asksForOfflineAccess() {
    return !this.#config.scopes && Boolean(this.#server.scopes_supported?.includes(OFFLINE_ACCESS));
  }

  /** @returns {string[] | undefined} The values of `prompt` that the issuer supports; undefined if it does not say. */
  get prompts() {
    const { prompt_values_supported } = /** @type {{prompt_values_supported?: string[]}} */ (this.#server);
    return prompt_values_supported;
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
   * @param {string} prompt The parameter `prompt`, or an empty string.
   * @returns {Promise<URL>}
   */
  async signInUrl({ state, nonce, verifier }, prompt) {
    return withParameters(new URL(this.#server.authorization_endpoint ?? ""), {
      response_type: "code",
      client_id: this.#config.client_id,
      redirect_uri: this.#redirectUri,
      scope: this.#scopes.join(" "),
      state,
      nonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      ...(prompt && { prompt }),
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
    return this.#explain("sign_in", async () => {
      const client = this.#client;
      const granted = oauth.validateAuthResponse(this.#server, client, answer, attempt.state);
      const response = await oauth.authorizationCodeGrantRequest(
        this.#server,
        client,
        oauth.None(),
        granted,
        this.#redirectUri,
        attempt.verifier,
        this.#options,
      );
      const expected = { expectedNonce: attempt.nonce, requireIdToken: true };
      return toTokens(await oauth.processAuthorizationCodeResponse(this.#server, client, response, expected));
    });
  }

  /**
   * Exchange the refresh token for new tokens of the same user.
   *
   * @param {Tokens} tokens
   * @returns {Promise<Tokens>} New tokens, with the refresh token to use next time.
   */
  refresh({ refreshToken = "", claims }) {
    return this.#explain("refresh", async () => {
      await serverClock.synchronize();
      const client = this.#client;
      const response = await oauth.refreshTokenGrantRequest(
        this.#server,
        client,
        oauth.None(),
        refreshToken,
        this.#options,
      );
      const renewed = toTokens(await oauth.processRefreshTokenResponse(this.#server, client, response), refreshToken);
      if (renewed.claims.sub !== claims.sub) throw new Problem("other_user", { host: this.host });
      return renewed;
    });
  }

  /**
   * Revoke the refresh token (RFC 7009), if the issuer has an endpoint for that. The issuer then gives no new tokens for
   * it. The request goes on when the browser leaves the page.
   *
   * @param {string} refreshToken
   */
  async revoke(refreshToken) {
    if (!this.#server.revocation_endpoint) return;
    const response = await oauth.revocationRequest(this.#server, this.#client, oauth.None(), refreshToken, {
      ...this.#options,
      [oauth.customFetch]: (url, init) => fetch(url, { ...init, keepalive: true }),
    });
    await oauth.processRevocationResponse(response);
  }

  /**
   * @param {string} idToken The user's last ID token.
   * @param {string} state Comes back to the page if the issuer has ended its session.
   * @returns {URL | null} The URL that ends the issuer's own session; null if the issuer has none.
   */
  signOutUrl(idToken, state) {
    return signOutUrl(this.#server, { idToken, state, clientId: this.#config.client_id, returnTo: this.#redirectUri });
  }

  /** @returns {string} The name of the issuer in messages. */
  get host() {
    return new URL(this.#config.issuer).host;
  }

  get #scopes() {
    return this.#config.scopes ?? (this.asksForOfflineAccess ? [...SCOPES, OFFLINE_ACCESS] : SCOPES);
  }

  /** The page as a client of the issuer, with the server's time. */
  get #client() {
    return { client_id: this.#config.client_id, [oauth.clockSkew]: serverClock.skewSeconds };
  }

  /**
   * Run the action, and convert its error into a Problem.
   *
   * @template T
   * @param {Step} step
   * @param {() => Promise<T>} action
   * @returns {Promise<T>}
   */
  async #explain(step, action) {
    try {
      return await action();
    } catch (error) {
      throw toProblem(error, step, new URL(this.#server.token_endpoint ?? ""));
    }
  }
}

/**
 * Return the options of all requests to the issuer.
 *
 * @param {URL} issuer HTTP without TLS is allowed only for an issuer on this machine, for development.
 */
function requestOptions(issuer) {
  return {
    [oauth.allowInsecureRequests]: issuer.protocol === "http:" && LOOPBACK.has(issuer.hostname),
    [oauth.customFetch]: send,
  };
}

/** @param {SiteConfig} config */
function metadataUrl({ issuer }) {
  return new URL(`${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`);
}

/**
 * @param {string} found What the provider calls itself.
 * @param {SiteConfig} config
 */
function otherIssuer(found, { issuer }) {
  return new Problem("other_issuer", { found, expected: issuer });
}

/**
 * Return the problem if the metadata belongs to another issuer.
 *
 * @param {unknown} error
 * @param {SiteConfig} config
 */
function explainOtherIssuer(error, config) {
  if (!(error instanceof oauth.OperationProcessingError)) return null;
  if (error.code !== oauth.JSON_ATTRIBUTE_COMPARISON) return null;
  const { body } = /** @type {{body: {issuer: string}}} */ (error.cause);
  return otherIssuer(body.issuer, config);
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
  const idToken = response.id_token;
  if (!claims || !idToken) throw new Error("the answer has no ID token");
  if (idToken.length > MAX_TOKEN_LENGTH) {
    throw new Problem("token_too_long", { length: String(idToken.length), limit: String(MAX_TOKEN_LENGTH) });
  }
  return {
    idToken,
    claims,
    expiresAt: claims.exp * 1_000,
    refreshToken: response.refresh_token ?? refreshToken,
  };
}
