// @ts-check
import { fullJitter } from "./backoff.js";
import { BEARER_PREFIX, REFUSAL_BY_FRAME, SNAPSHOT_SIZE, SUBPROTOCOL } from "./protocol.js";
import { TokenRenewal, UnauthorizedError } from "./token.js";

export { UnauthorizedError };

/** @typedef {import("./token.js").TokenNeed} TokenNeed */
/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {import("./protocol.js").Filter} Filter */
/** @typedef {import("./protocol.js").SubscribeFrame} SubscribeFrame */
/** @typedef {import("./protocol.js").SyncFrame} SyncFrame */
/** @typedef {import("./protocol.js").GatewayFrame} GatewayFrame */
/** @typedef {import("./protocol.js").Reply} Reply */
/** @typedef {import("./protocol.js").ErrorFrame} ErrorFrame */
/** @typedef {import("./protocol.js").DisconnectFrame} DisconnectFrame */

const OPEN_TIMEOUT_MS = 10_000;
const REPLY_TIMEOUT_MS = 10_000;
const DEFAULT_HEARTBEAT_SECONDS = 300;
/** The client sends `sync` this long after the last reply, even if updates arrive: only a reply moves the cursor. */
const LONGEST_WITHOUT_REPLY_MS = 30 * 60_000;
/** A connection that ends sooner counts as a failed attempt, so that the delay grows while the gateway is unstable. */
const STABLE_AFTER_MS = 30_000;
/** Codes after which the gateway rejects the next connection too, unless it comes with a new token. */
const SIGNED_OUT_CODES = new Set(["token_expired", "revoked"]);

/**
 * The state of the connection. `retryAt` is epoch milliseconds. `reason` is a code of the protocol or a short text.
 *
 * @typedef {{name: "idle"} | {name: "connecting"} | {name: "live"} | {name: "offline"}
 *   | {name: "reconnecting", retryAt: number, reason: string}
 *   | {name: "signed_out", reason: string}
 *   | {name: "stopped", reason: string}} ConnectionState
 */
/**
 * How updates arrived. `snapshot` starts a new view and replaces everything in the old one. `more` is the rest of that
 * snapshot. `repair` is the result of a resume or a `sync`. `push` is an update that the gateway posted live.
 *
 * @typedef {"snapshot" | "more" | "repair" | "push"} Origin
 */
/**
 * @typedef {object} Options
 * @property {string} url The gateway's WebSocket URL.
 * @property {(need: TokenNeed) => Promise<string>} getToken Returns a JWT. The client calls it before each connection
 *   attempt, and before the token of a live connection expires. It asks for a `fresh` token at most once until a
 *   connection is live: a browser does not report why a connection failed, and most often the token is not the cause.
 *   `getToken` throws UnauthorizedError if the user must sign in again. The client stops then; a live connection
 *   continues until its token expires.
 * @property {Filter | null} [filter] The subscription filter. Default: null, all submissions of the tenant.
 * @property {(updates: Update[], origin: Origin) => void} onUpdates Receives updates.
 * @property {(state: ConnectionState) => void} onState Receives each new connection state.
 * @property {(error: ErrorFrame) => void} [onError] Receives each error frame of the gateway. The client also handles
 *   the error itself.
 * @property {typeof WebSocket} [WebSocket]
 * @property {() => boolean} [isOnline] Default: always true.
 * @property {() => number} [now] Returns epoch milliseconds.
 * @property {() => number} [random] Returns a number in [0, 1).
 * @property {(callback: () => void, milliseconds: number) => number} [setTimeout]
 * @property {(timer: number | undefined) => void} [clearTimeout]
 */
/**
 * The request that waits for its reply. There is at most one; `authenticate` requests are separate.
 *
 * @typedef {object} Request
 * @property {string} id
 * @property {"subscribe" | "sync"} action
 * @property {string | null} cursor
 * @property {Update[]} pushes  Updates that arrived in update frames before the reply.
 * @property {number} failures  Number of retryable errors so far.
 * @property {boolean} resync   Whether a `sync` must follow the reply.
 * @property {boolean} outdated Whether the filter has changed since the request was sent.
 */
/** @typedef {"open" | "request" | "heartbeat" | "reply" | "retry"} TimerName */

/**
 * A subscription to one tenant's submissions that survives any number of connections.
 *
 * The client handles the protocol and does not depend on a page. It keeps a cursor, but no submissions.
 */
export class RealtimeClient {
  /** @type {Required<Options>} */
  #options;
  /** @type {ConnectionState} */
  #state = { name: "idle" };
  /** @type {WebSocket | null} */
  #socket = null;
  /** Increases when a connection or an attempt ends. Results that belong to an older generation are ignored. */
  #generation = 0;
  #failures = 0;
  /**
   * When the gateway accepted the subscription of this connection, in epoch milliseconds.
   *
   * @type {number | null}
   */
  #liveSince = null;
  /**
   * Whether the next connection attempt needs a fresh token. `unneeded`: the last token is not suspect. `needed`: the
   * gateway may have rejected it. `requested`: the client has asked for a fresh token since then.
   *
   * @type {"unneeded" | "needed" | "requested"}
   */
  #freshToken = "unneeded";
  #heartbeatMs = DEFAULT_HEARTBEAT_SECONDS * 1_000;
  /**
   * The cursor to resume from: the cursor of the last reply with `complete: true`. Null: start a new view.
   *
   * @type {string | null}
   */
  #cursor = null;
  /**
   * The `filter_id` of all frames for the current view. Undefined: the gateway sends none. Null: not yet known.
   *
   * @type {string | null | undefined}
   */
  #filterId;
  /** @type {Request | null} */
  #request = null;
  #lastId = 0;
  /** @type {TokenRenewal | null} */
  #renewal = null;
  /** @type {Map<TimerName, number>} */
  #timers = new Map();

  /** @param {Options} options */
  constructor(options) {
    this.#options = {
      WebSocket: globalThis.WebSocket,
      isOnline: () => true,
      now: () => Date.now(),
      random: () => Math.random(),
      setTimeout: (callback, milliseconds) => globalThis.setTimeout(callback, milliseconds),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      filter: null,
      onError: () => {},
      ...options,
    };
  }

  /** Connect now: for the first time, after `signed_out` or `stopped`, or before the next scheduled retry. */
  connect() {
    this.#failures = 0;
    this.#open();
  }

  /** Close the connection. The only callback that follows is `onState` with `idle`. */
  close() {
    this.#stop({ name: "idle" });
  }

  /**
   * Replace the filter and start a new view, which begins with a `snapshot`.
   *
   * The connection stays open. If the client is not connected, the filter applies to the next connection.
   *
   * @param {Filter | null} filter
   */
  setFilter(filter) {
    this.#options.filter = filter;
    this.#cursor = null;
    this.#filterId = null;
    // Wait for the pending request: two `subscribe` frames could reach the gateway in either order.
    if (this.#request) this.#request.outdated = true;
    else if (this.#liveSince !== null) this.#send("subscribe", null);
  }

  /** Connect at once, or ask for missed changes. Call it when the page becomes visible or is back online. */
  wake() {
    if (this.#state.name === "reconnecting" || this.#state.name === "offline") this.connect();
    else if (this.#state.name === "live") this.#sync();
  }

  /** Drop the connection, because the device lost its network. A socket may not notice the loss for minutes. */
  networkLost() {
    const { name } = this.#state;
    if (name === "live" || name === "connecting" || name === "reconnecting") this.#retryLater("the network was lost");
  }

  async #open() {
    this.#release();
    const generation = this.#generation;
    const { isOnline, getToken, WebSocket, url } = this.#options;
    this.#setState({ name: isOnline() ? "connecting" : "offline" });
    this.#after("open", OPEN_TIMEOUT_MS, () => this.#retryLater("the gateway did not answer"));
    const need = this.#freshToken === "needed" ? "fresh" : "any";
    if (need === "fresh") this.#freshToken = "requested";
    try {
      const token = await getToken(need);
      if (generation !== this.#generation) return;
      const socket = new WebSocket(withParameters(url, REFUSAL_BY_FRAME), [SUBPROTOCOL, BEARER_PREFIX + token]);
      this.#socket = socket;
      this.#renewal = new TokenRenewal(this.#options, (request) => socket.send(JSON.stringify(request)));
      socket.onopen = () => {
        this.#cancel("open");
        this.#send("subscribe", this.#cursor);
      };
      socket.onmessage = (event) => this.#receive(event.data);
      socket.onclose = () => {
        if (this.#liveSince === null) this.#suspectToken();
        this.#retryLater("the connection was closed");
      };
    } catch (error) {
      if (generation !== this.#generation) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof UnauthorizedError) this.#stop({ name: "signed_out", reason });
      else this.#retryLater(reason);
    }
  }

  /** Send `sync`, unless a request is pending. It is the heartbeat, acknowledges the cursor and repairs the view. */
  #sync() {
    if (this.#request === null) this.#send("sync", this.#cursor);
  }

  /**
   * Send a request. At most one is pending at a time. A `subscribe` without a cursor starts a new view.
   *
   * @param {Request["action"]} action
   * @param {string | null} cursor
   * @param {Partial<Request>} [previous] The request that this one replaces.
   */
  #send(action, cursor, { pushes = [], failures = 0, resync = false } = {}) {
    const id = String(++this.#lastId);
    this.#request = { id, action, cursor, pushes, failures, resync, outdated: false };
    this.#after("request", REPLY_TIMEOUT_MS, () => this.#retryLater("the gateway did not reply"));
    const { filter } = this.#options;
    const resume = cursor === null ? {} : { cursor };
    /** @type {SubscribeFrame | SyncFrame} */
    const frame =
      action === "subscribe"
        ? { action, id, ...resume, snapshot: SNAPSHOT_SIZE, ...(filter && { filter }) }
        : { action, id, ...resume };
    this.#socket?.send(JSON.stringify(frame));
  }

  /**
   * Send the request again, or subscribe to the new view if the request is outdated.
   *
   * @param {Request} request
   */
  #resend(request) {
    if (request.outdated) this.#send("subscribe", null, { resync: request.resync });
    else this.#send(request.action, request.cursor, request);
  }

  /** @param {unknown} text */
  #receive(text) {
    const frame = parse(text);
    switch (frame?.type) {
      case "subscribed":
      case "synced":
        if (this.#request && frame.id === this.#request.id) this.#handleReply(frame, this.#request);
        break;
      case "authenticated":
        this.#renewal?.handleReply(frame);
        break;
      case "submission_update":
        this.#handlePush([frame], frame.filter_id);
        break;
      case "submission_updates":
        this.#handlePush(asList(frame.updates), frame.filter_id);
        break;
      case "resync":
        this.#repair();
        break;
      case "disconnect":
        this.#handleDisconnect(frame);
        break;
      case "error":
        this.#handleError(frame);
        break;
    }
    if (this.#state.name === "live") this.#after("heartbeat", this.#heartbeatMs, () => this.#sync());
  }

  /**
   * Handle the updates of an update frame.
   *
   * A frame for the previous filter may arrive after the reply to the new `subscribe`. The versions of its updates
   * cannot show that it is late: the new view does not know the version of a submission that it does not show, and a
   * `leave` replaces the same version of a submission that it shows. Therefore, the client ignores a frame with another
   * `filter_id` and sends a `sync`, whose reply has all changes that belong to the view. If the gateway sends no
   * `filter_id`, the client cannot recognize a late frame, and accepts all frames that arrive after the reply.
   *
   * @param {Update[]} updates
   * @param {string | undefined} filterId
   */
  #handlePush(updates, filterId) {
    if (filterId !== this.#filterId) {
      this.#repair();
      return;
    }
    this.#request?.pushes.push(...updates);
    this.#options.onUpdates(updates, "push");
  }

  /** Ask for missed updates. A pending request may have read too early, so a `sync` must follow its reply. */
  #repair() {
    if (this.#request) this.#request.resync = true;
    else this.#sync();
  }

  /**
   * @param {Reply} reply
   * @param {Request} request
   */
  #handleReply(reply, request) {
    this.#cancel("request");
    this.#request = null;
    if (request.outdated) {
      this.#resend(request);
      return;
    }
    const fresh = (request.action === "subscribe" && request.cursor === null) || reply.recovered === false;
    const origin = fresh ? "snapshot" : this.#cursor === null ? "more" : "repair";
    // An update frame may arrive before the reply and be newer than the snapshot in the reply.
    const updates = fresh ? [...asList(reply.updates), ...request.pushes] : asList(reply.updates);
    if (fresh) this.#cursor = null;
    if (reply.type === "subscribed") {
      this.#filterId = reply.filter_id;
      this.#heartbeatMs = heartbeatMs(reply.heartbeat_seconds);
      this.#liveSince ??= this.#options.now();
      this.#freshToken = "unneeded";
      this.#renewal?.schedule(reply.expires_at, reply.server_time);
    }
    this.#after("reply", LONGEST_WITHOUT_REPLY_MS, () => this.#sync());
    if (!reply.complete) {
      this.#send("sync", reply.cursor, { resync: request.resync });
    } else {
      this.#cursor = reply.cursor;
      if (request.resync) this.#sync();
    }
    // Call back last, because the callback may set another filter.
    this.#options.onUpdates(updates, origin);
    if (reply.type === "subscribed") this.#setState({ name: "live" });
  }

  /** @param {ErrorFrame} error */
  #handleError(error) {
    this.#options.onError(error);
    if (this.#renewal?.handleReply(error)) return;
    const request = this.#request;
    if (error.code === "unauthorized" && !error.retryable) {
      // The rejected token was fresh, so only a new sign-in can help.
      if (this.#freshToken === "requested") {
        this.#stop({ name: "signed_out", reason: error.code });
      } else {
        this.#suspectToken();
        this.#retryLater(error.code);
      }
    } else if (request === null || error.id !== request.id) {
      return;
    } else if (error.retryable) {
      const wait = error.retry_after_ms ?? fullJitter(request.failures, this.#options.random);
      request.failures += 1;
      this.#after("request", wait, () => this.#resend(request));
    } else if (request.outdated) {
      this.#resend(request);
    } else if (error.code === "bad_cursor" && request.cursor !== null) {
      this.#cursor = null;
      this.#send("subscribe", null, request);
    } else if (request.action === "subscribe") {
      this.#stop({ name: "stopped", reason: error.code });
    } else {
      this.#retryLater(error.code);
    }
  }

  /** @param {DisconnectFrame} frame */
  #handleDisconnect({ code, reconnect }) {
    if (reconnect !== false) {
      if (SIGNED_OUT_CODES.has(code)) this.#suspectToken();
      this.#retryLater(code);
    } else {
      // A token that was issued later may grant the tenant.
      if (code === "forbidden") this.#suspectToken();
      this.#stop({ name: SIGNED_OUT_CODES.has(code) ? "signed_out" : "stopped", reason: code });
    }
  }

  /** Make the next connection attempt ask for a fresh token, because the gateway may have rejected the last one. */
  #suspectToken() {
    if (this.#freshToken === "unneeded") this.#freshToken = "needed";
  }

  /**
   * Drop the connection or attempt, and schedule the next attempt.
   *
   * @param {string} reason
   */
  #retryLater(reason) {
    const { now, random, isOnline } = this.#options;
    if (this.#liveSince !== null && now() - this.#liveSince >= STABLE_AFTER_MS) this.#failures = 0;
    this.#release();
    const wait = fullJitter(this.#failures++, random);
    this.#setState(isOnline() ? { name: "reconnecting", retryAt: now() + wait, reason } : { name: "offline" });
    this.#after("retry", wait, () => this.#open());
  }

  /**
   * Drop the connection without a retry.
   *
   * @param {ConnectionState} state
   */
  #stop(state) {
    this.#release();
    this.#setState(state);
  }

  /** Release the current connection or attempt. Do not wait for the close: it can take minutes on a dead network. */
  #release() {
    this.#generation += 1;
    for (const name of this.#timers.keys()) this.#cancel(name);
    this.#request = null;
    this.#renewal?.stop();
    this.#renewal = null;
    this.#liveSince = null;
    const socket = this.#socket;
    this.#socket = null;
    if (socket === null) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {ConnectionState} state */
  #setState(state) {
    this.#state = state;
    this.#options.onState(state);
  }

  /**
   * Start the timer with this name. If it is running, restart it.
   *
   * @param {TimerName} name
   * @param {number} milliseconds
   * @param {() => void} callback
   */
  #after(name, milliseconds, callback) {
    this.#cancel(name);
    this.#timers.set(name, this.#options.setTimeout(callback, milliseconds));
  }

  /** @param {TimerName} name */
  #cancel(name) {
    this.#options.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/**
 * Return the URL with additional query parameters.
 *
 * @param {string} url
 * @param {Record<string, string>} parameters
 * @returns {string}
 */
function withParameters(url, parameters) {
  const extended = new URL(url);
  for (const [name, value] of Object.entries(parameters)) extended.searchParams.set(name, value);
  return extended.href;
}

/**
 * Parse a frame. The type is what the protocol promises: this function does not check the fields.
 *
 * @param {unknown} text
 * @returns {GatewayFrame | null} Null if the text is not a JSON object.
 */
function parse(text) {
  try {
    const frame = JSON.parse(String(text));
    return frame !== null && typeof frame === "object" ? frame : null;
  } catch {
    return null;
  }
}

/**
 * Return the updates, or an empty list if the frame has no list of updates.
 *
 * @param {Update[] | undefined} updates
 * @returns {Update[]}
 */
function asList(updates) {
  return Array.isArray(updates) ? updates : [];
}

/**
 * Return the heartbeat interval, or the default if the gateway sends no valid one.
 *
 * @param {number | undefined} seconds
 * @returns {number} Milliseconds, at most 30 minutes.
 */
function heartbeatMs(seconds) {
  const valid = typeof seconds === "number" && seconds > 0 ? seconds : DEFAULT_HEARTBEAT_SECONDS;
  return Math.min(valid * 1_000, LONGEST_WITHOUT_REPLY_MS);
}
