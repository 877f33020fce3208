// @ts-check
import { request } from "./request.js";

/**
 * What the site on AWS says: nothing but static files stands beside the page, and people sign in at the issuer.
 *
 * @typedef {object} SiteConfig
 * @property {string} websocket_url
 * @property {string} issuer         An OIDC issuer's URL.
 * @property {string} client_id      The page's own at that issuer: a public client.
 * @property {string} tenant_claim   The ID token's claim that holds the tenant's id, or a list of them.
 *
 * What the local run says: a small API stands beside the page, and gives tokens for any tenant.
 * @typedef {object} LocalConfig
 * @property {string} websocket_url
 * @property {string[]} tenants
 * @property {string[]} forms
 * @property {string} token_url
 * @property {string} submissions_url
 */

const SITE_FIELDS = ["websocket_url", "issuer", "client_id", "tenant_claim"];
const LOCAL_FIELDS = ["websocket_url", "tenants", "forms", "token_url", "submissions_url"];

/** @returns {Promise<SiteConfig | LocalConfig>} With an `issuer`, the site's; without one, the local run's. */
export async function loadConfig() {
  const config = await request("config.json");
  for (const name of config && "issuer" in config ? SITE_FIELDS : LOCAL_FIELDS) {
    if (!config?.[name]?.length) throw new Error(`config.json gives no ${name}.`);
  }
  return config;
}
