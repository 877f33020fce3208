// @ts-check
import { byId, find } from "./dom.js";
import { DELETED } from "./client/protocol.js";

/** What the menu offers; a submission may carry any other status too. */
const STATUSES = ["received", "processing", "completed", "failed", "spam"];

/**
 * The one menu behind every row's status, which it makes a button, in the rows to come. The browser opens, closes and
 * places it (a popover).
 */
export class StatusMenu {
  #menu = byId("status-menu", HTMLDivElement);
  #submissionId = "";

  /** @param {(submissionId: string, status: string) => void} onChoose */
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
    byId("rows", HTMLTableSectionElement).addEventListener("click", (event) => this.#aim(event.target));
    this.#menu.addEventListener("toggle", (event) => {
      if (event.newState === "open") this.#buttons()[0].focus();
    });
    this.#menu.addEventListener("keydown", (event) => this.#move(event));
  }

  /** @param {EventTarget | null} target What was clicked: before its popover opens, note whose it is. */
  #aim(target) {
    if (!(target instanceof HTMLButtonElement)) return;
    this.#submissionId = target.closest("tr")?.dataset.submissionId ?? "";
    for (const button of this.#buttons()) {
      button.setAttribute("aria-checked", String(button.dataset.status === target.dataset.status));
    }
  }

  /** @param {KeyboardEvent} event */
  #move(event) {
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
