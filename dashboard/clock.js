// @ts-check

/** The header `Date` has whole seconds, so the time is half a second later on average. */
const HALF_RESOLUTION_MS = 500;
const TIMEOUT_MS = 5_000;

/**
 * The clock of the server that serves the page, which all times of tokens are compared with. The clock of this device
 * may be wrong.
 */
class ServerClock {
  /** How far the server's clock is ahead of this device's clock. */
  #aheadMs = 0;

  /** @returns {number} Epoch milliseconds. The time of this device until a response was read. */
  now() {
    return Date.now() + this.#aheadMs;
  }

  /** @returns {number} Seconds to add to the time of this device. */
  get skewSeconds() {
    return Math.round(this.#aheadMs / 1_000);
  }

  /**
   * Read the server's time from a response of the server that serves the page.
   *
   * @param {Response} response
   * @param {number} sentAt When the request was sent, in epoch milliseconds of this device.
   */
  read({ headers }, sentAt) {
    const date = Date.parse(headers.get("Date") ?? "");
    if (Number.isNaN(date)) return;
    // A cache, such as an edge of CloudFront, keeps the origin's Date and says in Age how old it is.
    const age = Number(headers.get("Age") ?? 0) * 1_000 || 0;
    this.#aheadMs = date + age + HALF_RESOLUTION_MS - (sentAt + Date.now()) / 2;
  }

  /** Ask the server for its time again, because the clock of this device may have been set. */
  async synchronize() {
    const sentAt = Date.now();
    try {
      const signal = AbortSignal.timeout(TIMEOUT_MS);
      this.read(await fetch("config.json", { method: "HEAD", cache: "no-store", signal }), sentAt);
    } catch {
      // The server that serves the page is not needed for anything else. The last known time remains.
    }
  }
}

export const serverClock = new ServerClock();
