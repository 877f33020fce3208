// @ts-check

/** So many refused handshakes in a row are taken for a refusal of the token. Fewer may be a coincidence. */
const ENOUGH = 3;
/** The average time between two attempts with a token that the gateway refuses. */
const WAIT_MS = 60_000;

/** @typedef {Required<Pick<import("./client.js").Options, "url" | "fetch" | "random">>} Options */

/**
 * Recognition of a token that the gateway refuses.
 *
 * A browser does not say whether a handshake failed because the gateway refused it, or because the gateway could not be
 * reached. Therefore, the client asks the gateway for a page, which it does not have: any answer shows that it can be
 * reached.
 */
export class RefusalCheck {
  #options;
  #count = 0;

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /** Forget the refusals, because the gateway has accepted a handshake. */
  clear() {
    this.#count = 0;
  }

  /**
   * Count a handshake that failed.
   *
   * @param {boolean} isFresh Whether the client had asked for a fresh token.
   * @returns {Promise<boolean>} Whether the gateway refuses the token.
   */
  async add(isFresh) {
    if (isFresh) this.#count += 1;
    if (this.#count < ENOUGH) return false;
    const isReachable = await this.#isReachable();
    if (!isReachable) this.#count = 0;
    return isReachable;
  }

  /** @returns {number} Milliseconds until the next attempt. They are random, as all delays of the client. */
  get wait() {
    return WAIT_MS * (0.75 + this.#options.random() / 2);
  }

  async #isReachable() {
    const url = new URL(this.#options.url.replace(/^ws/, "http"));
    url.search = "";
    try {
      // The answer is not readable, and does not matter.
      await this.#options.fetch(url.href, { mode: "no-cors", credentials: "omit", cache: "no-store" });
      return true;
    } catch {
      return false;
    }
  }
}
