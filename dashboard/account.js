// @ts-check
import { byId } from "./dom.js";

/** The header's account area: the name of the signed-in user and the sign-out button. */
export class Account {
  /**
   * @param {string} name
   * @param {() => void} onSignOut
   */
  constructor(name, onSignOut) {
    const label = byId("account-name", HTMLElement);
    label.textContent = name;
    // The label is truncated if the name is long; the tooltip shows all of it.
    label.title = name;
    byId("sign-out", HTMLButtonElement).addEventListener("click", onSignOut);
    byId("account", HTMLElement).hidden = false;
  }
}
