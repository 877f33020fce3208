// @ts-check

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

/**
 * @param {string} iso
 * @param {number} now Epoch milliseconds.
 * @returns {string} How long ago, in as few words as will do: `now`, `12 s ago`, `3 min ago`, `Nov 22`.
 */
export function ago(iso, now) {
  const elapsed = now - Date.parse(iso);
  if (Number.isNaN(elapsed)) return "–";
  if (elapsed < 5_000) return "now";
  if (elapsed < MINUTE) return `${Math.floor(elapsed / 1_000)} s ago`;
  if (elapsed < HOUR) return `${Math.floor(elapsed / MINUTE)} min ago`;
  if (elapsed < DAY) return `${Math.floor(elapsed / HOUR)} h ago`;
  return day.format(Date.parse(iso));
}

/**
 * @param {string} iso
 * @returns {string} The full local time.
 */
export function fullTime(iso) {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? iso : absolute.format(time);
}

/**
 * @param {number | null} milliseconds
 * @returns {string} `42 ms`, `1.3 s`, or a dash for no value.
 */
export function duration(milliseconds) {
  if (milliseconds === null) return "–";
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/**
 * @param {number} count
 * @param {string} noun In the singular; the plural takes an s.
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
