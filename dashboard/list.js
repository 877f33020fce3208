// @ts-check
import { byId, find, setText } from "./dom.js";
import { ago, counted, fullTime } from "./format.js";

/** @typedef {import("./client/protocol.js").Submission} Submission */
/** @typedef {{element: HTMLElement, submission: Submission | null}} Row */

/** Number of rows that the table shows at first, and that "Show more" adds. */
const PAGE_SIZE = 500;

/** The table of submissions. It keeps a row per id and changes only what differs, so that the focus is not lost. */
export class SubmissionList {
  #section = byId("submissions", HTMLElement);
  #table = byId("table", HTMLTableElement);
  #body = byId("rows", HTMLTableSectionElement);
  #empty = byId("empty", HTMLDivElement);
  #more = byId("more", HTMLButtonElement);
  #template = byId("row-template", HTMLTemplateElement);
  #limit = PAGE_SIZE;
  /** @type {Map<string, Row>} */
  #rows = new Map();

  /** @param {() => void} onShowMore Called when the user asks for more rows, after the limit has increased. */
  constructor(onShowMore) {
    this.#more.addEventListener("click", () => {
      this.#limit += PAGE_SIZE;
      onShowMore();
    });
  }

  /** Show an empty table while the submissions of another tenant load. */
  showLoading() {
    this.#limit = PAGE_SIZE;
    this.render([], new Set(), 0);
    this.#describeEmpty("Loading submissions", "The newest submissions appear as soon as the gateway answers.");
  }

  /**
   * Show the submissions.
   *
   * @param {Submission[]} submissions Newest first.
   * @param {Set<string>} arrived Ids of the submissions that arrived live since the last call.
   * @param {number} now Epoch milliseconds.
   */
  render(submissions, arrived, now) {
    const shown = submissions.slice(0, this.#limit);
    this.#removeAllBut(new Set(shown.map(({ submission_id }) => submission_id)));
    let next = this.#body.firstElementChild;
    for (const submission of shown) {
      const { element } = this.#row(submission, arrived);
      if (element === next) next = next.nextElementSibling;
      else this.#body.insertBefore(element, next);
      setText(find(element, "time", HTMLTimeElement), ago(submission.submitted_at, now));
    }
    const hidden = submissions.length - shown.length;
    this.#more.hidden = hidden === 0;
    setText(this.#more, `Show more (${counted(hidden, "submission")} below)`);
    this.#table.hidden = submissions.length === 0;
    this.#empty.hidden = submissions.length > 0;
    this.#describeEmpty("No submissions yet", "New submissions appear here without a reload.");
  }

  /**
   * Remove the rows of all other submissions.
   *
   * @param {Set<string>} ids
   */
  #removeAllBut(ids) {
    for (const [id, { element }] of this.#rows) {
      if (ids.has(id)) continue;
      if (element.contains(document.activeElement)) this.#section.focus({ preventScroll: true });
      element.remove();
      this.#rows.delete(id);
    }
  }

  /**
   * @param {Submission} submission
   * @param {Set<string>} arrived
   * @returns {Row} The submission's row: a new one, or the existing one with current values.
   */
  #row(submission, arrived) {
    const id = submission.submission_id;
    const row = this.#rows.get(id) ?? this.#newRow(id, arrived.has(id));
    if (row.submission === submission) return row;
    row.submission = submission;
    const { form_id, status, submitted_at } = submission;
    setText(find(row.element, ".form-id", HTMLTableCellElement), form_id);
    setText(find(row.element, ".submission-id", HTMLTableCellElement), id);
    const shown = find(row.element, ".status", HTMLElement);
    setText(shown, status);
    shown.dataset.status = status;
    if (shown instanceof HTMLButtonElement) shown.setAttribute("aria-label", `Status of ${id}: ${status}. Change it`);
    const time = find(row.element, "time", HTMLTimeElement);
    time.dateTime = submitted_at;
    time.title = fullTime(submitted_at);
    return row;
  }

  /**
   * @param {string} id
   * @param {boolean} arrived
   * @returns {Row}
   */
  #newRow(id, arrived) {
    const copy = document.importNode(this.#template.content, true);
    const element = find(copy, "tr", HTMLTableRowElement);
    element.dataset.submissionId = id;
    element.classList.toggle("arrived", arrived);
    const row = { element, submission: null };
    this.#rows.set(id, row);
    return row;
  }

  /**
   * @param {string} title
   * @param {string} text
   */
  #describeEmpty(title, text) {
    setText(byId("empty-title", HTMLParagraphElement), title);
    setText(byId("empty-text", HTMLParagraphElement), text);
  }
}
