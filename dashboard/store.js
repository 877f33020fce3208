// @ts-check
import { DELETED } from "./protocol.js";

/** @typedef {import("./protocol.js").Submission} Submission */
/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {"added" | "changed" | "dropped" | "ignored"} Outcome */

/**
 * What one view holds. Updates may come twice and in any order; whatever the order, the same set of updates
 * leaves the same submissions here.
 */
export class SubmissionStore {
  /**
   * The highest version seen of each submission. `submission` is null where that version is no longer in the
   * view: its version stays, so that a late duplicate does not bring the submission back.
   *
   * @type {Map<string, {version: number, submission: Submission | null}>}
   */
  #entries = new Map();

  /** Starts a new view: forgets everything, versions included. */
  clear() {
    this.#entries.clear();
  }

  /**
   * Takes one update. The highest version wins; of two with the same version, `remove` and `leave` win.
   *
   * @param {Update} update
   * @param {number} now Epoch milliseconds, to judge `expires_at` by.
   * @returns {Outcome} What became of it; `ignored` also for an update without an id or a version.
   */
  apply(update, now) {
    const data = update?.data;
    if (typeof data?.submission_id !== "string" || !Number.isInteger(data.version)) return "ignored";
    const held = this.#entries.get(data.submission_id);
    const leaves = update.event === "remove" || update.event === "leave";
    if (held) {
      const winsTie = leaves && held.submission !== null;
      if (data.version < held.version || (data.version === held.version && !winsTie)) return "ignored";
    }
    const submission = leaves || data.status === DELETED || expiry(data) <= now ? null : data;
    this.#entries.set(data.submission_id, { version: data.version, submission });
    if (submission) return held?.submission ? "changed" : "added";
    return held?.submission ? "dropped" : "ignored";
  }

  /**
   * Drops what has outlived its retention time.
   *
   * @param {number} now Epoch milliseconds.
   */
  expire(now) {
    for (const entry of this.#entries.values()) {
      if (entry.submission && expiry(entry.submission) <= now) entry.submission = null;
    }
  }

  /** @returns {Submission[]} What is in view, the last submitted first. */
  newestFirst() {
    const submissions = [];
    for (const { submission } of this.#entries.values()) if (submission) submissions.push(submission);
    return submissions.sort(
      (a, b) => compare(b.submitted_at, a.submitted_at) || compare(a.submission_id, b.submission_id),
    );
  }
}

/**
 * @param {Submission} submission
 * @returns {number} Epoch milliseconds; Infinity without a retention time.
 */
function expiry(submission) {
  return typeof submission.expires_at === "number" ? submission.expires_at * 1_000 : Infinity;
}

/**
 * Orders strings by code unit, which for ISO 8601 UTC times is the order of time.
 *
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
