// @ts-check
import { RealtimeClient } from "./client/client.js";
import { Latency } from "./latency.js";
import { SubmissionStore } from "./client/store.js";
import { renderSummary } from "./summary.js";

/** @typedef {import("./client/client.js").Origin} Origin */
/** @typedef {import("./client/protocol.js").Submission} Submission */
/** @typedef {import("./client/protocol.js").Update} Update */

/** Times such as "12 s ago" are brought up to date this often; what expires goes at most this late. */
const REFRESH_MS = 1_000;

/**
 * How to reach one tenant.
 *
 * @typedef {Pick<import("./client/client.js").Options, "url" | "getToken">} Access
 *
 * @typedef {object} Views
 * @property {import("./connection.js").ConnectionView} connection
 * @property {import("./list.js").SubmissionList} list
 * @property {import("./toasts.js").Toasts} toasts
 */

/** One tenant on the page: its client, what it holds, and when to draw it. Another tenant is another session. */
export class Session {
  #views;
  #store = new SubmissionStore();
  #latency = new Latency();
  #client;
  #loaded = false;
  #frame = 0;
  #refresh;
  /**
   * Ids that came in live since the last drawing.
   *
   * @type {Set<string>}
   */
  #arrived = new Set();
  /**
   * `submitted_at` of those among them that a visible page is about to show.
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
      onUpdates: (updates, origin) => this.#take(updates, origin),
      onState: (state) => views.connection.render(state),
      isOnline: () => navigator.onLine,
    });
    views.toasts.clear();
    views.list.showLoading();
    renderSummary([], this.#latency);
    this.#refresh = setInterval(() => this.draw(), REFRESH_MS);
    this.#client.connect();
  }

  /** Ends the session; the page is free for the next one. */
  end() {
    clearInterval(this.#refresh);
    cancelAnimationFrame(this.#frame);
    this.#client.close();
  }

  connect() {
    this.#client.connect();
  }

  wake() {
    this.#client.wake();
  }

  networkLost() {
    this.#client.networkLost();
  }

  /**
   * @param {string} submissionId
   * @returns {Submission | undefined} Undefined where it is not in view.
   */
  find(submissionId) {
    return this.#store.newestFirst().find(({ submission_id }) => submission_id === submissionId);
  }

  /** Draws before the next frame; however often it is called until then, once. */
  draw() {
    if (!this.#loaded) return;
    cancelAnimationFrame(this.#frame);
    this.#frame = requestAnimationFrame(() => this.#drawNow());
  }

  #drawNow() {
    const now = Date.now();
    this.#store.expire(now);
    const submissions = this.#store.newestFirst();
    this.#views.list.render(submissions, this.#arrived, now);
    this.#arrived.clear();
    for (const submittedAt of this.#unmeasured.splice(0)) this.#latency.add(Date.now() - Date.parse(submittedAt));
    renderSummary(submissions, this.#latency);
  }

  /**
   * @param {Update[]} updates
   * @param {Origin} origin
   */
  #take(updates, origin) {
    if (origin === "snapshot") {
      this.#store.clear();
      this.#loaded = true;
    }
    const now = Date.now();
    const added = updates.filter((update) => this.#store.apply(update, now) === "added");
    if (origin === "push" || origin === "repair") {
      const inserted = added.filter(({ event }) => event === "insert").map(({ data }) => data);
      this.#welcome(inserted, origin);
    }
    this.draw();
  }

  /**
   * Tells of submissions that are new, not only new to this page.
   *
   * @param {Submission[]} submissions
   * @param {"push" | "repair"} origin
   */
  #welcome(submissions, origin) {
    for (const { submission_id } of submissions) this.#arrived.add(submission_id);
    this.#views.toasts.announce(submissions);
    // A hidden page shows nothing, and what a repair brings was late for a reason of its own.
    if (origin !== "push" || document.visibilityState !== "visible") return;
    this.#unmeasured.push(...submissions.map(({ submitted_at }) => submitted_at));
  }
}
