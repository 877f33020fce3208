// @ts-check

/** @typedef {import("./config.js").SiteConfig} SiteConfig */

/** The sessionStorage key that exists in this tab between signing out and the next sign-in. */
const SIGNED_OUT = "formbridge.signed-out";

/**
 * What this browser knows of the last sign-out.
 *
 * A tab that signs out stays signed out until its user signs in again. All other tabs of the page sign out with it. As
 * long as the issuer has not confirmed that its own session has ended, new tabs do not sign in by themselves either.
 */
export class SignedOut {
  /** The localStorage key that exists while the session at the issuer may still be open. Its value is the state. */
  #openKey;

  /** @param {SiteConfig} config */
  constructor({ issuer }) {
    this.#openKey = `formbridge.open ${issuer}`;
  }

  /** @returns {boolean} Whether the page waits for the user to sign in. */
  get isWaiting() {
    return sessionStorage.getItem(SIGNED_OUT) !== null || this.isOpen;
  }

  /** @returns {boolean} Whether the session at the issuer may still be open. */
  get isOpen() {
    return localStorage.getItem(this.#openKey) !== null;
  }

  /**
   * Remember that the user has signed out, and tell the other tabs.
   *
   * @param {string} state What the issuer returns when it has ended its session.
   */
  start(state) {
    sessionStorage.setItem(SIGNED_OUT, state);
    localStorage.setItem(this.#openKey, state);
  }

  /**
   * Take the issuer's confirmation from the URL of the page, if it belongs to the last sign-out.
   *
   * @param {URLSearchParams} answer
   * @returns {boolean} Whether the URL has a confirmation.
   */
  takeConfirmation(answer) {
    const state = answer.get("state");
    if (state === null || state !== localStorage.getItem(this.#openKey)) return false;
    localStorage.removeItem(this.#openKey);
    return true;
  }

  /** Forget the sign-out in this tab, because the user signs in again. */
  leave() {
    sessionStorage.removeItem(SIGNED_OUT);
  }

  /** Forget that the session at the issuer may be open, because the user has signed in. */
  forget() {
    localStorage.removeItem(this.#openKey);
  }

  /**
   * Call back when the user signs out in another tab. This tab is then signed out too.
   *
   * @param {() => void} callback
   */
  onElsewhere(callback) {
    addEventListener("storage", ({ key, newValue }) => {
      if (key !== this.#openKey || newValue === null) return;
      sessionStorage.setItem(SIGNED_OUT, newValue);
      callback();
    });
  }

  /**
   * Call back when another tab learns that the issuer has ended its session.
   *
   * @param {() => void} callback
   */
  onConfirmed(callback) {
    addEventListener("storage", ({ key, newValue }) => {
      if (key === this.#openKey && newValue === null) callback();
    });
  }
}
