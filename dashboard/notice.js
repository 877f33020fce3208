// @ts-check
import { byId, setText } from "./dom.js";

/**
 * Says below the header why the page is not live, and offers what can be done. It takes the place of what was said.
 *
 * @param {string} text
 * @param {{label: string, onChoose: () => void}} [action]
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
