// @ts-check
import { ConnectionView } from "./connection.js";
import { byId } from "./dom.js";
import { SubmissionList } from "./list.js";
import { Session } from "./session.js";
import { Toasts } from "./toasts.js";

/** The live part of the page: one tenant at a time, each as a session of its own. */
export class Dashboard {
  #main = byId("dashboard", HTMLElement);
  #views;
  /** @type {Session | null} */
  #session = null;

  /** @param {() => void} onSignIn The session has ended, and the user asks to sign in again. */
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

  /** @param {import("./session.js").Access} access To another tenant, in place of the one shown. */
  show(access) {
    this.#session?.end();
    this.#main.hidden = false;
    this.#session = new Session(access, this.#views);
  }

  /** Closes the connection, and shows nothing any more. */
  end() {
    this.#session?.end();
    this.#session = null;
    this.#main.hidden = true;
  }

  connect() {
    this.#session?.connect();
  }

  /** @param {string} submissionId */
  find(submissionId) {
    return this.#session?.find(submissionId);
  }

  /** @param {string} message What did not work. */
  fail(message) {
    this.#views.toasts.fail(message);
  }
}
