// @ts-check
import { Account } from "./account.js";
import { fullJitter } from "./client/backoff.js";
import { UnauthorizedError } from "./client/client.js";
import { showHalt, showProblem } from "./connection.js";
import { Dashboard } from "./dashboard.js";
import { SIGNED_OUT, fill } from "./messages.js";
import { Problem } from "./problem.js";
import { SignIn } from "./sign-in.js";
import { TenantChoice } from "./tenant.js";

/**
 * Open the page of the site on AWS. Users sign in and can view the tenants that their ID token grants.
 *
 * @param {import("./config.js").SiteConfig} config
 * @throws {Problem} The sign-in failed, or the user has no tenant.
 */
export async function openSite(config) {
  const signIn = new SignIn(config);
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  let retry;
  if (!signIn.hasAnswer) {
    if (!signIn.signedOut.isWaiting) return begin();
    signIn.signedOut.onConfirmed(showSignedOut);
    return showSignedOut();
  }
  await signIn.complete();

  /** @type {Dashboard | null} */
  let dashboard = null;
  signIn.followOtherTabs(() => dashboard?.end());
  new Account(signIn.account, () => {
    dashboard?.end();
    signIn.signOut();
  });
  const { tenants } = signIn;
  if (tenants.length === 0) throw signIn.explainNoTenant();
  const shown = new Dashboard(() => begin());
  dashboard = shown;
  const tenant = new TenantChoice(tenants, show);
  show();

  /** Show the selected tenant. */
  function show() {
    const tenantId = tenant.value;
    const url = new URL(config.websocket_url);
    url.searchParams.set("tenant_id", tenantId);
    shown.show({ url: url.href, getToken: (need) => tokenFor(tenantId, need) });
  }

  /**
   * Return a token that grants the tenant.
   *
   * @param {string} tenantId
   * @param {import("./client/token.js").TokenNeed} need
   * @throws {UnauthorizedError} The user has lost the tenant, or must sign in again.
   */
  async function tokenFor(tenantId, need) {
    const token = await signIn.getToken(need);
    if (!signIn.tenants.includes(tenantId)) throw new UnauthorizedError("revoked");
    return token;
  }

  /** Say whether the session at the issuer has ended. */
  function showSignedOut() {
    const message = signIn.signedOut.isOpen ? SIGNED_OUT.here : SIGNED_OUT.everywhere;
    const { text, action } = fill(message, { host: new URL(config.issuer).host });
    showHalt("idle", "Signed out", `${text} ${action}`.trim(), { label: "Sign in", onChoose: () => begin() });
  }

  /**
   * Redirect to the issuer. If it cannot be reached, show the problem and try again.
   *
   * @param {number} [failures]
   */
  async function begin(failures = 0) {
    clearTimeout(retry);
    try {
      await signIn.begin();
    } catch (error) {
      showProblem(error, () => begin());
      if (!(error instanceof Problem) || error.kind !== "retry") return;
      retry = setTimeout(() => begin(failures + 1), fullJitter(failures, Math.random));
    }
  }
}
