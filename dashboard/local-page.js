// @ts-check
import { changeStatus, fetchToken, submit } from "./api.js";
import { Compose } from "./compose.js";
import { Dashboard } from "./dashboard.js";
import { StatusMenu } from "./status-menu.js";
import { TenantChoice } from "./tenant.js";

/**
 * Open the page of the local run. Its user can view any tenant, send submissions and change their status.
 *
 * @param {import("./config.js").LocalConfig} config
 */
export function openLocally(config) {
  const dashboard = new Dashboard(() => dashboard.connect());
  const tenant = new TenantChoice(config.tenants, show);
  new Compose(config.forms, (formId, payload) => submit(config, tenant.value, formId, payload));
  new StatusMenu(change);
  show();

  /** Show the selected tenant. */
  function show() {
    const tenantId = tenant.value;
    dashboard.show({ url: config.websocket_url, getToken: () => fetchToken(config, tenantId) });
  }

  /**
   * Request another status. The list changes when the update arrives over the WebSocket.
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
      dashboard.showError(error instanceof Error ? error.message : String(error));
    }
  }
}
