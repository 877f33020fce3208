// @ts-check

/**
 * Return the element with this id.
 *
 * @template {HTMLElement} T
 * @param {string} id
 * @param {new () => T} type The element's class.
 * @returns {T}
 * @throws {Error} index.html has no such element.
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof type)) throw new Error(`index.html has no ${type.name} with the id ${id}`);
  return element;
}

/**
 * Return the first element in `parent` that matches the selector.
 *
 * @template {HTMLElement} T
 * @param {ParentNode} parent
 * @param {string} selector
 * @param {new () => T} type
 * @returns {T}
 * @throws {Error} No element matches.
 */
export function find(parent, selector, type) {
  const element = parent.querySelector(selector);
  if (!(element instanceof type)) throw new Error(`no ${type.name} matches ${selector}`);
  return element;
}

/**
 * Set the element's text if it differs, so that the browser does not announce or lay out the same text twice.
 *
 * @param {HTMLElement} element
 * @param {string} text
 */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * Replace the options of a select element.
 *
 * @param {HTMLSelectElement} select
 * @param {string[]} values
 */
export function fillSelect(select, values) {
  select.replaceChildren(...values.map((value) => new Option(value, value)));
}
