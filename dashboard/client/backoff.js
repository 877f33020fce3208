// @ts-check

const BASE_MS = 1_000;
const CAP_MS = 30_000;

/**
 * Exponential backoff with full jitter: anywhere between zero and the bound, so that clients which were
 * dropped together do not come back together. It never gives up: the bound stops growing at 30 s.
 *
 * @param {number} attempt How many attempts have failed before this one, from 0.
 * @param {() => number} random Gives a number in [0, 1).
 * @returns {number} Milliseconds to wait.
 */
export function fullJitter(attempt, random) {
  return Math.floor(random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt));
}
