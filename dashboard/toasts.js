// @ts-check
import { countBy } from "./counts.js";
import { byId, find } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("./client/protocol.js").Submission} Submission */

const SHOWN_MS = 6_000;
/** The page announces new submissions at most this often. Those that arrive in between are announced together. */
const PAUSE_MS = 1_000;
/** Up to this many new submissions get a toast each; more share one. */
const MAX_SINGLE = 3;
/** The maximum number of toasts on the page. */
const MAX_SHOWN = 4;

/** Short messages that disappear after a while. Their region is a live region, which screen readers announce. */
export class Toasts {
  #region = byId("toasts", HTMLElement);
  #template = byId("toast-template", HTMLTemplateElement);
  /** @type {Submission[]} */
  #arrivals = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;

  /**
   * Announce new submissions: one toast per submission, or one for all if there are many.
   *
   * @param {Submission[]} submissions
   */
  announce(submissions) {
    this.#arrivals.push(...submissions);
    if (this.#pause === undefined) this.#announcePending();
  }

  /**
   * Show an error to the user.
   *
   * @param {string} message
   */
  showError(message) {
    this.#show("That did not work", message, "failure");
  }

  /** Remove all toasts, and drop the announcements that are still pending. */
  clear() {
    this.#arrivals = [];
    this.#region.replaceChildren();
  }

  #announcePending() {
    this.#pause = undefined;
    const arrivals = this.#arrivals;
    this.#arrivals = [];
    if (arrivals.length === 0) return;
    if (arrivals.length > MAX_SINGLE) this.#show(counted(arrivals.length, "new submission"), perForm(arrivals));
    else for (const { form_id, submission_id } of arrivals) this.#show(`New submission from ${form_id}`, submission_id);
    this.#pause = setTimeout(() => this.#announcePending(), PAUSE_MS);
  }

  /**
   * Add a toast, and remove the oldest ones if there are too many.
   *
   * @param {string} title
   * @param {string} text
   * @param {"arrival" | "failure"} [kind]
   */
  #show(title, text, kind = "arrival") {
    const copy = document.importNode(this.#template.content, true);
    const toast = find(copy, ".toast", HTMLDivElement);
    toast.classList.add(kind);
    find(toast, ".toast-title", HTMLParagraphElement).textContent = title;
    find(toast, ".toast-text", HTMLParagraphElement).textContent = text;
    find(toast, "button", HTMLButtonElement).addEventListener("click", () => toast.remove());
    this.#region.append(toast);
    while (this.#region.childElementCount > MAX_SHOWN) this.#region.firstElementChild?.remove();
    removeLater(toast);
  }
}

/**
 * @param {Submission[]} submissions
 * @returns {string} The number of submissions per form: `contact 5 · survey 5`.
 */
function perForm(submissions) {
  return countBy(submissions, "form_id").map(([form, count]) => `${form} ${count}`).join(" · ");
}

/**
 * Remove the toast after a while, but not while the pointer is over it or it has the focus.
 *
 * @param {HTMLElement} toast
 */
function removeLater(toast) {
  let timer = setTimeout(() => toast.remove(), SHOWN_MS);
  for (const type of ["mouseenter", "focusin"]) toast.addEventListener(type, () => clearTimeout(timer));
  for (const type of ["mouseleave", "focusout"]) {
    toast.addEventListener(type, () => {
      clearTimeout(timer);
      timer = setTimeout(() => toast.remove(), SHOWN_MS);
    });
  }
}
