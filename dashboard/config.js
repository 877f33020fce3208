// @ts-check
import { request } from "./request.js";

/**
 * The `config.json` of the site on AWS. The site has static files only, and users sign in at the issuer.
 *
 * @typedef {object} SiteConfig
 * @property {string} websocket_url
 * @property {string} issuer         The URL of an OIDC issuer.
 * @property {string} client_id      The page's client id at the issuer. It is a public client.
 * @property {string} tenant_claim   The claim of the ID token that holds the user's tenants: a name, or a JSON Pointer into
 *   nested objects.
 * @property {string} tenant_id_pattern The form of a whole tenant id, a regular expression.
 * @property {string[]} [scopes]     The scopes to ask for. Default: `openid profile email`, and `offline_access` if the
 *   issuer lists it.
 * @property {string} [prompt]       The value of `prompt` in each sign-in. Default: none.
 */
/**
 * The `config.json` of the local run. Its server has a small API, which issues tokens for any tenant.
 *
 * @typedef {object} LocalConfig
 * @property {string} websocket_url
 * @property {string[]} tenants          The tenant ids that the user can choose from.
 * @property {string[]} forms            The form ids that the user can choose from.
 * @property {string} token_url
 * @property {string} submissions_url
 */

const SITE_FIELDS = ["websocket_url", "issuer", "client_id", "tenant_claim", "tenant_id_pattern"];
const LOCAL_FIELDS = ["websocket_url", "tenants", "forms", "token_url", "submissions_url"];

/**
 * Load `config.json`. It is a SiteConfig if it has an `issuer`, otherwise a LocalConfig.
 *
 * @returns {Promise<SiteConfig | LocalConfig>}
 * @throws {Error} A field is missing or empty.
 */
export async function loadConfig() {
  const config = (await request("config.json")) ?? {};
  for (const name of "issuer" in config ? SITE_FIELDS : LOCAL_FIELDS) {
    const value = config[name];
    const isGiven = (typeof value === "string" || Array.isArray(value)) && value.length > 0;
    if (!isGiven) throw new Error(`config.json: ${name} is required.`);
  }
  return /** @type {SiteConfig | LocalConfig} */ (config);
}
