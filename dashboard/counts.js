// @ts-check

/**
 * Count the submissions by the value of a field.
 *
 * @param {import("./client/protocol.js").Submission[]} submissions
 * @param {"form_id" | "status"} field
 * @returns {[string, number][]} Each value and its count, in alphabetical order, so that values keep their places.
 */
export function countBy(submissions, field) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const submission of submissions) counts.set(submission[field], (counts.get(submission[field]) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a.localeCompare(b));
}
