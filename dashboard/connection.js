// @ts-check
import { byId, setText } from "./dom.js";
import { showNotice } from "./notice.js";

/** @typedef {import("./client/client.js").ConnectionState} ConnectionState */
/**
 * The texts that describe a state. Without a `text`, the notice does not change: while the page tries to reconnect, the
 * notice about the lost connection stays.
 *
 * @typedef {{label: string, text?: string, action?: string}} Description
 */

const TICK_MS = 250;

/**
 * Texts for the user, by the code with which the gateway stopped the client.
 *
 * @type {Record<string, string>}
 */
const STOP_REASONS = {
  too_many_connections: "Too many dashboards are open for this tenant. Close one of them, then reconnect.",
  too_many_connections_of_user: "You have too many dashboards open. Close one of them, then reconnect.",
  protocol_error: "The gateway rejected a message of this page. Reload the page to get the current version.",
  too_large: "The gateway rejected the subscription of this page, because it is too large. Reload the page.",
  too_many_filters:
    "The dashboards of this tenant have too many different filters. Remove the filter of this page, or close others.",
  revoked: "Access to this tenant was revoked. Sign in again to continue.",
  forbidden: "Your account has no access to this tenant. Ask your administrator for access, then reconnect.",
};

/**
 * Texts for the user, by the code with which the gateway refused a connection for now.
 *
 * @type {Record<string, string>}
 */
const RETRY_REASONS = {
  too_many_connections:
    "Too many dashboards are open for this tenant. Close one of them. This page connects as soon as there is room.",
  too_many_connections_of_user:
    "You have too many dashboards open. Close one of them. This page connects as soon as there is room.",
};

/**
 * Describe the state to the user.
 *
 * @param {ConnectionState} state
 * @returns {Description}
 */
function describe(state) {
  switch (state.name) {
    case "idle":
      return { label: "Not connected", text: "" };
    case "connecting":
      return { label: "Connecting" };
    case "live":
      return { label: "Live", text: "" };
    case "reconnecting":
      return {
        label: "Reconnecting",
        text:
          RETRY_REASONS[state.reason] ??
          `Not connected (${state.reason.replace(/\.$/, "")}). ` +
          "What you see may be out of date. The page fetches all changes when it reconnects.",
        action: "Reconnect now",
      };
    case "offline":
      return {
        label: "Offline",
        text: "This device has no network. The page reconnects as soon as the network is back.",
        action: "Try now",
      };
    case "signed_out":
      return {
        label: "Signed out",
        text: STOP_REASONS[state.reason] ?? "Your session has ended. Sign in again to receive submissions.",
        action: "Sign in again",
      };
    case "stopped":
      return {
        label: "Disconnected",
        text:
          STOP_REASONS[state.reason] ?? `The gateway ended the connection (${state.reason}). Reconnect to continue.`,
        action: "Reconnect",
      };
  }
}

/** The connection's state in the header, and the notice below it that explains the state and offers an action. */
export class ConnectionView {
  #pill = byId("connection", HTMLParagraphElement);
  #label = byId("connection-label", HTMLSpanElement);
  #countdown = byId("connection-countdown", HTMLSpanElement);
  #onConnect;
  #onSignIn;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticker;

  /**
   * @param {() => void} onConnect Called when the user chooses to connect now.
   * @param {() => void} onSignIn Called when the session has ended and the user chooses to sign in again.
   */
  constructor(onConnect, onSignIn) {
    this.#onConnect = onConnect;
    this.#onSignIn = onSignIn;
  }

  /**
   * Show the state.
   *
   * @param {ConnectionState} state
   */
  render(state) {
    const { label, text, action } = describe(state);
    this.#pill.dataset.state = state.name;
    setText(this.#label, label);
    clearInterval(this.#ticker);
    this.#countdown.textContent = "";
    if (state.name === "reconnecting") {
      const tick = () => {
        const seconds = Math.ceil((state.retryAt - Date.now()) / 1_000);
        setText(this.#countdown, `in ${Math.max(0, seconds)} s`);
      };
      this.#ticker = setInterval(tick, TICK_MS);
      tick();
    }
    if (text === undefined) return;
    const onChoose = state.name === "signed_out" ? this.#onSignIn : this.#onConnect;
    showNotice(text, action === undefined ? undefined : { label: action, onChoose });
  }
}

/**
 * Show that the page waits for the user.
 *
 * @param {"idle" | "stopped"} state `idle`: the expected state, such as signed out. `stopped`: a failure.
 * @param {string} label One or two words for the header.
 * @param {string} text The notice.
 * @param {{label: string, onChoose: () => void}} action
 */
export function showHalt(state, label, text, action) {
  byId("connection", HTMLParagraphElement).dataset.state = state;
  setText(byId("connection-label", HTMLSpanElement), label);
  showNotice(text, action);
}
