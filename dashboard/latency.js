// @ts-check

const KEPT = 500;

/** The time from submission to screen, over the newest 500 live submissions. Milliseconds. */
export class Latency {
  /** @type {number[]} */
  #samples = [];

  /**
   * @param {number} milliseconds A value below zero, or none at all, is not taken: it says that the two clocks
   *   disagree or that the time was unreadable, and nothing about latency.
   */
  add(milliseconds) {
    if (!(milliseconds >= 0)) return;
    this.#samples.push(milliseconds);
    if (this.#samples.length > KEPT) this.#samples.shift();
  }

  /** @returns {number} How many samples stand behind the figures. */
  get count() {
    return this.#samples.length;
  }

  /** @returns {number | null} */
  get last() {
    return this.#samples.at(-1) ?? null;
  }

  /** @returns {number | null} */
  get median() {
    if (this.#samples.length === 0) return null;
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
