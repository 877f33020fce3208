// @ts-check
import { DELETED } from "./protocol.js";

/** @typedef {import("./protocol.js").Submission} Submission */
/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {"added" | "changed" | "dropped" | "ignored"} Outcome */
/**
 * @typedef {object} Entry
 * @property {number} version The highest seen of a submission.
 * @property {Submission | null} submission Null where that version is not in view. The version stays known, so that a
 *   late duplicate does not bring the submission back.
 * @property {number} expiresAt When it is forgotten: epoch milliseconds, or Infinity.
 */

/** How long what is gone is remembered where it does not say: the table's stream brings nothing that is older. */
const REMEMBERED_MS = 24 * 3600 * 1_000;

/**
 * What one view holds. Updates may come twice and in any order; whatever the order, the same set of updates leaves
 * the same submissions here, unless one is so late that a newer one has expired.
 *
 * What has expired is forgotten, version and all: the table may drop the row then, and count from 1 again.
 */
export class SubmissionStore {
  /** @type {Map<string, Entry>} */
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
   * @returns {Outcome} What became of it; `ignored` also for what has expired, or has no id or version.
   */
  apply(update, now) {
    const id = update?.data?.submission_id;
    if (typeof id !== "string" || !Number.isInteger(update.data.version)) return "ignored";
    const entry = entryOf(update, now);
    // Whatever is here now may be of a later life of the same id.
    if (isOver(entry, now)) return "ignored";
    const known = this.#entries.get(id);
    const held = known && !isOver(known, now) ? known : undefined;
    const newest = held && !supersedes(entry, held) ? held : entry;
    // What is gone need not be remembered for longer than the submission would have been there.
    if (held && newest.submission === null) newest.expiresAt = Math.min(held.expiresAt, entry.expiresAt);
    if (newest === held) return "ignored";
    this.#entries.set(id, entry);
    if (entry.submission) return held?.submission ? "changed" : "added";
    return held?.submission ? "dropped" : "ignored";
  }

  /**
   * Forgets what has outlived its retention time.
   *
   * @param {number} now Epoch milliseconds.
   */
  expire(now) {
    for (const [id, entry] of this.#entries) if (isOver(entry, now)) this.#entries.delete(id);
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
 * @param {Update} update
 * @param {number} now Epoch milliseconds.
 * @returns {Entry}
 */
function entryOf({ event, data }, now) {
  const { version, status, expires_at } = data;
  const gone = event === "remove" || event === "leave";
  const unsaid = gone ? now + REMEMBERED_MS : Infinity;
  const expiresAt = typeof expires_at === "number" ? expires_at * 1_000 : unsaid;
  return { version, submission: gone || status === DELETED ? null : data, expiresAt };
}

/**
 * @param {Entry} entry
 * @param {number} now Epoch milliseconds.
 */
function isOver({ expiresAt }, now) {
  return expiresAt <= now;
}

/**
 * @param {Entry} entry
 * @param {Entry} held
 */
function supersedes(entry, held) {
  if (entry.version !== held.version) return entry.version > held.version;
  return entry.submission === null && held.submission !== null;
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
