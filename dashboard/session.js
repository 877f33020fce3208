// @ts-check
import { RealtimeClient } from "./client/client.js";
import { Latency } from "./latency.js";
import { SubmissionStore } from "./client/store.js";
import { renderSummary } from "./summary.js";

/** @typedef {import("./client/client.js").Origin} Origin */
/** @typedef {import("./client/protocol.js").Submission} Submission */
/** @typedef {import("./client/protocol.js").Update} Update */
/** @typedef {import("./client/protocol.js").Held} Held */

/** How often the page updates times such as "12 s ago" and removes expired submissions. */
const REFRESH_MS = 1_000;

/**
 * The connection options of one tenant.
 *
 * @typedef {Pick<import("./client/client.js").Options, "url" | "getToken">} Access
 */
/**
 * @typedef {object} Views
 * @property {import("./connection.js").ConnectionView} connection
 * @property {import("./list.js").SubmissionList} list
 * @property {import("./toasts.js").Toasts} toasts
 */

/** One tenant on the page: the client, the submissions, and the drawing. Another tenant needs a new session. */
export class Session {
  #views;
  #store = new SubmissionStore();
  #latency = new Latency();
  #client;
  #loaded = false;
  #frame = 0;
  #refresh;
  /**
   * Ids of the submissions that arrived live since the last drawing.
   *
   * @type {Set<string>}
   */
  #arrived = new Set();
  /**
   * The `submitted_at` of those submissions whose latency the next drawing measures.
   *
   * @type {string[]}
   */
  #unmeasured = [];

  /**
   * @param {Access} access
   * @param {Views} views
   */
  constructor(access, views) {
    this.#views = views;
    this.#client = new RealtimeClient({
      ...access,
      getHeld: () => this.#store.listHeld(this.#client.serverTime()),
      onUpdates: (updates, origin, sent) => this.#applyUpdates(updates, origin, sent),
      onState: (state) => views.connection.render(state),
      isOnline: () => navigator.onLine,
    });
    views.toasts.clear();
    views.list.showLoading();
    renderSummary([], this.#latency);
    this.#refresh = setInterval(() => this.draw(), REFRESH_MS);
    this.#client.connect();
  }

  /** End the session, so that the page can show another one. */
  end() {
    clearInterval(this.#refresh);
    cancelAnimationFrame(this.#frame);
    this.#client.close();
  }

  /** Connect now, without waiting for the next retry. */
  connect() {
    this.#client.connect();
  }

  /** Connect or ask for missed changes, because the page is visible or online again. */
  wake() {
    this.#client.wake();
  }

  /** Drop the connection, because the device lost its network. */
  networkLost() {
    this.#client.networkLost();
  }

  /**
   * Find a submission by its id.
   *
   * @param {string} submissionId
   * @returns {Submission | undefined} Undefined if the submission is not in view.
   */
  find(submissionId) {
    return this.#store.newestFirst().find(({ submission_id }) => submission_id === submissionId);
  }

  /** Draw before the next animation frame. Several calls before that frame draw once. */
  draw() {
    if (!this.#loaded) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#drawNow());
  }

  #drawNow() {
    const now = this.#client.serverTime();
    this.#store.expire(now);
    const submissions = this.#store.newestFirst();
    this.#views.list.render(submissions, this.#arrived, now);
    this.#arrived.clear();
    const drawnAt = this.#client.serverTime();
    for (const submittedAt of this.#unmeasured.splice(0)) this.#latency.add(drawnAt - Date.parse(submittedAt));
    renderSummary(submissions, this.#latency);
  }

  /**
   * Apply the updates, and announce new submissions.
   *
   * @param {Update[]} updates
   * @param {Origin} origin
   * @param {ReadonlyMap<string, Held>} sent
   */
  #applyUpdates(updates, origin, sent) {
    if (origin === "snapshot") {
      this.#store.clear();
      this.#loaded = true;
    }
    const now = this.#client.serverTime();
    const added = updates.filter((update) => this.#store.apply(update, now, sent) === "added");
    if (origin === "live" || origin === "repair") {
      const inserted = added.filter(({ event }) => event === "insert").map(({ data }) => data);
      this.#announce(inserted, origin);
    }
    this.draw();
  }

  /**
   * Announce submissions that were just created. Older submissions that only come into view are not announced.
   *
   * @param {Submission[]} submissions
   * @param {"live" | "repair"} origin
   */
  #announce(submissions, origin) {
    for (const { submission_id } of submissions) this.#arrived.add(submission_id);
    this.#views.toasts.announce(submissions);
    // Latency is not measured on a hidden page, which draws nothing, nor for a repair, whose updates are late.
    if (origin !== "live" || document.visibilityState !== "visible") return;
    this.#unmeasured.push(...submissions.map(({ submitted_at }) => submitted_at));
  }
}
