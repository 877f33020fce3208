// @ts-check
import { ConnectionView } from "./connection.js";
import { byId } from "./dom.js";
import { SubmissionList } from "./list.js";
import { Session } from "./session.js";
import { Toasts } from "./toasts.js";

/** The live part of the page. It shows one tenant at a time, in a session per tenant. */
export class Dashboard {
  #main = byId("dashboard", HTMLElement);
  #views;
  /** @type {Session | null} */
  #session = null;

  /** @param {() => void} onSignIn Called when the session has ended and the user chooses to sign in again. */
  constructor(onSignIn) {
    this.#views = {
      connection: new ConnectionView(() => this.connect(), onSignIn),
      list: new SubmissionList(() => this.#session?.draw()),
      toasts: new Toasts(),
    };
    document.addEventListener("visibilitychange", () => {
      if (document.visibilityState === "visible") this.#session?.wake();
    });
    addEventListener("online", () => this.#session?.wake());
    addEventListener("offline", () => this.#session?.networkLost());
  }

  /**
   * Show a tenant instead of the current one.
   *
   * @param {import("./session.js").Access} access
   */
  show(access) {
    this.#session?.end();
    this.#main.hidden = false;
    this.#session = new Session(access, this.#views);
  }

  /** Close the connection and hide the dashboard. */
  end() {
    this.#session?.end();
    this.#session = null;
    this.#main.hidden = true;
  }

  /** Connect now, without waiting for the next retry. */
  connect() {
    this.#session?.connect();
  }

  /**
   * Return the submission, or undefined if it is not in view.
   *
   * @param {string} submissionId
   */
  find(submissionId) {
    return this.#session?.find(submissionId);
  }

  /**
   * Show an error to the user.
   *
   * @param {string} message
   */
  showError(message) {
    this.#views.toasts.showError(message);
  }
}
