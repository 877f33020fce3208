// @ts-check
import { byId } from "./dom.js";

/** Who is signed in, in the header, and the way out. */
export class Account {
  /**
   * @param {string} name
   * @param {() => void} onSignOut
   */
  constructor(name, onSignOut) {
    const label = byId("account-name", HTMLElement);
    label.textContent = name;
    // A long one is cut short.
    label.title = name;
    byId("sign-out", HTMLButtonElement).addEventListener("click", onSignOut);
    byId("account", HTMLElement).hidden = false;
  }
}
