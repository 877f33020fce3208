// @ts-check

/**
 * @param {import("./client/protocol.js").Submission[]} submissions
 * @param {"form_id" | "status"} field
 * @returns {[string, number][]} Each value of the field and how many have it, by name, so that none changes places.
 */
export function countBy(submissions, field) {
  /** @type {Map<string, number>} */
  const counts = new Map();
  for (const submission of submissions) counts.set(submission[field], (counts.get(submission[field]) ?? 0) + 1);
  return [...counts].sort(([a], [b]) => a.localeCompare(b));
}
