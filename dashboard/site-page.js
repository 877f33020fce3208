// @ts-check
import { Account } from "./account.js";
import { UnauthorizedError } from "./client/client.js";
import { showHalt } from "./connection.js";
import { Dashboard } from "./dashboard.js";
import { SignIn } from "./sign-in.js";
import { TenantChoice } from "./tenant.js";

/**
 * The page on its site: what a person may see is what their ID token grants.
 *
 * @param {import("./config.js").SiteConfig} config
 * @throws {Error} Nobody could be signed in, or whoever did has no tenant; the message says why.
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
      `${signIn.account} belongs to no tenant: the ID token's ${config.tenant_claim} names none. ` +
        "Ask an administrator, or sign out to use another account.",
    );
  }
  const shown = new Dashboard(signInAgain);
  dashboard = shown;
  const tenant = new TenantChoice(tenants, show);
  show();

  function show() {
    const tenantId = tenant.value;
    const url = new URL(config.websocket_url);
    url.searchParams.set("tenant_id", tenantId);
    shown.show({ url: url.href, getToken: (need) => tokenFor(tenantId, need) });
  }

  /**
   * @param {string} tenantId
   * @param {import("./client/token.js").TokenNeed} need
   */
  async function tokenFor(tenantId, need) {
    const token = await signIn.getToken(need);
    if (!signIn.tenants.includes(tenantId)) throw new UnauthorizedError("revoked");
    return token;
  }

  async function signInAgain() {
    try {
      await signIn.begin();
    } catch (error) {
      const text = error instanceof Error ? error.message : String(error);
      showHalt("stopped", "Signed out", text, { label: "Try again", onChoose: signInAgain });
    }
  }
}
