// @ts-check
import { byId, setText } from "./dom.js";
import { showNotice } from "./notice.js";

/** @typedef {import("./client/client.js").ConnectionState} ConnectionState */
/**
 * Without a `text`, what the page says stays: an attempt after a loss is not the end of it.
 *
 * @typedef {{label: string, text?: string, action?: string}} Description
 */

const TICK_MS = 250;

/** @type {Record<string, string>} */
const STOP_REASONS = {
  too_many_connections: "Too many dashboards are open for this tenant. Close one of them, then reconnect.",
  protocol_error: "The gateway did not understand this page. Reload it to get the current version.",
  revoked: "Access to this tenant was taken back. Sign in again to go on.",
};

/** @type {Record<ConnectionState["name"], (state: any) => Description>} */
const DESCRIPTIONS = {
  idle: () => ({ label: "Not connected", text: "" }),
  connecting: () => ({ label: "Connecting" }),
  live: () => ({ label: "Live", text: "" }),
  reconnecting: ({ reason }) => ({
    label: "Reconnecting",
    text:
      `Not connected (${reason.replace(/\.$/, "")}). ` +
      "What you see may be out of date; what changed meanwhile is fetched on reconnecting.",
    action: "Reconnect now",
  }),
  offline: () => ({
    label: "Offline",
    text: "This device has no network. The page reconnects by itself as soon as it is back.",
    action: "Try now",
  }),
  signed_out: ({ reason }) => ({
    label: "Signed out",
    text: STOP_REASONS[reason] ?? "Your session has ended. Sign in again to go on receiving submissions.",
    action: "Sign in again",
  }),
  stopped: ({ reason }) => ({
    label: "Disconnected",
    text: STOP_REASONS[reason] ?? `The gateway ended the connection (${reason}). Reconnect to go on.`,
    action: "Reconnect",
  }),
};

/** The connection's state in the header, and below it what it means and what to do. */
export class ConnectionView {
  #pill = byId("connection", HTMLParagraphElement);
  #label = byId("connection-label", HTMLSpanElement);
  #countdown = byId("connection-countdown", HTMLSpanElement);
  #onConnect;
  #onSignIn;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #ticker;

  /**
   * @param {() => void} onConnect The user asks to connect now.
   * @param {() => void} onSignIn The session has ended, and the user asks to sign in again.
   */
  constructor(onConnect, onSignIn) {
    this.#onConnect = onConnect;
    this.#onSignIn = onSignIn;
  }

  /** @param {ConnectionState} state */
  render(state) {
    const { label, text, action } = DESCRIPTIONS[state.name](state);
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
 * Says that the page does not go on by itself.
 *
 * @param {"idle" | "stopped"} state Whether that is as it should be, or a failure.
 * @param {string} label In a word or two.
 * @param {string} text
 * @param {{label: string, onChoose: () => void}} action
 */
export function showHalt(state, label, text, action) {
  byId("connection", HTMLParagraphElement).dataset.state = state;
  setText(byId("connection-label", HTMLSpanElement), label);
  showNotice(text, action);
}
