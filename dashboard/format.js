// @ts-check

const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

const absolute = new Intl.DateTimeFormat("en", { dateStyle: "medium", timeStyle: "medium" });
const day = new Intl.DateTimeFormat("en", { month: "short", day: "numeric" });

/**
 * Format how long ago a time was: `now`, `12 s ago`, `3 min ago`, `2 h ago` or `Nov 22`.
 *
 * @param {string} iso
 * @param {number} now Epoch milliseconds.
 * @returns {string} A dash if the time cannot be parsed.
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
 * Format a time in full, in the local time zone.
 *
 * @param {string} iso
 * @returns {string} The input if it cannot be parsed.
 */
export function fullTime(iso) {
  const time = Date.parse(iso);
  return Number.isNaN(time) ? iso : absolute.format(time);
}

/**
 * Format a duration: `42 ms` or `1.3 s`.
 *
 * @param {number | null} milliseconds
 * @returns {string} A dash for null.
 */
export function duration(milliseconds) {
  if (milliseconds === null) return "–";
  return milliseconds < 1_000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1_000).toFixed(1)} s`;
}

/**
 * Format a number with its noun: `1 submission` or `1,024 submissions`.
 *
 * @param {number} count
 * @param {string} noun The singular. The plural is formed with an s.
 */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}
