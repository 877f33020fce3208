// @ts-check
import { UnauthorizedError } from "./client/client.js";
import { GrantRefusedError, Issuer } from "./issuer.js";

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/** @typedef {import("./issuer.js").Attempt} Attempt */
/** @typedef {import("./issuer.js").Tokens} Tokens */
/** @typedef {import("./client/token.js").TokenNeed} TokenNeed */

/** A token that expires sooner is renewed before it is given away. */
const RENEW_BEFORE_MS = 60_000;
/** Nobody is sent to the issuer sooner than this after coming from there, unless they ask for it. */
const SETTLED_AFTER_MS = 60_000;
/** In sessionStorage, while the page is left for the issuer: the attempt, and the page's own query. */
const ATTEMPT = "formbridge.sign-in";
/** In sessionStorage, from signing out to signing in again. */
const SIGNED_OUT = "formbridge.signed-out";
const TENANT_ID = /^t_[A-Za-z0-9_-]{1,64}$/;

/**
 * Who is signed in. Tokens are held in memory only: after a reload the issuer is asked again, and its own session
 * makes that silent. The page goes there by itself on its first opening and when a token cannot be renewed in
 * any other way, never after a failure.
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
  #leaving = null;

  /** @param {SiteConfig} config */
  constructor(config) {
    this.#config = config;
  }

  /** @returns {boolean} Whether the last thing that this tab did was to sign out. */
  get hasSignedOut() {
    return sessionStorage.getItem(SIGNED_OUT) !== null;
  }

  /** @returns {string} The e-mail address, or what else the issuer calls them. */
  get account() {
    const { email, sub } = this.#current.claims;
    return typeof email === "string" && email ? email : sub;
  }

  /** @returns {string[]} The tenants that the ID token grants. */
  get tenants() {
    const claim = this.#current.claims[this.#config.tenant_claim];
    const values = /** @type {unknown[]} */ (Array.isArray(claim) ? claim : [claim]);
    return values.filter((value) => typeof value === "string").filter((value) => TENANT_ID.test(value));
  }

  /**
   * Takes the issuer's answer where the page's address carries one; leaves for the issuer where it does not.
   *
   * @throws {Error} With a message fit for a person.
   */
  async start() {
    const answer = this.#takeAnswer();
    const attempt = takeAttempt();
    if (answer === null) return this.begin();
    if (attempt === null) throw new Error("This sign-in was not begun in this tab, or is over already.");
    history.replaceState(null, "", this.#redirectUri + attempt.query);
    this.#issuer = await Issuer.discover(this.#config, this.#redirectUri);
    this.#tokens = await this.#issuer.redeem(answer, attempt);
    this.#signedInAt = Date.now();
  }

  /**
   * Leaves for the issuer to sign in there.
   *
   * @returns {Promise<never>} Without an end, unless the issuer cannot be used: then the page stays.
   */
  begin() {
    this.#leaving ??= this.#leave();
    return this.#leaving;
  }

  /**
   * @param {TokenNeed} need For `later`, the page is not left, and the token in use is not given again.
   * @returns {Promise<string>} The ID token, good for more than a minute where the issuer gives such tokens.
   * @throws {UnauthorizedError} There is none without signing in again, and to ask for that is up to the user.
   * @throws {Error} The issuer cannot be reached just now.
   */
  async getToken(need) {
    const { idToken, expiresAt } = this.#current;
    if (need === "any" && Date.now() < expiresAt - RENEW_BEFORE_MS) return idToken;
    // Some issuers take a refresh token that is used twice for a stolen one.
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    if (await this.#renewal) return this.#current.idToken;
    if (need === "later") throw new UnauthorizedError("the token cannot be renewed");
    if (Date.now() - this.#signedInAt >= SETTLED_AFTER_MS) return this.begin();
    if (Date.now() < expiresAt) return idToken;
    throw new UnauthorizedError("the token has expired");
  }

  /** Forgets the tokens and goes to end the issuer's session too. The page is left, or else begins anew. */
  signOut() {
    const url = this.#issuer?.signOutUrl();
    this.#tokens = null;
    sessionStorage.setItem(SIGNED_OUT, "yes");
    if (url) location.replace(url);
    else location.reload();
  }

  get #current() {
    if (this.#tokens === null) throw new UnauthorizedError("nobody is signed in");
    return this.#tokens;
  }

  /** @returns {Promise<boolean>} Whether there is a new token; without one, signing in again is what is left. */
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

  /** @returns {Promise<never>} */
  async #leave() {
    try {
      // Asked anew each time: to be sent to an issuer that cannot be reached would be the end of the page.
      this.#issuer = await Issuer.discover(this.#config, this.#redirectUri);
      const attempt = this.#issuer.newAttempt();
      const url = await this.#issuer.signInUrl(attempt);
      sessionStorage.removeItem(SIGNED_OUT);
      sessionStorage.setItem(ATTEMPT, JSON.stringify({ ...attempt, query: location.search }));
      // In place of this page: the way back from the issuer leads to where they were before, not into a circle.
      location.replace(url);
    } catch (error) {
      this.#leaving = null;
      throw error;
    }
    return new Promise(() => {});
  }

  /** @returns {URLSearchParams | null} What the issuer answered; the address bar holds it no longer. */
  #takeAnswer() {
    const answer = new URL(location.href).searchParams;
    if (!answer.has("code") && !answer.has("error")) return null;
    history.replaceState(null, "", this.#redirectUri);
    return answer;
  }
}

/** @returns {Attempt & {query: string} | null} What this tab began, which is good for one answer. */
function takeAttempt() {
  const attempt = sessionStorage.getItem(ATTEMPT);
  sessionStorage.removeItem(ATTEMPT);
  return attempt === null ? null : JSON.parse(attempt);
}
