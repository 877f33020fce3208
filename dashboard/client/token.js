// @ts-check
import { fullJitter } from "./backoff.js";

/** @typedef {import("./protocol.js").AuthenticateFrame} AuthenticateFrame */
/** @typedef {import("./protocol.js").AuthenticatedFrame} AuthenticatedFrame */
/** @typedef {import("./protocol.js").ErrorFrame} ErrorFrame */
/**
 * The kind of token that the client asks for.
 * - `any`: for a new connection. A cached token is enough if it stays valid for a while.
 * - `fresh`: for a new connection. The gateway may have rejected the last token, so do not return a cached token.
 * - `later`: for a live connection. The token must expire later than the last one. The connection still works, so the
 *   user must not be interrupted: throw UnauthorizedError instead.
 *
 * @typedef {"any" | "fresh" | "later"} TokenNeed
 *
 * @typedef {Required<Pick<import("./client.js").Options,
 *   "getToken" | "now" | "random" | "setTimeout" | "clearTimeout">>} Options
 */

/** The longest time before a token's expiry at which the client renews it. The shortest is half of this time. */
const RENEW_BEFORE_MS = 2 * 60_000;
const REPLY_TIMEOUT_MS = 10_000;
/** The longest wait that `setTimeout` supports. It fires at once for a longer one. */
const LONGEST_TIMER_MS = 2 ** 31 - 1;
/** Only `authenticate` requests have ids with this prefix, so that a late reply is recognized. */
const ID_PREFIX = "authenticate-";

/** The error that `getToken` throws if the user must sign in again. The client does not ask for another token then. */
export class UnauthorizedError extends Error {}

/**
 * Renewal of one connection's token on the live connection.
 *
 * If the renewal fails, the connection stays open until its token expires. The gateway closes it then, and the client
 * reconnects with a fresh token or asks the user to sign in.
 */
export class TokenRenewal {
  #options;
  #send;
  /** When the token expires: epoch seconds by the gateway's clock. */
  #expiresAt = 0;
  #failures = 0;
  #sent = 0;
  #stopped = false;
  /** @type {number | undefined} */
  #timer;

  /**
   * @param {Options} options
   * @param {(request: AuthenticateFrame) => void} send
   */
  constructor(options, send) {
    this.#options = options;
    this.#send = send;
  }

  /**
   * Schedule the renewal.
   *
   * It starts one to two minutes before the token expires. For a token that expires within four minutes, it starts
   * after half to three quarters of the remaining time. The moment is random, so that clients that connected together
   * do not renew together.
   *
   * @param {number | undefined} expiresAt Epoch seconds. Ignored unless it is later than the last known expiry.
   */
  schedule(expiresAt) {
    if (!expiresAt || expiresAt <= this.#expiresAt) return;
    this.#expiresAt = expiresAt;
    this.#failures = 0;
    const left = this.#timeLeft();
    const before = Math.min(RENEW_BEFORE_MS, left / 2) * (1 - this.#options.random() / 2);
    this.#after(Math.min(left - before, LONGEST_TIMER_MS), () => this.#renew());
  }

  /**
   * Handle a reply to an `authenticate` request.
   *
   * @param {AuthenticatedFrame | ErrorFrame} frame
   * @returns {boolean} True if the frame answers an `authenticate` request. The caller must then not handle it.
   */
  handleReply(frame) {
    if (!String(frame.id).startsWith(ID_PREFIX)) return false;
    if (frame.id !== this.#id) return true;
    this.#options.clearTimeout(this.#timer);
    if (frame.type === "authenticated") this.schedule(frame.expires_at);
    // After `unauthorized`, another token may be accepted.
    else if (frame.retryable || frame.code === "unauthorized") this.#retryLater(frame.retry_after_ms);
    return true;
  }

  /** Stop the renewal, because the connection has ended. */
  stop() {
    this.#stopped = true;
    this.#options.clearTimeout(this.#timer);
  }

  async #renew() {
    try {
      const token = await this.#options.getToken("later");
      if (this.#stopped) return;
      this.#sent += 1;
      this.#after(REPLY_TIMEOUT_MS, () => this.#retryLater());
      this.#send({ action: "authenticate", id: this.#id, token });
    } catch (error) {
      if (!this.#stopped && !(error instanceof UnauthorizedError)) this.#retryLater();
    }
  }

  /** @param {number} [wait] Milliseconds. Default: a delay that grows with each failure. */
  #retryLater(wait = fullJitter(this.#failures, this.#options.random)) {
    this.#failures += 1;
    if (wait < this.#timeLeft()) this.#after(wait, () => this.#renew());
  }

  /** @returns {string} The id of the last request. */
  get #id() {
    return ID_PREFIX + this.#sent;
  }

  /** @returns {number} Milliseconds until the token expires. */
  #timeLeft() {
    return this.#expiresAt * 1_000 - this.#options.now();
  }

  /**
   * Start the timer. It replaces the previous one.
   *
   * @param {number} milliseconds
   * @param {() => void} callback
   */
  #after(milliseconds, callback) {
    this.#options.clearTimeout(this.#timer);
    this.#timer = this.#options.setTimeout(callback, milliseconds);
  }
}
