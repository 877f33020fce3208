// npm's `oidc-provider` over TLS on localhost, for the tests.
//
// Each line of standard input is a JSON object: `{settings}`. The first line has `tls` in addition, and starts the
// server. Every further line replaces the settings; sessions, codes and refresh tokens stay. The program answers each
// line with a line `{"issuer"}`, and prints `{"granted"}` or `{"refused"}` with the type of each grant that its token
// endpoint answers. It ends with its input.
import { generateKeyPairSync } from "node:crypto";
import { once } from "node:events";
import { createServer } from "node:https";
import { createInterface } from "node:readline";
import Provider, { errors } from "oidc-provider";

/**
 * @typedef {object} Settings
 * @property {string | null} page The page's URL, which is its redirect URI; null while there is no page.
 * @property {boolean} post_logout Whether the page's URL is registered as post-logout URI too.
 * @property {Record<string, unknown>} claims What the provider says of each user, beside `sub`.
 * @property {string} scope The scope of these claims.
 * @property {boolean} conform Whether only claims of the scope `openid` are in the ID token, as OIDC Core 5.4 says.
 * @property {boolean} cors Whether the page's origin may call the token endpoint.
 * @property {boolean} refresh_tokens Whether the client may have refresh tokens.
 * @property {Record<string, string>} refresh_errors The error of each refresh of a user, by login.
 * @property {boolean} end_session Whether there is an `end_session_endpoint`.
 * @property {string} algorithm What signs ID tokens. There is a key for each algorithm from the start.
 * @property {number} rotations How often the key of that algorithm was replaced. Old keys stay published.
 * @property {number | null} id_token_seconds The lifetime of ID tokens; null is the provider's default, an hour.
 * @property {number} clock_seconds How far the provider's clock is ahead.
 */

const CLIENT_ID = "dashboard";
const CURVES = { ES256: "P-256", ES384: "P-384", ES512: "P-521" };
const ALGORITHMS = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", ...Object.keys(CURVES), "EdDSA"];

/** @type {Map<string, object>} All private keys by `kid`, the newest last. */
const made = new Map();

/**
 * @param {string} alg
 * @param {number} rotations
 */
function makeKey(alg, rotations) {
  const kid = `${alg}-${rotations}`;
  if (made.has(kid)) return;
  const { privateKey } =
    alg === "EdDSA"
      ? generateKeyPairSync("ed25519")
      : alg in CURVES
        ? generateKeyPairSync("ec", { namedCurve: CURVES[alg] })
        : generateKeyPairSync("rsa", { modulusLength: 2048 });
  made.set(kid, { ...privateKey.export({ format: "jwk" }), kid, alg, use: "sig" });
}

/** @param {Settings} settings */
function clientOf({ page, post_logout, refresh_tokens, algorithm }) {
  return {
    client_id: CLIENT_ID,
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", ...(refresh_tokens ? ["refresh_token"] : [])],
    redirect_uris: [page],
    post_logout_redirect_uris: post_logout ? [page] : [],
    id_token_signed_response_alg: algorithm,
  };
}

/**
 * @param {string} issuer
 * @param {Settings} settings
 */
function providerOf(issuer, settings) {
  const { claims, page } = settings;
  makeKey(settings.algorithm, settings.rotations);
  const provider = new Provider(issuer, {
    clients: page ? [clientOf(settings)] : [],
    claims: { openid: ["sub"], [settings.scope]: ["sub", ...Object.keys(claims)] },
    conformIdTokenClaims: settings.conform,
    findAccount: (_ctx, sub) => ({ accountId: sub, claims: () => ({ ...claims, sub }) }),
    clientBasedCORS: (_ctx, origin) => settings.cors && page !== null && origin === new URL(page).origin,
    jwks: { keys: [...made.values()].reverse() },
    enabledJWA: { idTokenSigningAlgValues: ALGORITHMS },
    features: { rpInitiatedLogout: { enabled: settings.end_session } },
    ...(settings.id_token_seconds && { ttl: { IdToken: settings.id_token_seconds } }),
    ...(Object.keys(settings.refresh_errors).length && { rotateRefreshToken: (ctx) => refuse(ctx, settings) }),
  });
  provider.on("grant.success", ({ oidc }) => say({ granted: oidc.params.grant_type }));
  provider.on("grant.error", ({ oidc }) => say({ refused: oidc.params?.grant_type }));
  return provider.callback();
}

/**
 * Refuse the refresh if the settings say so. The provider asks whether to rotate the token before it makes new ones.
 *
 * @param {object} ctx
 * @param {Settings} settings
 */
function refuse(ctx, { refresh_errors }) {
  const error = refresh_errors[ctx.oidc.entities.RefreshToken.accountId];
  if (error) throw new errors.CustomOIDCProviderError(error, "as the test wants");
  return true;
}

/** @param {object} message */
function say(message) {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

// The library's hints about its defaults are not for the reader of standard output.
console.info = console.error;
for (const alg of ALGORITHMS) makeKey(alg, 0);
const realNow = Date.now;
/** @type {import("node:https").Server | undefined} */
let server;
let issuer = "";
/** @type {(request: object, response: object) => void} */
let handler = () => {};

for await (const line of createInterface({ input: process.stdin })) {
  const { settings, tls } = JSON.parse(line);
  if (!server) {
    server = createServer(tls, (request, response) => handler(request, response)).listen(0, "127.0.0.1");
    await once(server, "listening");
    issuer = `https://localhost:${server.address().port}`;
  }
  Date.now = () => realNow() + settings.clock_seconds * 1_000;
  handler = providerOf(issuer, settings);
  say({ issuer });
}
process.exit();
