// @ts-check
import { MESSAGES, fill } from "./messages.js";

/** @typedef {import("./messages.js").Code} Code */

/** A problem that the page reports to the user. Its message is a sentence, and what the user can do. */
export class Problem extends Error {
  /**
   * @param {Code} code
   * @param {Record<string, string>} [values] Values of the message.
   * @param {unknown} [cause]
   */
  constructor(code, values, cause) {
    const { text, action } = fill(MESSAGES[code], values);
    super(`${text} ${action}`, { cause });
    this.code = code;
    this.kind = MESSAGES[code].kind;
    /** What is wrong, without what to do. */
    this.text = text;
  }
}
