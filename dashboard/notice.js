// @ts-check
import { byId, setText } from "./dom.js";

/**
 * Show a notice below the header: why the page is not live, and an action for the user. It replaces the last notice.
 *
 * @param {string} text An empty text removes the notice.
 * @param {{label: string, onChoose: () => void}} [action] The label of the button, and its action.
 */
export function showNotice(text, action) {
  const button = byId("notice-action", HTMLButtonElement);
  setText(byId("notice-text", HTMLParagraphElement), text);
  button.hidden = action === undefined;
  if (action) setText(button, action.label);
  button.onclick = () => {
    showNotice("");
    action?.onChoose();
  };
}
