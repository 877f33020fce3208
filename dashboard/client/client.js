// @ts-check
import { fullJitter } from "./backoff.js";
import { BEARER_PREFIX, MAX_HELD, MAX_HELD_BYTES, REFUSAL_BY_FRAME, SNAPSHOT_SIZE, SUBPROTOCOL } from "./protocol.js";
import { RefusalCheck } from "./refusal.js";
import { TokenRenewal, UnauthorizedError } from "./token.js";

export { UnauthorizedError };

/** @typedef {import("./token.js").TokenNeed} TokenNeed */
/** @typedef {import("./protocol.js").Update} Update */
/** @typedef {import("./protocol.js").Held} Held */
/** @typedef {import("./protocol.js").Filter} Filter */
/** @typedef {import("./protocol.js").SubscribeFrame} SubscribeFrame */
/** @typedef {import("./protocol.js").SyncFrame} SyncFrame */
/** @typedef {import("./protocol.js").ReconcileFrame} ReconcileFrame */
/** @typedef {import("./protocol.js").UpdateFrame} UpdateFrame */
/** @typedef {import("./protocol.js").UpdatesFrame} UpdatesFrame */
/** @typedef {import("./protocol.js").GatewayFrame} GatewayFrame */
/** @typedef {import("./protocol.js").Reply} Reply */
/** @typedef {import("./protocol.js").ErrorFrame} ErrorFrame */
/** @typedef {import("./protocol.js").DisconnectFrame} DisconnectFrame */

const OPEN_TIMEOUT_MS = 10_000;
/** API Gateway limits an integration to 29 seconds, so no reply arrives later. */
const REPLY_TIMEOUT_MS = 30_000;
const DEFAULT_HEARTBEAT_SECONDS = 300;
/** The client sends `sync` this long after the last reply, even if updates arrive: only a reply moves the cursor. */
const LONGEST_WITHOUT_REPLY_MS = 30 * 60_000;
/** The client sends `reconcile` this long after the last comparison of the held submissions with the table. */
const RECONCILE_INTERVAL_MS = 24 * 3600 * 1_000;
/** A connection that ends sooner counts as a failed attempt, so that the delay grows while the gateway is unstable. */
const STABLE_AFTER_MS = 30_000;
/** Names of this machine, to which the client also connects without TLS. */
const LOOPBACK = new Set(["localhost", "127.0.0.1", "[::1]"]);
/** Codes after which the gateway rejects the next connection too, unless it comes with a new token. */
const SIGNED_OUT_CODES = new Set(["token_expired", "revoked"]);

/**
 * The state of the connection. `retryAt` is epoch milliseconds. `reason` is a code of the protocol, `token_refused` or a
 * short text.
 *
 * @typedef {{name: "idle"} | {name: "connecting"} | {name: "live"} | {name: "offline"}
 *   | {name: "reconnecting", retryAt: number, reason: string}
 *   | {name: "signed_out", reason: string}
 *   | {name: "stopped", reason: string}} ConnectionState
 */
/**
 * How updates arrived. `snapshot` starts a new view and replaces everything in the old one. `more` is the rest of that
 * snapshot. `repair` is the result of a resume or a `sync`. `reconciled` is the result of a comparison of the held
 * submissions with the table. `live` is an update that the gateway posted in an update frame.
 *
 * @typedef {"snapshot" | "more" | "repair" | "reconciled" | "live"} Origin
 */
/**
 * @typedef {object} Options
 * @property {string} url The gateway's WebSocket URL: `wss://…`. It may be `ws://…` for a gateway on this machine.
 * @property {(need: TokenNeed) => Promise<string>} getToken Returns a JWT. The client calls it before each connection
 *   attempt, and before the token of a live connection expires. It asks for a `fresh` token at most once until a
 *   connection is live: a browser does not report why a connection failed, and most often the token is not the cause.
 *   `getToken` throws UnauthorizedError if the user must sign in again. The client stops then; a live connection
 *   continues until its token expires.
 * @property {Filter | null} [filter] The subscription filter. Default: null, all submissions of the tenant.
 * @property {(updates: Update[], origin: Origin, sent: ReadonlyMap<string, Held>) => void} onUpdates Receives updates.
 *   `sent` is for `SubmissionStore.apply`: the submissions that the `reconcile` request contained, by id. It is empty
 *   unless the origin is `reconciled`.
 * @property {(state: ConnectionState) => void} onState Receives each new connection state.
 * @property {(() => Held[]) | null} [getHeld] Returns the submissions that the caller holds. The client compares them
 *   with the table after a long gap, and once per 24 hours. Default: null, the client does not reconcile.
 * @property {(error: ErrorFrame) => void} [onError] Receives each error frame of the gateway. The client also handles
 *   the error itself.
 * @property {typeof WebSocket} [WebSocket]
 * @property {typeof fetch} [fetch]
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
 * @property {"subscribe" | "sync" | "reconcile"} action
 * @property {string | null} cursor
 * @property {Page} page        What a `reconcile` request asks for.
 * @property {(UpdateFrame | UpdatesFrame)[]} frames The update frames that arrived before the reply. They may be newer
 *   than the data in the reply.
 * @property {number} failures  Number of retryable errors so far.
 * @property {boolean} settles  Whether a `sync` must follow when the writes have settled that the reply may lack.
 * @property {boolean} outdated Whether the filter has changed since the request was sent.
 */
/**
 * One of the requests in which the client reconciles.
 *
 * @typedef {{held: Held[], snapshot: number}} Page
 */
/**
 * What to send as soon as no request is pending. `repair`: a `sync` because updates may be missing, after which the
 * writes must settle. `sync`: another `sync`. `reconcile`: the first page of a reconciliation.
 *
 * @typedef {"repair" | "sync" | "reconcile"} Due
 */
/** @typedef {"open" | "request" | "heartbeat" | "reply" | "settle" | "reconcile" | "retry"} TimerName */

/** @type {Page} */
const EMPTY_PAGE = { held: [], snapshot: 0 };

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
  #refusals;
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
   * The `filter_id` of all frames for the current view. Null: the view has no filter.
   *
   * @type {string | null}
   */
  #filterId = null;
  /** The epoch of the view: that of the last reply. Frames of a lower epoch belong to a history that was replaced. */
  #epoch = 0;
  /** @type {Request | null} */
  #request = null;
  /** @type {Set<Due>} */
  #due = new Set();
  /**
   * The pages of a reconciliation that are still to be sent. They outlive the connection.
   *
   * @type {Page[]}
   */
  #pages = [];
  /** When the last reconciliation or the view started, in epoch milliseconds. */
  #reconciledAt = 0;
  #lastFrameAt = 0;
  /** How far the server's clock is ahead of this device's clock, which may be wrong. */
  #clockAheadMs = 0;
  #lastId = 0;
  /** @type {TokenRenewal | null} */
  #renewal = null;
  /** @type {Map<TimerName, number>} */
  #timers = new Map();

  /**
   * @param {Options} options
   * @throws {Error} The URL is not a WebSocket URL, or it has no TLS and leads to another machine.
   */
  constructor(options) {
    checkUrl(options.url);
    this.#options = {
      WebSocket: globalThis.WebSocket,
      fetch: (input, init) => globalThis.fetch(input, init),
      isOnline: () => true,
      now: () => Date.now(),
      random: () => Math.random(),
      setTimeout: (callback, milliseconds) => globalThis.setTimeout(callback, milliseconds),
      clearTimeout: (timer) => globalThis.clearTimeout(timer),
      filter: null,
      getHeld: null,
      onError: () => {},
      ...options,
    };
    this.#refusals = new RefusalCheck(this.#options);
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
   * Replace the filter and start a new view, which begins with a `snapshot`. Until then, the current view continues.
   *
   * The connection stays open. If the client is not connected, the filter applies to the next connection.
   *
   * @param {Filter | null} filter
   */
  setFilter(filter) {
    this.#options.filter = filter;
    this.#cursor = null;
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

  /**
   * Return the server's time. Use it to compare with `expires_at` and other times of the protocol.
   *
   * @returns {number} Epoch milliseconds. Before the first reply, the time of this device.
   */
  serverTime() {
    return this.#options.now() + this.#clockAheadMs;
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
      const now = () => this.serverTime();
      this.#renewal = new TokenRenewal({ ...this.#options, now }, (request) => socket.send(JSON.stringify(request)));
      socket.onopen = () => {
        this.#cancel("open");
        this.#refusals.clear();
        this.#checkGap();
        this.#send("subscribe", this.#cursor);
      };
      socket.onmessage = (event) => this.#receive(event.data);
      socket.onclose = () => this.#handleClose(generation);
    } catch (error) {
      if (generation !== this.#generation) return;
      const reason = error instanceof Error ? error.message : String(error);
      if (error instanceof UnauthorizedError) this.#stop({ name: "signed_out", reason });
      else this.#retryLater(reason);
    }
  }

  /** @param {number} generation The generation of the connection or attempt that was closed. */
  async #handleClose(generation) {
    if (this.#liveSince === null) this.#suspectToken();
    const isHandshake = this.#timers.has("open");
    const isRefused = isHandshake && (await this.#refusals.add(this.#freshToken === "requested"));
    if (generation !== this.#generation) return;
    if (isRefused) this.#retryLater("token_refused", this.#refusals.wait);
    else this.#retryLater("the connection was closed");
  }

  /** Send `sync`, unless the pending request does the same. It is the heartbeat, and it repairs the view. */
  #sync() {
    if (this.#request === null || this.#request.action === "reconcile") this.#sendSoon("sync");
  }

  /** @param {Due} due What to send now, or after the reply to the pending request. */
  #sendSoon(due) {
    this.#due.add(due);
    this.#sendDue();
  }

  /** Send the next request that is due, unless one is pending. */
  #sendDue() {
    if (this.#request !== null || this.#liveSince === null) return;
    if (this.#due.delete("repair")) {
      this.#due.delete("sync");
      this.#send("sync", this.#cursor, { settles: true });
    } else if (this.#due.delete("sync")) {
      this.#send("sync", this.#cursor);
    } else {
      if (this.#pages.length === 0 && this.#due.delete("reconcile")) this.#startReconciliation();
      const page = this.#pages.shift();
      if (page) this.#send("reconcile", null, { page });
    }
  }

  /** Divide the held submissions into pages. The first also asks for new submissions, which the view may lack. */
  #startReconciliation() {
    const { getHeld, now } = this.#options;
    if (!getHeld) return;
    this.#pages = divide(getHeld()).map((held, index) => ({
      held,
      snapshot: index === 0 ? Math.min(SNAPSHOT_SIZE, MAX_HELD) : 0,
    }));
    this.#reconciledAt = now();
    this.#scheduleReconciliation();
  }

  #scheduleReconciliation() {
    const wait = this.#reconciledAt + RECONCILE_INTERVAL_MS - this.#options.now();
    this.#after("reconcile", Math.max(0, wait), () => this.#sendSoon("reconcile"));
  }

  /** Reconcile after the resume if the gap was long. A resume does not report the rows that no longer exist. */
  #checkGap() {
    if (this.#options.now() - this.#lastFrameAt <= this.#heartbeatMs) return;
    this.#pages = [];
    this.#reconciledAt = -Infinity;
  }

  /**
   * Send a request. At most one is pending at a time. A `subscribe` without a cursor starts a new view.
   *
   * @param {Request["action"]} action
   * @param {string | null} cursor
   * @param {Partial<Request>} [values] Other values, for example those of the request that this one replaces.
   */
  #send(action, cursor, { page = EMPTY_PAGE, frames = [], failures = 0, settles = action === "subscribe" } = {}) {
    const id = String(++this.#lastId);
    this.#request = { id, action, cursor, page, frames, failures, settles, outdated: false };
    this.#after("request", REPLY_TIMEOUT_MS, () => this.#retryLater("the gateway did not reply"));
    this.#socket?.send(JSON.stringify(this.#toFrame(this.#request)));
  }

  /**
   * @param {Request} request
   * @returns {SubscribeFrame | SyncFrame | ReconcileFrame}
   */
  #toFrame({ id, action, cursor, page }) {
    const { filter } = this.#options;
    const resume = cursor === null ? {} : { cursor };
    switch (action) {
      case "subscribe":
        return { action, id, ...resume, snapshot: SNAPSHOT_SIZE, ...(filter && { filter }) };
      case "sync":
        return { action, id, ...resume, filter_id: this.#filterId };
      case "reconcile":
        return { action, id, ...page };
    }
  }

  /**
   * Send the request again, or subscribe to the new view if the request is outdated.
   *
   * @param {Request} request
   */
  #resend(request) {
    if (request.outdated) this.#send("subscribe", null);
    else this.#send(request.action, request.cursor, request);
  }

  /** @param {unknown} text */
  #receive(text) {
    this.#lastFrameAt = this.#options.now();
    const frame = parse(text);
    switch (frame?.type) {
      case "subscribed":
      case "synced":
      case "reconciled":
        if (this.#request && frame.id === this.#request.id) this.#handleReply(frame, this.#request);
        break;
      case "authenticated":
        this.#renewal?.handleReply(frame);
        break;
      case "submission_update":
      case "submission_updates":
        this.#handleUpdateFrame(frame);
        break;
      case "resync":
        this.#sendSoon("repair");
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
   * Handle a frame with updates that the gateway posted.
   *
   * Frames and replies may overtake each other. Therefore, the client keeps the frames that arrive while it waits for a
   * reply. While it waits for the reply to `subscribe`, it does not know the `filter_id` of the new view yet, so it
   * delivers them only after the reply.
   *
   * @param {UpdateFrame | UpdatesFrame} frame
   */
  #handleUpdateFrame(frame) {
    const { timestamp } = frame;
    // The frame may have been on its way for a while, so the server's time is at least its timestamp.
    if (timestamp) this.#clockAheadMs = Math.max(this.#clockAheadMs, timestamp - this.#options.now());
    this.#request?.frames.push(frame);
    if (this.#request?.action !== "subscribe") this.#deliverFrame(frame);
    if (epochOf(frame) > this.#epoch) this.#sendSoon("repair");
  }

  /** @param {UpdateFrame | UpdatesFrame} frame */
  #deliverFrame(frame) {
    if (this.#isInView(frame)) this.#options.onUpdates(listUpdates(frame), "live", new Map());
  }

  /**
   * Return whether a frame belongs to the view.
   *
   * A frame for the previous filter or the previous history may arrive late. The versions of its updates cannot show
   * that: the view does not know the version of a submission that it does not show, and a `leave` replaces the same
   * version of a submission that it shows.
   *
   * @param {UpdateFrame | UpdatesFrame} frame
   */
  #isInView(frame) {
    return (frame.filter_id ?? null) === this.#filterId && epochOf(frame) >= this.#epoch;
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
    const { now, onUpdates } = this.#options;
    const generation = this.#generation;
    const isNewView = (request.action === "subscribe" && request.cursor === null) || reply.recovered === false;
    const origin = isNewView ? "snapshot" : this.#nameOrigin(reply);
    if (reply.server_time) this.#clockAheadMs = reply.server_time - now();
    // The cursor belongs to the replaced history. The reply to a `sync` with it starts a new view.
    if (!isNewView && epochOf(reply) > this.#epoch) this.#due.add("repair");
    this.#epoch = epochOf(reply);
    if (isNewView) {
      this.#cursor = null;
      this.#pages = [];
      this.#reconciledAt = now();
    }
    if (reply.type === "subscribed") {
      this.#filterId = reply.filter_id ?? null;
      this.#heartbeatMs = heartbeatMs(reply.heartbeat_seconds);
      this.#liveSince ??= now();
      this.#freshToken = "unneeded";
      this.#renewal?.schedule(reply.expires_at);
    }
    if (isNewView || reply.type === "subscribed") this.#scheduleReconciliation();
    this.#handleCursor(reply, request.settles || isNewView);

    // Call back last, because the callbacks may set another filter or close the client.
    const frames = request.frames.filter((frame) => this.#isInView(frame));
    const updates = asList(reply.updates);
    const sent = new Map(request.page.held.map((held) => [held[0], held]));
    onUpdates(isNewView ? [...updates, ...frames.flatMap(listUpdates)] : updates, origin, sent);
    if (!isNewView && request.action === "subscribe") {
      for (const frame of frames) if (generation === this.#generation) this.#deliverFrame(frame);
    }
    if (generation !== this.#generation) return;
    if (reply.type === "subscribed") this.#setState({ name: "live" });
    this.#sendDue();
  }

  /**
   * Return the origin of the updates in a reply that continues the view.
   *
   * @param {Reply} reply
   * @returns {Origin}
   */
  #nameOrigin(reply) {
    if (reply.type === "reconciled") return "reconciled";
    return this.#cursor === null ? "more" : "repair";
  }

  /**
   * Keep the cursor of a complete reply. After an incomplete reply, ask for the rest.
   *
   * @param {Reply} reply
   * @param {boolean} settles
   */
  #handleCursor({ cursor, complete, settle_seconds }, settles) {
    if (cursor === undefined) return;
    this.#after("reply", LONGEST_WITHOUT_REPLY_MS, () => this.#sync());
    if (!complete) {
      this.#send("sync", cursor, { settles });
      return;
    }
    this.#cursor = cursor;
    if (settles && settle_seconds) this.#after("settle", settle_seconds * 1_000, () => this.#sendSoon("sync"));
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
      this.#send("subscribe", null, { frames: request.frames });
    } else if (error.code === "superseded") {
      // Another request of this connection has changed the subscription.
      this.#send("subscribe", this.#cursor, { frames: request.frames });
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
   * @param {number} [longWait] Milliseconds to wait. Default: a delay that grows with each failure.
   */
  #retryLater(reason, longWait) {
    const { now, random, isOnline } = this.#options;
    if (this.#liveSince !== null && now() - this.#liveSince >= STABLE_AFTER_MS) this.#failures = 0;
    this.#release();
    const wait = longWait ?? fullJitter(this.#failures, random);
    this.#failures += 1;
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
    this.#due.clear();
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
 * Check that the token will be sent over TLS, or will not leave this machine.
 *
 * @param {string} url
 */
function checkUrl(url) {
  const { protocol, hostname, origin } = new URL(url);
  if (protocol === "wss:" || (protocol === "ws:" && LOOPBACK.has(hostname))) return;
  throw new Error(`url: must be wss://HOST/STAGE, or ws:// with localhost, 127.0.0.1 or [::1], got ${origin}`);
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
 * Return the updates that a frame carries.
 *
 * @param {UpdateFrame | UpdatesFrame} frame
 * @returns {Update[]}
 */
function listUpdates(frame) {
  return frame.type === "submission_update" ? [frame] : asList(frame.updates);
}

/**
 * Return the epoch of a frame, or 0 if the gateway sends none.
 *
 * @param {{epoch?: number}} frame
 */
function epochOf({ epoch = 0 }) {
  return epoch;
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

/**
 * Divide the held submissions into parts that each fit into one `reconcile` request. There is at least one part.
 *
 * @param {Held[]} held
 * @returns {Held[][]}
 */
function divide(held) {
  const encoder = new TextEncoder();
  /** @type {Held[]} */
  let part = [];
  const parts = [part];
  let bytes = 0;
  for (const one of held) {
    const size = encoder.encode(JSON.stringify(one)).length + 1; // with the comma
    if (part.length === MAX_HELD || bytes + size > MAX_HELD_BYTES) {
      part = [];
      parts.push(part);
      bytes = 0;
    }
    part.push(one);
    bytes += size;
  }
  return parts;
}
