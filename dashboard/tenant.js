// @ts-check
import { byId, fillSelect, setText } from "./dom.js";

/** Names the tenant in the page's address, so that a reload or a shared link shows the same one. */
const PARAMETER = "tenant";

/** The tenant in the header: a chooser where there are several, else its name. */
export class TenantChoice {
  #chooser = byId("tenant", HTMLSelectElement);

  /**
   * @param {string[]} tenants At least one. The address chooses among them; the first, where it names none of them.
   * @param {() => void} onChange
   */
  constructor(tenants, onChange) {
    fillSelect(this.#chooser, tenants);
    const asked = new URL(location.href).searchParams.get(PARAMETER);
    if (asked && tenants.includes(asked)) this.#chooser.value = asked;
    setText(byId("tenant-name", HTMLElement), this.value);
    byId(tenants.length > 1 ? "tenant-choice" : "tenant-only", HTMLElement).hidden = false;
    this.#chooser.addEventListener("change", () => {
      const url = new URL(location.href);
      url.searchParams.set(PARAMETER, this.value);
      history.replaceState(null, "", url);
      onChange();
    });
  }

  /** @returns {string} The tenant to show. */
  get value() {
    return this.#chooser.value;
  }
}
