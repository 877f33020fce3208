// @ts-check
import { DELETED } from "./protocol.js";

/** @typedef {import("./protocol.js").Submission} Submission */
/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {import("./protocol.js").Held} Held */
/** @typedef {"added" | "changed" | "dropped" | "ignored"} Outcome */
/**
 * @typedef {object} Entry
 * @property {number} incarnation The highest known incarnation of the submission.
 * @property {number} version The highest known version of that incarnation.
 * @property {Submission | null} submission Null if that version is not in view. The entry remains, so that a late
 *   duplicate does not bring the submission back.
 * @property {number} expiresAt When the store removes the entry: epoch milliseconds, or Infinity.
 */

/** How long the store keeps a removal without `expires_at`. The table's stream delivers no record that is older. */
const REMEMBERED_MS = 24 * 3600 * 1_000;

/**
 * The submissions of one view.
 *
 * Updates may arrive more than once and in any order. The same set of updates always gives the same submissions, unless
 * an update arrives so late that a newer one has expired.
 *
 * The store removes expired submissions together with their versions, because the table may then delete the item. A new
 * item with the same id starts at version 1, and with incarnation 0 if another program creates it.
 */
export class SubmissionStore {
  /** @type {Map<string, Entry>} */
  #entries = new Map();

  /** Start a new view: remove all submissions and versions. */
  clear() {
    this.#entries.clear();
  }

  /**
   * Apply one update. The store keeps the update with the highest incarnation, and of these the one with the highest
   * version. If two updates have the same version, it keeps the `remove` or `leave`.
   *
   * @param {Update} update
   * @param {number} now The server's time in epoch milliseconds, to compare with `expires_at`.
   * @param {ReadonlyMap<string, Held>} [sent] What a `reconcile` request contained, by submission id. Pass it for the
   *   updates of the reply: such an update replaces a submission that is still as it was sent, even if the version of
   *   the update is lower.
   * @returns {Outcome} The effect on the view. An update that has expired or has no id or version is `ignored`.
   */
  apply(update, now, sent) {
    const id = update?.data?.submission_id;
    if (typeof id !== "string" || !Number.isInteger(update.data.version)) return "ignored";
    const entry = toEntry(update, now);
    // The held entry may belong to a newer item with the same id.
    if (isExpired(entry, now)) return "ignored";
    const known = this.#entries.get(id);
    const held = known && !isExpired(known, now) ? known : undefined;
    const newest = held && !supersedes(entry, held) && !isAsSent(held, sent?.get(id)) ? held : entry;
    // An entry without a submission expires no later than the submission that it replaces.
    if (held && held.incarnation === entry.incarnation && newest.submission === null) {
      newest.expiresAt = Math.min(held.expiresAt, entry.expiresAt);
    }
    if (newest === held) return "ignored";
    this.#entries.set(id, entry);
    if (entry.submission) return held?.submission ? "changed" : "added";
    return held?.submission ? "dropped" : "ignored";
  }

  /**
   * Remove the entries whose retention time has passed.
   *
   * @param {number} now The server's time in epoch milliseconds.
   */
  expire(now) {
    for (const [id, entry] of this.#entries) if (isExpired(entry, now)) this.#entries.delete(id);
  }

  /**
   * List the submissions in view, for `reconcile` requests.
   *
   * @param {number} now The server's time in epoch milliseconds.
   * @returns {Held[]}
   */
  listHeld(now) {
    /** @type {Held[]} */
    const held = [];
    for (const [id, entry] of this.#entries) {
      if (entry.submission && !isExpired(entry, now)) held.push([id, entry.incarnation, entry.version]);
    }
    return held;
  }

  /** @returns {Submission[]} The submissions in view, the last submitted first. */
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
function toEntry({ event, data }, now) {
  const { version, status, expires_at } = data;
  const incarnation = Number.isInteger(data.incarnation) ? Number(data.incarnation) : 0;
  const isGone = event === "remove" || event === "leave";
  const defaultExpiry = isGone ? now + REMEMBERED_MS : Infinity;
  const expiresAt = typeof expires_at === "number" ? expires_at * 1_000 : defaultExpiry;
  return { incarnation, version, submission: isGone || status === DELETED ? null : data, expiresAt };
}

/**
 * @param {Entry} entry
 * @param {number} now Epoch milliseconds.
 */
function isExpired({ expiresAt }, now) {
  return expiresAt <= now;
}

/**
 * @param {Entry} entry
 * @param {Entry} held
 */
function supersedes(entry, held) {
  if (entry.incarnation !== held.incarnation) return entry.incarnation > held.incarnation;
  if (entry.version !== held.version) return entry.version > held.version;
  return entry.submission === null && held.submission !== null;
}

/**
 * @param {Entry} held
 * @param {Held | undefined} sent
 * @returns {boolean} Whether the entry is still as a `reconcile` request contained it.
 */
function isAsSent(held, sent) {
  return sent !== undefined && held.submission !== null && held.incarnation === sent[1] && held.version === sent[2];
}

/**
 * Order strings by code unit. For ISO 8601 times in UTC, this is the order of time.
 *
 * @param {string} a
 * @param {string} b
 */
function compare(a, b) {
  return a < b ? -1 : a > b ? 1 : 0;
}
