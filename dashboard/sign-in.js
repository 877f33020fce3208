// @ts-check
import { UnauthorizedError } from "./client/client.js";
import { GrantRefusedError, Issuer } from "./issuer.js";

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/** @typedef {import("./issuer.js").Attempt} Attempt */
/** @typedef {import("./issuer.js").Tokens} Tokens */
/** @typedef {import("./client/token.js").TokenNeed} TokenNeed */

/** A token that expires within this time is renewed before it is used. */
const RENEW_BEFORE_MS = 60_000;
/** The page does not redirect to the issuer within this time after a sign-in, unless the user asks for it. */
const REDIRECT_PAUSE_MS = 60_000;
/** The sessionStorage key of the sign-in in progress: the attempt, and the page's own query string. */
const ATTEMPT = "formbridge.sign-in";
/** The sessionStorage key that exists between signing out and the next sign-in. */
const SIGNED_OUT = "formbridge.signed-out";
const TENANT_ID = /^t_[A-Za-z0-9_-]{1,64}$/;

/**
 * The signed-in user and the user's tokens.
 *
 * Tokens are kept in memory only. After a reload, the page redirects to the issuer again. The issuer does not ask for
 * a password as long as its own session lasts. The page redirects without a request of the user only in two cases: when
 * it is opened, and when a token cannot be renewed in another way. It does not redirect after a failure.
 */
export class SignIn {
  #config;
  #redirectUri = new URL(".", location.href).href;
  /** @type {Issuer | null} */
  #issuer = null;
  /** @type {Tokens | null} */
  #tokens = null;
  #signedInAt = -Infinity;
  /** @type {Promise<boolean> | null} */
  #renewal = null;
  /** @type {Promise<never> | null} */
  #redirection = null;

  /** @param {SiteConfig} config */
  constructor(config) {
    this.#config = config;
  }

  /** @returns {boolean} Whether the user signed out in this tab and has not signed in again. */
  get hasSignedOut() {
    return sessionStorage.getItem(SIGNED_OUT) !== null;
  }

  /** @returns {string} The user's email address, or the issuer's id of the user if there is none. */
  get account() {
    const { email, sub } = this.#current.claims;
    return typeof email === "string" && email ? email : sub;
  }

  /** @returns {string[]} The ids of the tenants that the ID token grants. */
  get tenants() {
    const claim = this.#current.claims[this.#config.tenant_claim];
    const values = /** @type {unknown[]} */ (Array.isArray(claim) ? claim : [claim]);
    return values.filter((value) => typeof value === "string").filter((value) => TENANT_ID.test(value));
  }

  /**
   * Complete the sign-in if the page's URL has the issuer's answer; otherwise, redirect to the issuer.
   *
   * @throws {Error} The sign-in failed. The message can be shown to the user.
   */
  async start() {
    const answer = this.#takeAnswer();
    const attempt = takeAttempt();
    if (answer === null) return this.begin();
    if (attempt === null) throw new Error("This sign-in was not started in this tab, or it is already complete.");
    history.replaceState(null, "", this.#redirectUri + attempt.query);
    this.#issuer = await Issuer.discover(this.#config, this.#redirectUri);
    this.#tokens = await this.#issuer.redeem(answer, attempt);
    this.#signedInAt = Date.now();
  }

  /**
   * Redirect to the issuer to sign in.
   *
   * @returns {Promise<never>} Never resolves, because the browser leaves the page. Rejects if the issuer cannot be
   *   used.
   */
  begin() {
    this.#redirection ??= this.#redirect();
    return this.#redirection;
  }

  /**
   * Return the ID token, renewed if necessary.
   *
   * @param {TokenNeed} need For `later`, the method neither redirects nor returns the current token.
   * @returns {Promise<string>} A token that is valid for more than a minute, if the issuer's tokens last that long.
   * @throws {UnauthorizedError} The user must sign in again, but did not ask the page to redirect.
   * @throws {Error} The issuer cannot be reached at the moment.
   */
  async getToken(need) {
    const { idToken, expiresAt } = this.#current;
    if (need === "any" && Date.now() < expiresAt - RENEW_BEFORE_MS) return idToken;
    // Never use a refresh token twice at the same time: some issuers then treat it as stolen.
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    if (await this.#renewal) return this.#current.idToken;
    if (need === "later") throw new UnauthorizedError("the token cannot be renewed");
    if (Date.now() - this.#signedInAt >= REDIRECT_PAUSE_MS) return this.begin();
    if (Date.now() < expiresAt) return idToken;
    throw new UnauthorizedError("the token has expired");
  }

  /**
   * Forget and revoke the tokens, and end the issuer's session if it has a URL for that; otherwise, reload the page.
   *
   * The sign-out does not wait for the revocation, and it does not fail with it: this page has forgotten the tokens.
   */
  signOut() {
    const url = this.#issuer?.signOutUrl();
    const refreshToken = this.#tokens?.refreshToken;
    if (refreshToken) this.#issuer?.revoke(refreshToken).catch((error) => console.warn(error.message));
    this.#tokens = null;
    sessionStorage.setItem(SIGNED_OUT, "yes");
    if (url) location.replace(url);
    else location.reload();
  }

  /** @throws {UnauthorizedError} Nobody is signed in. */
  get #current() {
    if (this.#tokens === null) throw new UnauthorizedError("nobody is signed in");
    return this.#tokens;
  }

  /** @returns {Promise<boolean>} Whether there is a new token. If not, the user must sign in again. */
  async #renew() {
    const { refreshToken } = this.#current;
    if (!refreshToken || !this.#issuer) return false;
    try {
      this.#tokens = await this.#issuer.refresh(refreshToken);
      return true;
    } catch (error) {
      if (!(error instanceof GrantRefusedError)) throw error;
      this.#current.refreshToken = undefined;
      return false;
    }
  }

  /** @returns {Promise<never>} Never resolves; rejects if the issuer cannot be used. */
  async #redirect() {
    try {
      // Check each time that the issuer can be reached, because a failed redirect would leave the user without a page.
      this.#issuer = await Issuer.discover(this.#config, this.#redirectUri);
      const attempt = this.#issuer.newAttempt();
      const url = await this.#issuer.signInUrl(attempt);
      sessionStorage.removeItem(SIGNED_OUT);
      sessionStorage.setItem(ATTEMPT, JSON.stringify({ ...attempt, query: location.search }));
      // Replace this page in the history: otherwise, Back on the issuer's page would return here and redirect again.
      location.replace(url);
    } catch (error) {
      this.#redirection = null;
      throw error;
    }
    return new Promise(() => {});
  }

  /**
   * Take the issuer's answer from the page's URL, and remove it from the address bar.
   *
   * @returns {URLSearchParams | null} Null if the URL has no answer.
   */
  #takeAnswer() {
    const answer = new URL(location.href).searchParams;
    if (!answer.has("code") && !answer.has("error")) return null;
    history.replaceState(null, "", this.#redirectUri);
    return answer;
  }
}

/**
 * Take the sign-in that this tab started. It is valid for one answer of the issuer.
 *
 * @returns {Attempt & {query: string} | null}
 */
function takeAttempt() {
  const attempt = sessionStorage.getItem(ATTEMPT);
  sessionStorage.removeItem(ATTEMPT);
  return attempt === null ? null : JSON.parse(attempt);
}
