// @ts-check
import { byId, find } from "./dom.js";
import { DELETED } from "./client/protocol.js";

/** The statuses that the menu offers, besides Delete. A submission may have any other status too. */
const STATUSES = ["received", "processing", "completed", "failed", "spam"];

/**
 * The menu that changes a submission's status. All rows share it.
 *
 * The constructor makes the status in the row template a button, so new rows can open the menu. The menu is a popover:
 * the browser opens, closes and places it.
 */
export class StatusMenu {
  #menu = byId("status-menu", HTMLDivElement);
  #submissionId = "";

  /** @param {(submissionId: string, status: string) => void} onChoose Called when the user chooses a status. */
  constructor(onChoose) {
    const button = byId("status-button-template", HTMLTemplateElement).content;
    find(byId("row-template", HTMLTemplateElement).content, ".status", HTMLSpanElement).replaceWith(button);
    for (const status of [...STATUSES, DELETED]) {
      const button = document.createElement("button");
      button.type = "button";
      button.setAttribute("role", "menuitemradio");
      button.dataset.status = status;
      button.textContent = status === DELETED ? "Delete" : status;
      button.addEventListener("click", () => {
        this.#menu.hidePopover();
        onChoose(this.#submissionId, status);
      });
      this.#menu.append(button);
    }
    byId("rows", HTMLTableSectionElement).addEventListener("click", (event) => this.#setSubmission(event.target));
    this.#menu.addEventListener("toggle", (event) => {
      if (event.newState === "open") this.#buttons()[0].focus();
    });
    this.#menu.addEventListener("keydown", (event) => this.#moveFocus(event));
  }

  /**
   * Store the submission whose status was clicked, before the menu opens.
   *
   * @param {EventTarget | null} target
   */
  #setSubmission(target) {
    if (!(target instanceof HTMLButtonElement)) return;
    this.#submissionId = target.closest("tr")?.dataset.submissionId ?? "";
    for (const button of this.#buttons()) {
      button.setAttribute("aria-checked", String(button.dataset.status === target.dataset.status));
    }
  }

  /**
   * Move the focus with the arrow keys.
   *
   * @param {KeyboardEvent} event
   */
  #moveFocus(event) {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    const buttons = this.#buttons();
    const at = buttons.findIndex((button) => button === document.activeElement);
    buttons[(at + step + buttons.length) % buttons.length].focus();
  }

  #buttons() {
    return [...this.#menu.querySelectorAll("button")];
  }
}
