// @ts-check
import { countBy } from "./counts.js";
import { byId, find } from "./dom.js";
import { counted } from "./format.js";

/** @typedef {import("./client/protocol.js").Submission} Submission */

const SHOWN_MS = 6_000;
/** Arrivals are told at most this often; what comes in between is told together. */
const PAUSE_MS = 1_000;
const MOST_SINGLE = 3;
const MOST_SHOWN = 4;

/** Short messages that go by themselves, announced politely to screen readers by the region they stand in. */
export class Toasts {
  #region = byId("toasts", HTMLDivElement);
  #template = byId("toast-template", HTMLTemplateElement);
  /** @type {Submission[]} */
  #arrivals = [];
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #pause;

  /** @param {Submission[]} submissions One toast each; many at once share one. */
  announce(submissions) {
    this.#arrivals.push(...submissions);
    if (this.#pause === undefined) this.#tell();
  }

  /** @param {string} message */
  fail(message) {
    this.#show("That did not work", message, "failure");
  }

  /** Takes every toast away, and what was still to be told. */
  clear() {
    this.#arrivals = [];
    this.#region.replaceChildren();
  }

  #tell() {
    this.#pause = undefined;
    const arrivals = this.#arrivals;
    this.#arrivals = [];
    if (arrivals.length === 0) return;
    if (arrivals.length > MOST_SINGLE) this.#show(counted(arrivals.length, "new submission"), perForm(arrivals));
    else for (const { form_id, submission_id } of arrivals) this.#show(`New submission from ${form_id}`, submission_id);
    this.#pause = setTimeout(() => this.#tell(), PAUSE_MS);
  }

  /**
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
    while (this.#region.childElementCount > MOST_SHOWN) this.#region.firstElementChild?.remove();
    leaveUnlessRead(toast);
  }
}

/** @param {Submission[]} submissions */
function perForm(submissions) {
  return countBy(submissions, "form_id").map(([form, count]) => `${form} ${count}`).join(" · ");
}

/**
 * Removes a toast after a while; not while it is pointed at or holds the focus.
 *
 * @param {HTMLElement} toast
 */
function leaveUnlessRead(toast) {
  let timer = setTimeout(() => toast.remove(), SHOWN_MS);
  for (const type of ["mouseenter", "focusin"]) toast.addEventListener(type, () => clearTimeout(timer));
  for (const type of ["mouseleave", "focusout"]) {
    toast.addEventListener(type, () => {
      clearTimeout(timer);
      timer = setTimeout(() => toast.remove(), SHOWN_MS);
    });
  }
}
