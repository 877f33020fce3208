// @ts-check
import { changeStatus, fetchToken, submit } from "./api.js";
import { Compose } from "./compose.js";
import { Dashboard } from "./dashboard.js";
import { StatusMenu } from "./status-menu.js";
import { TenantChoice } from "./tenant.js";

/**
 * The page beside the local run's API: any tenant may be looked at, submissions can be sent and changed.
 *
 * @param {import("./config.js").LocalConfig} config
 */
export function openLocally(config) {
  const dashboard = new Dashboard(() => dashboard.connect());
  const tenant = new TenantChoice(config.tenants, show);
  new Compose(config.forms, (formId, payload) => submit(config, tenant.value, formId, payload));
  new StatusMenu(change);
  show();

  function show() {
    const tenantId = tenant.value;
    dashboard.show({ url: config.websocket_url, getToken: () => fetchToken(config, tenantId) });
  }

  /**
   * Asks for another status; the list changes when the update comes back on the socket.
   *
   * @param {string} submissionId
   * @param {string} status
   */
  async function change(submissionId, status) {
    const submission = dashboard.find(submissionId);
    if (!submission || submission.status === status) return;
    try {
      await changeStatus(config, submission, status);
    } catch (error) {
      dashboard.fail(error instanceof Error ? error.message : String(error));
    }
  }
}
