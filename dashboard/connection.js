// @ts-check
import { byId, setText } from "./dom.js";
import { MESSAGES } from "./messages.js";
import { showNotice } from "./notice.js";
import { Problem } from "./problem.js";

/** @typedef {import("./client/client.js").ConnectionState} ConnectionState */
/**
 * The texts that describe a state. Without a `text`, the notice does not change: while the page tries to reconnect, the
 * notice about the lost connection stays.
 *
 * @typedef {{label: string, text?: string, action?: string}} Description
 */

const TICK_MS = 250;

/**
 * Return the text for a reason of the client: the message for a code, or the reason itself if it is a sentence.
 *
 * @param {string} reason
 * @param {string} otherwise The text for a code without a message.
 */
function explain(reason, otherwise) {
  if (Object.hasOwn(MESSAGES, reason)) {
    const { text, action } = MESSAGES[/** @type {import("./messages.js").Code} */ (reason)];
    return `${text} ${action}`;
  }
  return reason.includes(" ") ? reason : otherwise;
}

/**
 * Return the text while the page tries to reconnect.
 *
 * @param {string} reason
 */
function explainRetry(reason) {
  if (Object.hasOwn(MESSAGES, reason)) return explain(reason, "");
  return (
    `Not connected (${reason.replace(/\.$/, "")}). ` +
    "What you see may be out of date. The page fetches all changes when it reconnects."
  );
}

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
        text: explainRetry(state.reason),
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
        text: explain(state.reason, explain("token_expired", "")),
        action: "Sign in again",
      };
    case "stopped":
      return {
        label: "Disconnected",
        text: explain(state.reason, `The gateway ended the connection (${state.reason}). Reconnect to continue.`),
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

/**
 * Show why the page does not connect.
 *
 * @param {unknown} error
 * @param {() => void} onChoose Called when the user chooses to try again.
 */
export function showProblem(error, onChoose) {
  const text = error instanceof Error ? error.message : String(error);
  const label = error instanceof Problem && error.kind === "sign_in" ? "Sign in again" : "Try again";
  showHalt("stopped", "Not connected", text, { label, onChoose });
}
