// @ts-check

const BASE_MS = 1_000;
const CAP_MS = 30_000;

/**
 * Return the delay before the next attempt: exponential backoff with full jitter.
 *
 * The delay is random between zero and a bound, so that clients that were disconnected together do not reconnect
 * together. The bound doubles with each failed attempt, up to 30 seconds. The number of attempts has no limit.
 *
 * @param {number} attempt Number of failed attempts so far, from 0.
 * @param {() => number} random Returns a number in [0, 1).
 * @returns {number} Milliseconds to wait.
 */
export function fullJitter(attempt, random) {
  return Math.floor(random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt));
}
