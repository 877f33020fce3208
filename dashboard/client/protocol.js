// @ts-check
/**
 * Types and constants of the wire protocol `formbridge.v1`. This module has no behaviour.
 *
 * @typedef {object} Submission
 * @property {string} tenant_id
 * @property {string} submission_id
 * @property {string} form_id
 * @property {string} status
 * @property {number} version        Increases by 1 with each write of the submission.
 * @property {string} submitted_at   ISO 8601, UTC, with milliseconds.
 * @property {string} updated_at     ISO 8601, UTC, with milliseconds.
 * @property {number} [expires_at]   Epoch seconds at which a client drops the submission. Absent: never.
 *
 * @typedef {"insert" | "modify" | "leave" | "remove"} UpdateEvent
 *
 * @typedef {object} Update
 * @property {UpdateEvent} event
 * @property {Submission} data       `leave`: only `submission_id`, `version`, `tenant_id` and `event` are present.
 */
/**
 * A subscription filter: an EventBridge event pattern over `form_id`, `status` and `submission_id`.
 *
 * @typedef {Record<string, unknown>} Filter
 */
/**
 * Frames that the client sends.
 *
 * @typedef {object} SubscribeFrame
 * @property {"subscribe"} action
 * @property {string} id
 * @property {string} [cursor]       Resumes from this cursor. Absent: starts a new view.
 * @property {number} snapshot       Number of submissions in a new view.
 * @property {Filter} [filter]       Absent: all submissions of the tenant.
 *
 * @typedef {object} SyncFrame
 * @property {"sync"} action
 * @property {string} id
 * @property {string} [cursor]
 *
 * @typedef {object} AuthenticateFrame
 * @property {"authenticate"} action
 * @property {string} id
 * @property {string} token
 */
/**
 * Frames that the gateway sends.
 *
 * @typedef {object} Reply           A `subscribed` or `synced` frame.
 * @property {"subscribed" | "synced"} type
 * @property {string} id
 * @property {string} cursor
 * @property {Update[]} updates
 * @property {boolean} complete      False: more updates are waiting; `sync` again with this cursor.
 * @property {boolean} [recovered]   False: the cursor was too old, and `updates` is a new snapshot.
 * @property {string} [filter_id]    Identifies the filter of the view. Its update frames have the same value.
 * @property {number} [heartbeat_seconds]
 * @property {number} [expires_at]   Epoch seconds at which the connection's token expires.
 * @property {number} [server_time]  Epoch milliseconds.
 *
 * @typedef {object} UpdateFrame     A frame with one update.
 * @property {"submission_update"} type
 * @property {UpdateEvent} event
 * @property {Submission} data
 * @property {string} [filter_id]
 *
 * @typedef {object} UpdatesFrame    A frame with several updates.
 * @property {"submission_updates"} type
 * @property {Update[]} updates
 * @property {string} [filter_id]
 *
 * @typedef {object} AuthenticatedFrame
 * @property {"authenticated"} type
 * @property {string} id
 * @property {number} expires_at     Epoch seconds at which the new token expires.
 *
 * @typedef {object} ResyncFrame     Posts to this connection failed for a while: `sync` now.
 * @property {"resync"} type
 *
 * @typedef {object} DisconnectFrame Sent before the gateway closes the connection.
 * @property {"disconnect"} type
 * @property {string} code
 * @property {boolean} [reconnect]   False: do not reconnect without the user.
 *
 * @typedef {object} ErrorFrame
 * @property {"error"} type
 * @property {string} [id]           The `id` of the request that failed.
 * @property {string} code
 * @property {string} [message]
 * @property {boolean} [retryable]
 * @property {number} [retry_after_ms]
 *
 * @typedef {Reply | UpdateFrame | UpdatesFrame | AuthenticatedFrame | ResyncFrame | DisconnectFrame
 *   | ErrorFrame} GatewayFrame
 */

/** The subprotocol that the gateway selects. */
export const SUBPROTOCOL = "formbridge.v1";

/** Prefix of the subprotocol that carries the token. The gateway never echoes it. */
export const BEARER_PREFIX = "bearer.";

/**
 * Query parameter with which the gateway sends a `disconnect` frame if the token does not grant the tenant
 * (`forbidden`), or if the tenant has too many connections (`too_many_connections`). Without it, the gateway refuses the
 * handshake with a status, which a browser does not show to the page.
 */
export const REFUSAL_BY_FRAME = { refusal: "frame" };

/** Number of the newest submissions with which a new view starts. */
export const SNAPSHOT_SIZE = 50;

/** The status that marks a submission as deleted. The table's TTL removes the item later. */
export const DELETED = "deleted";
