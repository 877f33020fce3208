// @ts-check

const MAX_SAMPLES = 500;

/** The latency from submission to screen of the newest 500 live submissions, in milliseconds. */
export class Latency {
  /** @type {number[]} */
  #samples = [];

  /**
   * Add a sample.
   *
   * @param {number} milliseconds Ignored if it is negative (the two clocks disagree) or NaN (the time could not be
   *   parsed).
   */
  add(milliseconds) {
    if (!(milliseconds >= 0)) return;
    this.#samples.push(milliseconds);
    if (this.#samples.length > MAX_SAMPLES) this.#samples.shift();
  }

  /** @returns {number} The number of samples. */
  get count() {
    return this.#samples.length;
  }

  /** @returns {number | null} The newest sample; null without samples. */
  get last() {
    return this.#samples.at(-1) ?? null;
  }

  /** @returns {number | null} The median of the samples; null without samples. */
  get median() {
    if (this.#samples.length === 0) return null;
    const sorted = this.#samples.toSorted((a, b) => a - b);
    const middle = sorted.length >> 1;
    return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
  }
}
