// @ts-check
import { countBy } from "./counts.js";
import { byId, setText } from "./dom.js";
import { counted, duration } from "./format.js";

/** @typedef {import("./client/protocol.js").Submission} Submission */
/** @typedef {import("./latency.js").Latency} Latency */

/**
 * Show the tiles: the number of submissions, the number per status, and the latency.
 *
 * @param {Submission[]} submissions
 * @param {Latency} latency
 */
export function renderSummary(submissions, latency) {
  setText(byId("total", HTMLParagraphElement), submissions.length.toLocaleString("en"));
  setText(byId("latency-last", HTMLParagraphElement), duration(latency.last));
  setText(byId("latency-median", HTMLParagraphElement), duration(latency.median));
  const basis = latency.count ? `of ${counted(latency.count, "live submission")}` : "no live submission yet";
  setText(byId("latency-count", HTMLParagraphElement), basis);
  renderCounts(countBy(submissions, "status"));
}

/**
 * Show the number of submissions per status, if it has changed.
 *
 * @param {[string, number][]} counts
 */
function renderCounts(counts) {
  const list = byId("counts", HTMLUListElement);
  const text = counts.map(([status, count]) => `${status} ${count.toLocaleString("en")}`);
  if (list.textContent === text.join("")) return;
  const shares = counts.map(([status, count]) => {
    const share = document.createElement("span");
    share.dataset.status = status;
    share.style.flexGrow = String(count);
    return share;
  });
  byId("shares", HTMLDivElement).replaceChildren(...shares);
  const items = counts.map(([status, count]) => {
    const item = document.createElement("li");
    item.dataset.status = status;
    const figure = document.createElement("strong");
    figure.textContent = count.toLocaleString("en");
    item.append(`${status} `, figure);
    return item;
  });
  list.replaceChildren(...items);
}
