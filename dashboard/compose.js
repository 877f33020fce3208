// @ts-check
import { byId, fillSelect } from "./dom.js";

/** @typedef {import("./api.js").Payload} Payload */

/** The form that sends a new submission. */
export class Compose {
  #form = byId("compose", HTMLFormElement);
  #result = byId("compose-result", HTMLParagraphElement);
  #sending = false;
  #send;

  /**
   * @param {string[]} forms The form ids that the user can choose from.
   * @param {(formId: string, payload: Payload) => Promise<{submission_id: string}>} send
   */
  constructor(forms, send) {
    this.#send = send;
    fillSelect(byId("form-id", HTMLSelectElement), forms);
    byId("compose-card", HTMLElement).hidden = false;
    this.#form.addEventListener("submit", (event) => {
      event.preventDefault();
      if (!this.#sending) this.#submit();
    });
  }

  async #submit() {
    const fields = new FormData(this.#form);
    const text = (/** @type {string} */ name) => String(fields.get(name));
    this.#sending = true;
    this.#showResult("sending", "Sending…");
    try {
      const payload = { name: text("name"), email: text("email"), message: text("message") };
      const { submission_id } = await this.#send(text("form_id"), payload);
      byId("message", HTMLTextAreaElement).value = "";
      this.#showResult("sent", `Sent as ${submission_id}`);
    } catch (error) {
      this.#showResult("failed", `Not sent. ${error instanceof Error ? error.message : error}`);
    } finally {
      this.#sending = false;
    }
  }

  /**
   * Show the outcome below the form.
   *
   * @param {"sending" | "sent" | "failed"} outcome
   * @param {string} text
   */
  #showResult(outcome, text) {
    this.#result.dataset.outcome = outcome;
    this.#result.textContent = text;
  }
}
