// @ts-check
import { byId, fillSelect, setText } from "./dom.js";

/** The query parameter that holds the tenant, so that a reload or a shared link shows the same tenant. */
const PARAMETER = "tenant";

/** The tenant in the header: a select element if there are several tenants, otherwise the name. */
export class TenantChoice {
  #chooser = byId("tenant", HTMLSelectElement);

  /**
   * @param {string[]} tenants At least one. The URL selects one of them; by default, the first.
   * @param {() => void} onChange Called when the user selects another tenant.
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

  /** @returns {string} The selected tenant. */
  get value() {
    return this.#chooser.value;
  }
}
