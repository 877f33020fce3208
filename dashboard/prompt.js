// @ts-check

/** @typedef {import("./config.js").SiteConfig} SiteConfig */
/** @typedef {import("./issuer.js").Issuer} Issuer */

/**
 * Return the parameter `prompt` of a sign-in.
 *
 * @param {SiteConfig} config
 * @param {Issuer} issuer
 * @param {object} needs
 * @param {boolean} needs.login   Whether the issuer must ask who the user is, although it may have a session.
 * @param {boolean} needs.consent Whether the issuer must ask for consent, so that it gives a refresh token.
 * @returns {string} Words, separated by spaces; an empty string if there are none.
 */
export function choosePrompt({ prompt = "" }, issuer, { login, consent }) {
  const words = new Set(prompt.split(" ").filter(Boolean));
  const supports = (/** @type {string} */ word) => issuer.prompts?.includes(word) ?? true;
  if (login && supports("login")) words.add("login");
  if (consent && supports("consent")) words.add("consent");
  return [...words].join(" ");
}

/**
 * Whether an issuer gives a refresh token only with `prompt=consent` (OpenID Connect Core, section 11). This browser
 * remembers the answer for each issuer.
 */
export class ConsentMemory {
  #key;

  /** @param {SiteConfig} config */
  constructor({ issuer }) {
    this.#key = `formbridge.consent ${issuer}`;
  }

  /** @returns {boolean} Whether the issuer gave a refresh token with consent, and none without. */
  get helps() {
    return localStorage.getItem(this.#key) === "helps";
  }

  /** @returns {boolean} Whether the page has not tried consent yet. */
  get isUnknown() {
    return localStorage.getItem(this.#key) === null;
  }

  /** @param {boolean} helps */
  remember(helps) {
    localStorage.setItem(this.#key, helps ? "helps" : "does not help");
  }
}
