// @ts-check
import { Problem } from "./problem.js";

/**
 * The form that every tenant id has, whatever the stack's own pattern allows: at most 66 characters that are safe in
 * keys.
 */
const SAFE = /^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,65}$/;

/** @typedef {Pick<import("./config.js").SiteConfig, "tenant_claim" | "tenant_id_pattern">} TenantRule */

/**
 * Return the tenants that the claims grant.
 *
 * @param {Record<string, unknown>} claims The claims of the ID token.
 * @param {TenantRule} rule
 * @returns {string[]}
 */
export function readTenants(claims, { tenant_claim, tenant_id_pattern }) {
  const pattern = new RegExp(`^(?:${tenant_id_pattern})$`);
  const values = listValues(findClaim(claims, tenant_claim));
  return [...new Set(values.filter((value) => SAFE.test(value) && pattern.test(value)))];
}

/**
 * Say why the claims grant no tenant. The values of the claim are not shown.
 *
 * @param {Record<string, unknown>} claims
 * @param {TenantRule} rule
 * @param {string} account The name of the user.
 * @returns {Problem}
 */
export function explainNoTenant(claims, { tenant_claim, tenant_id_pattern }, account) {
  const claim = findClaim(claims, tenant_claim);
  const values = { claim: tenant_claim, account, pattern: tenant_id_pattern };
  if (claim === undefined) return new Problem("no_tenant_claim", values);
  return new Problem(isEmpty(claim) ? "empty_tenant_claim" : "no_tenant_of_form", values);
}

/**
 * Find a claim by its name, or by a JSON Pointer (RFC 6901) into nested objects if the name begins with a slash.
 *
 * @param {Record<string, unknown>} claims
 * @param {string} name
 * @returns {unknown} Undefined if there is no such claim.
 */
function findClaim(claims, name) {
  const keys = name.startsWith("/") ? name.slice(1).split("/").map(unescapeKey) : [name];
  return keys.reduce((/** @type {unknown} */ found, key) => memberOf(found, key), claims);
}

/** @param {string} key */
function unescapeKey(key) {
  return key.replaceAll("~1", "/").replaceAll("~0", "~");
}

/**
 * @param {unknown} value
 * @param {string} key
 * @returns {unknown} Undefined if the value is no object, or has no such member of its own.
 */
function memberOf(value, key) {
  return isObject(value) && Object.hasOwn(value, key) ? value[key] : undefined;
}

/**
 * Return the strings that may be tenant ids: the value itself, the members of a list, or the keys of an object whose
 * value is neither false nor null.
 *
 * @param {unknown} claim
 * @returns {string[]}
 */
function listValues(claim) {
  if (typeof claim === "string") return [claim];
  if (Array.isArray(claim)) return claim.filter((value) => typeof value === "string");
  if (!isObject(claim)) return [];
  return Object.keys(claim).filter((key) => claim[key] !== false && claim[key] !== null);
}

/** @param {unknown} claim */
function isEmpty(claim) {
  if (claim === null || claim === "") return true;
  if (Array.isArray(claim)) return claim.length === 0;
  return isObject(claim) && listValues(claim).length === 0;
}

/**
 * @param {unknown} value
 * @returns {value is Record<string, unknown>}
 */
function isObject(value) {
  return value !== null && typeof value === "object" && !Array.isArray(value);
}
