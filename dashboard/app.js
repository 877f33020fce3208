// @ts-check
import { loadConfig } from "./api.js";
import { Compose } from "./compose.js";
import { ConnectionView } from "./connection.js";
import { byId, fillSelect } from "./dom.js";
import { SubmissionList } from "./list.js";
import { Session } from "./session.js";
import { StatusMenu } from "./status-menu.js";
import { Toasts } from "./toasts.js";

/** @typedef {import("./api.js").Config} Config */

/** Names the tenant in the page's address, so that a reload or a shared link shows the same one. */
const TENANT_PARAMETER = "tenant";

/** @param {Config} config */
function start(config) {
  const chooser = byId("tenant", HTMLSelectElement);
  fillSelect(chooser, config.tenants);
  const asked = new URL(location.href).searchParams.get(TENANT_PARAMETER);
  if (asked && config.tenants.includes(asked)) chooser.value = asked;

  const views = {
    connection: new ConnectionView(() => session.connect()),
    list: new SubmissionList(() => session.draw()),
    toasts: new Toasts(),
  };
  let session = new Session(config, chooser.value, views);

  new Compose(config.forms, (formId, payload) => session.submit(formId, payload));
  new StatusMenu((submissionId, status) => session.changeStatus(submissionId, status));

  chooser.addEventListener("change", () => {
    const url = new URL(location.href);
    url.searchParams.set(TENANT_PARAMETER, chooser.value);
    history.replaceState(null, "", url);
    session.end();
    session = new Session(config, chooser.value, views);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.visibilityState === "visible") session.wake();
  });
  addEventListener("online", () => session.wake());
  addEventListener("offline", () => session.networkLost());
}

try {
  start(await loadConfig());
} catch (error) {
  const message = error instanceof Error ? error.message : String(error);
  new ConnectionView(() => location.reload()).renderFailure(message);
}
