// @ts-check
import { fullJitter } from "./backoff.js";

/** @typedef {import("./protocol.js").AuthenticatedFrame} AuthenticatedFrame */
/** @typedef {import("./protocol.js").ErrorFrame} ErrorFrame */
/**
 * Which token will do.
 * - `any`: to connect with; the last one, while it is good for a while.
 * - `fresh`: to connect with; the gateway may have refused the last one.
 * - `later`: for a connection to go on with; one that expires later than the last one. The connection is still good, so
 *   nothing is done for it that the user would notice: rather, UnauthorizedError is thrown.
 *
 * @typedef {"any" | "fresh" | "later"} TokenNeed
 *
 * @typedef {Required<Pick<import("./client.js").Options,
 *   "getToken" | "now" | "random" | "setTimeout" | "clearTimeout">>} Options
 */

/** A token is renewed at most this long before it expires, and at least half as long. */
const RENEW_BEFORE_MS = 2 * 60_000;
const REPLY_TIMEOUT_MS = 10_000;
/** `setTimeout` takes a longer wait for none. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** No other request has such an id, so that a late reply is known for what it is. */
const ID_PREFIX = "authenticate-";

/** What `getToken` throws when the user has to sign in again: there is no use in asking for another. */
export class UnauthorizedError extends Error {}

/**
 * Renews the token of one connection in place. If that cannot be done, the connection is left as good as it is: when its
 * token has expired, the gateway ends it, and the way back leads over a fresh token or a new sign-in.
 */
export class TokenRenewal {
  #options;
  #send;
  /** Epoch seconds by the gateway's clock. */
  #expiresAt = 0;
  /** By how much that clock is ahead of this device's, which may be wrong. */
  #clockAheadMs = 0;
  #failures = 0;
  #sent = 0;
  #stopped = false;
  /** @type {any} */
  #timer;

  /**
   * @param {Options} options
   * @param {(request: {action: "authenticate", id: string, token: string}) => void} send
   */
  constructor(options, send) {
    this.#options = options;
    this.#send = send;
  }

  /**
   * Plans the renewal: one to two minutes before the token expires, or where it is short-lived, in the third quarter of
   * the time that is left. At random, so that those who connected together do not renew together.
   *
   * @param {number | undefined} expiresAt Epoch seconds. Only a later time than before is news.
   * @param {number} [serverTime] Epoch milliseconds: what the gateway's clock says now.
   */
  plan(expiresAt, serverTime) {
    const { now, random } = this.#options;
    if (serverTime) this.#clockAheadMs = serverTime - now();
    if (!expiresAt || expiresAt <= this.#expiresAt) return;
    this.#expiresAt = expiresAt;
    this.#failures = 0;
    const left = this.#timeLeft();
    const before = Math.min(RENEW_BEFORE_MS, left / 2) * (1 - random() / 2);
    this.#after(Math.min(left - before, LONGEST_TIMER_MS), () => this.#renew());
  }

  /**
   * @param {AuthenticatedFrame | ErrorFrame} frame
   * @returns {boolean} Whether it answers a renewal, and so was for this one to take.
   */
  take(frame) {
    if (!String(frame.id).startsWith(ID_PREFIX)) return false;
    if (frame.id !== this.#id) return true;
    this.#options.clearTimeout(this.#timer);
    if (frame.type === "authenticated") this.plan(frame.expires_at);
    // Another token may do where this one does not.
    else if (frame.retryable || frame.code === "unauthorized") this.#tryAgain(frame.retry_after_ms);
    return true;
  }

  /** The connection is no more. */
  stop() {
    this.#stopped = true;
    this.#options.clearTimeout(this.#timer);
  }

  async #renew() {
    try {
      const token = await this.#options.getToken("later");
      if (this.#stopped) return;
      this.#sent += 1;
      this.#after(REPLY_TIMEOUT_MS, () => this.#tryAgain());
      this.#send({ action: "authenticate", id: this.#id, token });
    } catch (error) {
      if (!this.#stopped && !(error instanceof UnauthorizedError)) this.#tryAgain();
    }
  }

  /** @param {number} [wait] Milliseconds. */
  #tryAgain(wait = fullJitter(this.#failures, this.#options.random)) {
    this.#failures += 1;
    if (wait < this.#timeLeft()) this.#after(wait, () => this.#renew());
  }

  /** The id of the last request. */
  get #id() {
    return ID_PREFIX + this.#sent;
  }

  /** @returns {number} Milliseconds until the token expires. */
  #timeLeft() {
    return this.#expiresAt * 1_000 - this.#clockAheadMs - this.#options.now();
  }

  /**
   * @param {number} milliseconds
   * @param {() => void} callback In place of what was planned before.
   */
  #after(milliseconds, callback) {
    this.#options.clearTimeout(this.#timer);
    this.#timer = this.#options.setTimeout(callback, milliseconds);
  }
}
