// @ts-check
import { fullJitter } from "./backoff.js";
import { BEARER_PREFIX, SNAPSHOT_SIZE, SUBPROTOCOL } from "./protocol.js";
import { TokenRenewal, UnauthorizedError } from "./token.js";

export { UnauthorizedError };

/** @typedef {import("./token.js").TokenNeed} TokenNeed */
/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {import("./protocol.js").Filter} Filter */
/** @typedef {import("./protocol.js").Reply} Reply */
/** @typedef {import("./protocol.js").ErrorFrame} ErrorFrame */
/** @typedef {import("./protocol.js").DisconnectFrame} DisconnectFrame */

const OPEN_TIMEOUT_MS = 10_000;
const REPLY_TIMEOUT_MS = 10_000;
const DEFAULT_HEARTBEAT_SECONDS = 300;
/** However busy the connection is: a push acknowledges nothing, so `sync` this long after the last reply. */
const LONGEST_WITHOUT_REPLY_MS = 30 * 60_000;
/** A connection that lived shorter counts as one more failed attempt, so that a flapping gateway is spared. */
const STABLE_AFTER_MS = 30_000;
/** Without a new sign-in, the gateway would refuse the next connection too. */
const SIGNED_OUT_CODES = new Set(["token_expired", "revoked"]);

/**
 * Where the connection stands. `retryAt` is epoch milliseconds; `reason` is a code of the protocol or a few words.
 *
 * @typedef {{name: "idle"} | {name: "connecting"} | {name: "live"} | {name: "offline"}
 *   | {name: "reconnecting", retryAt: number, reason: string}
 *   | {name: "signed_out", reason: string}
 *   | {name: "stopped", reason: string}} ConnectionState
 *
 * How updates came: `snapshot` replaces the whole view and `more` is the rest of it; `repair` is what a resume or a
 * sync found; `push` is live.
 * @typedef {"snapshot" | "more" | "repair" | "push"} Origin
 *
 * @typedef {object} Options
 * @property {string} url The gateway's WebSocket address.
 * @property {(need: TokenNeed) => Promise<string>} getToken Gives a JWT; called before each connection attempt, and
 *   before the token of a connection expires. A `fresh` one is asked for once until a connection is live: a browser does
 *   not say why a connection could not be made, and most often it is no token's fault. Throws UnauthorizedError where
 *   the user has to sign in again: without a connection, the client stops; with one, it goes on as long as that is good.
 * @property {Filter | null} [filter] What to see of the tenant's submissions. Default: everything.
 * @property {(updates: Update[], origin: Origin) => void} onUpdates
 * @property {(state: ConnectionState) => void} onState
 * @property {(error: ErrorFrame) => void} [onError] Each typed error of the gateway; the client acts on it by itself.
 * @property {typeof WebSocket} [WebSocket]
 * @property {() => boolean} [isOnline] Default: true.
 * @property {() => number} [now] Epoch milliseconds.
 * @property {() => number} [random] In [0, 1).
 * @property {(callback: () => void, milliseconds: number) => any} [setTimeout]
 * @property {(timer: any) => void} [clearTimeout]
 *
 * The one request under way; `authenticate` goes beside it. `pushes` are the updates that came in before its reply;
 * `resync`: it is to be followed by a `sync`; `outdated`: the filter has changed since.
 * @typedef {{id: string, action: "subscribe" | "sync", cursor: string | null, pushes: Update[],
 *   failures: number, resync: boolean, outdated: boolean}} Request
 */

/**
 * One tenant's subscription over as many connections as it takes. It knows the protocol and nothing of the page:
 * what it holds is a cursor, never a submission.
 */
export class RealtimeClient {
  /** @type {Required<Options>} */
  #options;
  /** @type {ConnectionState} */
  #state = { name: "idle" };
  /** @type {WebSocket | null} */
  #socket = null;
  /** Rises whenever a connection attempt is given up, so that what still arrives for it is not taken. */
  #generation = 0;
  #failures = 0;
  /** @type {number | null} */
  #liveSince = null;
  /**
   * Whether the gateway may have refused the last token, and whether a fresh one was asked for since.
   *
   * @type {"none" | "raised" | "met"}
   */
  #doubt = "none";
  #heartbeatMs = DEFAULT_HEARTBEAT_SECONDS * 1_000;
  /**
   * The cursor of the last reply with `complete: true`; null where there is none to resume from.
   *
   * @type {string | null}
   */
  #cursor = null;
  /**
   * The `filter_id` of the view's replies, which its pushes have too; null while it is not known.
   *
   * @type {string | null | undefined}
   */
  #filterId;
  /** @type {Request | null} */
  #request = null;
  #lastId = 0;
  /** @type {TokenRenewal | null} */
  #renewal = null;
  /** @type {Map<string, any>} */
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

  /** Connects now: the first time, or after `signed_out` or `stopped`, or without waiting for the next retry. */
  connect() {
    this.#failures = 0;
    this.#open();
  }

  /** Ends it for good; nothing is called back afterwards except `onState` with `idle`. */
  close() {
    this.#halt({ name: "idle" });
  }

  /**
   * Replaces the filter, on the connection that there is, and starts a new view: it begins with a `snapshot`. Where the
   * client is not connected, it takes effect when it is.
   *
   * @param {Filter | null} filter
   */
  setFilter(filter) {
    this.#options.filter = filter;
    this.#cursor = null;
    this.#filterId = null;
    // The request under way is waited for: two subscriptions could reach the gateway in either order.
    if (this.#request) this.#request.outdated = true;
    else if (this.#liveSince !== null) this.#send("subscribe", null);
  }

  /** The page woke up, became visible or came back online: connect without waiting, or ask what was missed. */
  wake() {
    if (this.#state.name === "reconnecting" || this.#state.name === "offline") this.connect();
    else if (this.#state.name === "live") this.#sync();
  }

  /** The device lost its network: a socket may not notice for minutes, so it is given up at once. */
  networkLost() {
    const { name } = this.#state;
    if (name === "live" || name === "connecting" || name === "reconnecting") this.#lost("the network was lost");
  }

  async #open() {
    this.#detach();
    const generation = this.#generation;
    const { isOnline, getToken, WebSocket, url } = this.#options;
    this.#setState({ name: isOnline() ? "connecting" : "offline" });
    this.#after("open", OPEN_TIMEOUT_MS, () => this.#lost("the gateway did not answer"));
    const need = this.#doubt === "raised" ? "fresh" : "any";
    if (need === "fresh") this.#doubt = "met";
    try {
      const token = await getToken(need);
      if (generation !== this.#generation) return;
      const socket = new WebSocket(url, [SUBPROTOCOL, BEARER_PREFIX + token]);
      this.#socket = socket;
      this.#renewal = new TokenRenewal(this.#options, (request) => socket.send(JSON.stringify(request)));
      socket.onopen = () => {
        this.#cancel("open");
        this.#send("subscribe", this.#cursor);
      };
      socket.onmessage = (event) => this.#receive(event.data);
      socket.onclose = () => {
        if (this.#liveSince === null) this.#raiseDoubt();
        this.#lost("the connection was closed");
      };
    } catch (error) {
      if (generation !== this.#generation) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof UnauthorizedError) this.#halt({ name: "signed_out", reason });
      else this.#lost(reason);
    }
  }

  /** Heartbeat, acknowledgment and repair in one. A request under way already does all three. */
  #sync() {
    if (this.#request === null) this.#send("sync", this.#cursor);
  }

  /**
   * Sends a request; there is one at a time. A `subscribe` without a cursor starts a new view.
   *
   * @param {Request["action"]} action
   * @param {string | null} cursor
   * @param {Partial<Request>} [before] The request that this one takes the place of.
   */
  #send(action, cursor, { pushes = [], failures = 0, resync = false } = {}) {
    const id = String(++this.#lastId);
    this.#request = { id, action, cursor, pushes, failures, resync, outdated: false };
    this.#after("request", REPLY_TIMEOUT_MS, () => this.#lost("the gateway did not reply"));
    const { filter } = this.#options;
    const resume = cursor === null ? {} : { cursor };
    const view = action === "subscribe" ? { snapshot: SNAPSHOT_SIZE, ...(filter && { filter }) } : {};
    this.#socket?.send(JSON.stringify({ action, id, ...resume, ...view }));
  }

  /** @param {Request} request Sent again; in place of an outdated one, the new view is asked for. */
  #sendAgain(request) {
    if (request.outdated) this.#send("subscribe", null, { resync: request.resync });
    else this.#send(request.action, request.cursor, request);
  }

  /** @param {unknown} text */
  #receive(text) {
    const frame = parse(text);
    switch (frame?.type) {
      case "subscribed":
      case "synced":
        if (this.#request && frame.id === this.#request.id) this.#replied(frame, this.#request);
        break;
      case "authenticated":
        this.#renewal?.take(frame);
        break;
      case "submission_update":
        this.#pushed([frame], frame.filter_id);
        break;
      case "submission_updates":
        this.#pushed(listed(frame.updates), frame.filter_id);
        break;
      case "resync":
        this.#missed();
        break;
      case "disconnect":
        this.#disconnected(frame);
        break;
      case "error":
        this.#refused(frame);
        break;
    }
    if (this.#state.name === "live") this.#after("heartbeat", this.#heartbeatMs, () => this.#sync());
  }

  /**
   * What was pushed through the former filter may still be under way when the new view stands. Versions do not keep it
   * out: the new view has none for what it does not show, and against what it shows, a `leave` of the same version wins.
   * So what is not known to belong is not taken: a `sync` brings what of it does. Where the gateway's frames have no
   * `filter_id`, all is known to belong that comes after the new view's reply; what is late all the same cannot be told.
   *
   * @param {Update[]} updates
   * @param {unknown} filterId
   */
  #pushed(updates, filterId) {
    if (filterId !== this.#filterId) {
      this.#missed();
      return;
    }
    this.#request?.pushes.push(...updates);
    this.#options.onUpdates(updates, "push");
  }

  /** Something did not get through. A read under way may have passed over it: it is repeated, not relied on. */
  #missed() {
    if (this.#request) this.#request.resync = true;
    else this.#sync();
  }

  /**
   * @param {Reply} reply
   * @param {Request} request
   */
  #replied(reply, request) {
    this.#cancel("request");
    this.#request = null;
    if (request.outdated) {
      this.#sendAgain(request);
      return;
    }
    const fresh = (request.action === "subscribe" && request.cursor === null) || reply.recovered === false;
    const origin = fresh ? "snapshot" : this.#cursor === null ? "more" : "repair";
    // Pushes may overtake the reply, and its snapshot may have been read before them.
    const updates = fresh ? [...listed(reply.updates), ...request.pushes] : listed(reply.updates);
    if (fresh) this.#cursor = null;
    if (reply.type === "subscribed") {
      this.#filterId = reply.filter_id;
      this.#heartbeatMs = heartbeatMs(reply.heartbeat_seconds);
      this.#liveSince ??= this.#options.now();
      this.#doubt = "none";
      this.#renewal?.plan(reply.expires_at, reply.server_time);
    }
    this.#after("reply", LONGEST_WITHOUT_REPLY_MS, () => this.#sync());
    if (!reply.complete) {
      this.#send("sync", reply.cursor, { resync: request.resync });
    } else {
      this.#cursor = reply.cursor;
      if (request.resync) this.#sync();
    }
    // Last, for whoever is told may set another filter.
    this.#options.onUpdates(updates, origin);
    if (reply.type === "subscribed") this.#setState({ name: "live" });
  }

  /** @param {ErrorFrame} error */
  #refused(error) {
    this.#options.onError(error);
    if (this.#renewal?.take(error)) return;
    const request = this.#request;
    if (error.code === "unauthorized" && !error.retryable) {
      // Where this one was fresh, only signing in again can help.
      if (this.#doubt === "met") {
        this.#halt({ name: "signed_out", reason: error.code });
      } else {
        this.#raiseDoubt();
        this.#lost(error.code);
      }
    } else if (request === null || error.id !== request.id) {
      return;
    } else if (error.retryable) {
      const wait = error.retry_after_ms ?? fullJitter(request.failures, this.#options.random);
      request.failures += 1;
      this.#after("request", wait, () => this.#sendAgain(request));
    } else if (request.outdated) {
      this.#sendAgain(request);
    } else if (error.code === "bad_cursor" && request.cursor !== null) {
      this.#cursor = null;
      this.#send("subscribe", null, request);
    } else if (request.action === "subscribe") {
      this.#halt({ name: "stopped", reason: error.code });
    } else {
      this.#lost(error.code);
    }
  }

  /** @param {DisconnectFrame} frame */
  #disconnected({ code, reconnect }) {
    if (reconnect !== false) {
      if (SIGNED_OUT_CODES.has(code)) this.#raiseDoubt();
      this.#lost(code);
    } else {
      this.#halt({ name: SIGNED_OUT_CODES.has(code) ? "signed_out" : "stopped", reason: code });
    }
  }

  #raiseDoubt() {
    if (this.#doubt === "none") this.#doubt = "raised";
  }

  /** @param {string} reason */
  #lost(reason) {
    const { now, random, isOnline } = this.#options;
    if (this.#liveSince !== null && now() - this.#liveSince >= STABLE_AFTER_MS) this.#failures = 0;
    this.#detach();
    const wait = fullJitter(this.#failures++, random);
    this.#setState(isOnline() ? { name: "reconnecting", retryAt: now() + wait, reason } : { name: "offline" });
    this.#after("retry", wait, () => this.#open());
  }

  /** @param {ConnectionState} state */
  #halt(state) {
    this.#detach();
    this.#setState(state);
  }

  /** Lets go of the present connection or attempt. Closing can take minutes on a dead network: nobody waits for it. */
  #detach() {
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
   * One timer a name: setting it again starts it anew.
   *
   * @param {"open" | "request" | "heartbeat" | "reply" | "retry"} name
   * @param {number} milliseconds
   * @param {() => void} callback
   */
  #after(name, milliseconds, callback) {
    this.#cancel(name);
    this.#timers.set(name, this.#options.setTimeout(callback, milliseconds));
  }

  /** @param {string} name */
  #cancel(name) {
    this.#options.clearTimeout(this.#timers.get(name));
    this.#timers.delete(name);
  }
}

/**
 * @param {unknown} text
 * @returns {any} The frame, or null for what is no JSON object.
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
 * @param {unknown} updates
 * @returns {Update[]}
 */
function listed(updates) {
  return Array.isArray(updates) ? updates : [];
}

/** @param {unknown} seconds */
function heartbeatMs(seconds) {
  const valid = typeof seconds === "number" && seconds > 0 ? seconds : DEFAULT_HEARTBEAT_SECONDS;
  return Math.min(valid * 1_000, LONGEST_WITHOUT_REPLY_MS);
}
