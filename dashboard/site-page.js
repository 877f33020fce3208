// @ts-check
import { Account } from "./account.js";
import { UnauthorizedError } from "./client/client.js";
import { showHalt } from "./connection.js";
import { Dashboard } from "./dashboard.js";
import { SignIn } from "./sign-in.js";
import { TenantChoice } from "./tenant.js";

/**
 * Open the page of the site on AWS. Users sign in and can view the tenants that their ID token grants.
 *
 * @param {import("./config.js").SiteConfig} config
 * @throws {Error} The sign-in failed, or the user has no tenant. The message can be shown to the user.
 */
export async function openSite(config) {
  const signIn = new SignIn(config);
  if (signIn.hasSignedOut) {
    showHalt("idle", "Signed out", "You are signed out.", { label: "Sign in", onChoose: signInAgain });
    return;
  }
  await signIn.start();

  /** @type {Dashboard | null} */
  let dashboard = null;
  new Account(signIn.account, () => {
    dashboard?.end();
    signIn.signOut();
  });
  const { tenants } = signIn;
  if (tenants.length === 0) {
    throw new Error(
      `${signIn.account} belongs to no tenant: the claim ${config.tenant_claim} of the ID token has no tenant id. ` +
        "Ask an administrator to add you to a tenant, or sign out to use another account.",
    );
  }
  const shown = new Dashboard(signInAgain);
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

  /** Redirect to the issuer. If that fails, show the error. */
  async function signInAgain() {
    try {
      await signIn.begin();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      showHalt("stopped", "Signed out", text, { label: "Try again", onChoose: signInAgain });
    }
  }
}
