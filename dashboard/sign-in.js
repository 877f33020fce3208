// @ts-check
import { UnauthorizedError } from "./client/client.js";
import { serverClock } from "./clock.js";
import { Issuer } from "./issuer.js";
import { Problem } from "./problem.js";
import { ConsentMemory, choosePrompt } from "./prompt.js";
import { SignedOut } from "./signed-out.js";
import { explainNoTenant, readTenants } from "./tenant-claim.js";

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/** @typedef {import("./issuer.js").Tokens} Tokens */
/** @typedef {import("./client/token.js").TokenNeed} TokenNeed */
/**
 * The sign-in in progress: its secrets, the page's own query string, and whether the page asks for consent to get a
 * refresh token.
 *
 * @typedef {import("./issuer.js").Attempt & {query: string, consent: boolean}} Attempt
 */

/** A token that expires within this time is renewed before it is used. */
const RENEW_BEFORE_MS = 60_000;
/** The page does not redirect to the issuer within this time after a sign-in, unless the user asks for it. */
const REDIRECT_PAUSE_MS = 60_000;
/** The sessionStorage key of the sign-in in progress. */
const ATTEMPT = "formbridge.sign-in";

/**
 * The signed-in user and the user's tokens.
 *
 * Tokens are kept in memory only. After a reload, the page redirects to the issuer again. The issuer does not ask for
 * a password as long as its own session lasts. The page redirects without a request of the user only in three cases:
 * when it is opened, when a token cannot be renewed in another way, and once per browser to ask for the consent that
 * some issuers need for a refresh token. It does not redirect after a failed sign-in.
 */
export class SignIn {
  #config;
  #redirectUri = new URL(".", location.href).href;
  /** @type {SignedOut} */
  #signedOut;
  #consent;
  /** @type {URLSearchParams} */
  #answer;
  /** @type {Issuer | null} */
  #issuer = null;
  /** @type {Tokens | null} */
  #tokens = null;
  #signedInAt = -Infinity;
  /** Why the last refresh token was refused. */
  #refusal = new Problem("token_expired");
  /** @type {Promise<Problem | null> | null} */
  #renewal = null;
  /** @type {Promise<never> | null} */
  #redirection = null;

  /** @param {SiteConfig} config */
  constructor(config) {
    this.#config = config;
    this.#signedOut = new SignedOut(config);
    this.#consent = new ConsentMemory(config);
    this.#answer = new URL(location.href).searchParams;
    if (this.hasAnswer || this.#signedOut.takeConfirmation(this.#answer)) {
      history.replaceState(null, "", this.#redirectUri);
    }
  }

  /** @returns {SignedOut} What this browser knows of the last sign-out. */
  get signedOut() {
    return this.#signedOut;
  }

  /** @returns {boolean} Whether the page was opened with the issuer's answer to a sign-in. */
  get hasAnswer() {
    return this.#answer.has("code") || this.#answer.has("error");
  }

  /** @returns {string} The user's email address, or the issuer's id of the user if there is none. */
  get account() {
    const { email, sub } = this.#current.claims;
    return typeof email === "string" && email ? email : sub;
  }

  /** @returns {string[]} The ids of the tenants that the ID token grants. */
  get tenants() {
    return readTenants(this.#current.claims, this.#config);
  }

  /** @returns {Problem} Why the ID token grants no tenant. */
  explainNoTenant() {
    return explainNoTenant(this.#current.claims, this.#config, this.account);
  }

  /**
   * Complete the sign-in with the issuer's answer.
   *
   * @throws {Problem} The sign-in failed.
   */
  async complete() {
    const attempt = takeAttempt();
    if (attempt === null) throw new Problem("foreign_answer");
    history.replaceState(null, "", this.#redirectUri + attempt.query);
    const issuer = await Issuer.discover(this.#config, this.#redirectUri);
    const tokens = await issuer.redeem(this.#answer, attempt);
    this.#signedOut.forget();
    if (this.#needsConsent(issuer, tokens, attempt)) await this.#redirect(true);
    this.#issuer = issuer;
    this.#tokens = tokens;
    this.#signedInAt = serverClock.now();
  }

  /**
   * Redirect to the issuer to sign in.
   *
   * @returns {Promise<never>} Never resolves, because the browser leaves the page. Rejects with a Problem if the issuer
   *   cannot be used.
   */
  begin() {
    this.#redirection ??= this.#redirect(this.#consent.helps).finally(() => {
      this.#redirection = null;
    });
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
    try {
      return await this.#getToken(need);
    } catch (error) {
      if (!(error instanceof Problem)) throw error;
      // The client tries again after any other error. It adds what to do by itself.
      throw error.kind === "retry" ? new Error(error.text, { cause: error }) : new UnauthorizedError(error.message);
    }
  }

  /**
   * Forget and revoke the tokens, and end the issuer's session if it has a URL for that; otherwise, reload the page.
   *
   * The sign-out does not wait for the revocation, and it does not fail with it: this page has forgotten the tokens.
   */
  signOut() {
    const state = crypto.randomUUID();
    const url = this.#issuer?.signOutUrl(this.#current.idToken, state);
    this.#signedOut.start(state);
    this.#forgetTokens();
    if (url) location.replace(url);
    else location.reload();
  }

  /**
   * Sign out here too when the user signs out in another tab.
   *
   * @param {() => void} onSignOut Called before the page is loaded anew.
   */
  followOtherTabs(onSignOut) {
    this.#signedOut.onElsewhere(() => {
      onSignOut();
      this.#forgetTokens();
      location.reload();
    });
  }

  /** @throws {UnauthorizedError} Nobody is signed in. */
  get #current() {
    if (this.#tokens === null) throw new UnauthorizedError("token_expired");
    return this.#tokens;
  }

  #forgetTokens() {
    const refreshToken = this.#tokens?.refreshToken;
    if (refreshToken) this.#issuer?.revoke(refreshToken).catch((error) => console.warn(error.message));
    this.#tokens = null;
  }

  /** @param {TokenNeed} need */
  async #getToken(need) {
    const { idToken, expiresAt } = this.#current;
    if (need === "any" && serverClock.now() < expiresAt - RENEW_BEFORE_MS) return idToken;
    // Never use a refresh token twice at the same time: some issuers then treat it as stolen.
    this.#renewal ??= this.#renew().finally(() => {
      this.#renewal = null;
    });
    const problem = await this.#renewal;
    if (problem === null) return this.#current.idToken;
    if (need === "later") throw problem;
    const now = serverClock.now();
    if (problem.kind === "sign_in" && now - this.#signedInAt >= REDIRECT_PAUSE_MS) return this.begin();
    if (now < expiresAt) return idToken;
    throw problem;
  }

  /**
   * @returns {Promise<Problem | null>} Null: there is a new token. Otherwise, why the user must sign in again.
   * @throws {Problem} The issuer cannot answer at the moment.
   */
  async #renew() {
    const { refreshToken } = this.#current;
    if (!refreshToken || !this.#issuer) return this.#refusal;
    try {
      this.#tokens = await this.#issuer.refresh(this.#current);
      return null;
    } catch (error) {
      if (!(error instanceof Problem) || error.kind === "retry") throw error;
      this.#refusal = error;
      this.#current.refreshToken = undefined;
      return error;
    }
  }

  /**
   * Return whether the page must ask for consent now, because the issuer gave no refresh token without it.
   *
   * @param {Issuer} issuer
   * @param {Tokens} tokens
   * @param {Attempt} attempt
   */
  #needsConsent(issuer, { refreshToken }, { consent }) {
    if (!issuer.asksForOfflineAccess || this.#config.prompt) return false;
    if (consent) this.#consent.remember(Boolean(refreshToken));
    if (consent || refreshToken || !this.#consent.isUnknown) return false;
    // Remember it before the redirect, which the issuer may answer with an error page of its own.
    this.#consent.remember(false);
    return true;
  }

  /**
   * @param {boolean} consent Whether to ask for consent.
   * @returns {Promise<never>} Never resolves; rejects with a Problem if the issuer cannot be used.
   */
  async #redirect(consent) {
    // Check each time that the issuer can be reached, because a failed redirect would leave the user without a page.
    const issuer = await Issuer.discover(this.#config, this.#redirectUri);
    const attempt = issuer.newAttempt();
    const prompt = choosePrompt(this.#config, issuer, { login: this.#signedOut.isOpen, consent });
    const url = await issuer.signInUrl(attempt, prompt);
    this.#signedOut.leave();
    sessionStorage.setItem(ATTEMPT, JSON.stringify({ ...attempt, query: location.search, consent }));
    // Replace this page in the history: otherwise, Back on the issuer's page would return here and redirect again.
    location.replace(url);
    return new Promise(() => {});
  }
}

/**
 * Take the sign-in that this tab started. It is valid for one answer of the issuer.
 *
 * @returns {Attempt | null}
 */
function takeAttempt() {
  const attempt = sessionStorage.getItem(ATTEMPT);
  sessionStorage.removeItem(ATTEMPT);
  return attempt === null ? null : JSON.parse(attempt);
}
