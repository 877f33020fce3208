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
 * @property {number} [incarnation]  When the row was created, in epoch milliseconds. If a submission is deleted and
 *   created again, its version starts at 1 and its incarnation is higher. 0 or absent: another program made the row.
 * @property {string} submitted_at   ISO 8601, UTC, with milliseconds.
 * @property {string} updated_at     ISO 8601, UTC, with milliseconds.
 * @property {number} [expires_at]   Epoch seconds at which a client drops the submission. Absent: never.
 *
 * @typedef {"insert" | "modify" | "leave" | "remove"} UpdateEvent
 *
 * @typedef {object} Update
 * @property {UpdateEvent} event
 * @property {Submission} data       `leave`: only `submission_id`, `incarnation`, `version`, `tenant_id` and `event`
 *   are present. `remove`: the other fields may be missing too.
 */
/**
 * A submission that a store holds: its id, incarnation and version.
 *
 * @typedef {[submissionId: string, incarnation: number, version: number]} Held
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
 * @property {string | null} filter_id  The `filter_id` of the last `subscribed` reply. Null: it had none.
 *
 * @typedef {object} ReconcileFrame  Compares held submissions with the table.
 * @property {"reconcile"} action
 * @property {string} id
 * @property {Held[]} held           At most 100, and the frame at most 32 KB.
 * @property {number} snapshot       Number of the newest submissions to send, apart from those in `held`.
 *
 * @typedef {object} AuthenticateFrame
 * @property {"authenticate"} action
 * @property {string} id
 * @property {string} token
 */
/**
 * Frames that the gateway sends.
 *
 * @typedef {object} Reply           A `subscribed`, `synced` or `reconciled` frame.
 * @property {"subscribed" | "synced" | "reconciled"} type
 * @property {string} id
 * @property {string} [cursor]       Absent in a `reconciled` frame, unless `recovered` is false.
 * @property {Update[]} updates
 * @property {boolean} [complete]    False: more updates are waiting; `sync` again with this cursor.
 * @property {boolean} [recovered]   False: the gateway could not resume, and `updates` is a new snapshot.
 * @property {string} [filter_id]    Identifies the filter of the view. Its update frames have the same value.
 * @property {number} [epoch]        When the history of the tenant was last replaced, in epoch milliseconds. 0 or
 *   absent: never.
 * @property {number} [settle_seconds]  After this time, a `sync` finds the writes that this reply may lack.
 * @property {number} [heartbeat_seconds]
 * @property {number} [expires_at]   Epoch seconds at which the connection's token expires.
 * @property {number} [server_time]  Epoch milliseconds.
 *
 * @typedef {object} UpdateFrame     A frame with one update.
 * @property {"submission_update"} type
 * @property {UpdateEvent} event
 * @property {Submission} data
 * @property {string} [filter_id]
 * @property {number} [epoch]        The epoch of the history that the update belongs to.
 * @property {number} [timestamp]    When the gateway sent the frame, in epoch milliseconds.
 *
 * @typedef {object} UpdatesFrame    A frame with several updates.
 * @property {"submission_updates"} type
 * @property {Update[]} updates
 * @property {string} [filter_id]
 * @property {number} [epoch]
 * @property {number} [timestamp]
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
 * @property {"connection" | "tenant"} [limit]  Whose message rate was exceeded. Only in `rate_limited` errors.
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
 * (`forbidden`), or if the tenant or the user has too many connections (`too_many_connections`,
 * `too_many_connections_of_user`). Without it, the gateway refuses the handshake with a status, which a browser does not
 * show to the page.
 */
export const REFUSAL_BY_FRAME = { refusal: "frame" };

/** Number of the newest submissions with which a new view starts. */
export const SNAPSHOT_SIZE = 50;

/** Maximum number of submissions in one `reconcile` request. */
export const MAX_HELD = 100;

/**
 * Maximum size of the submissions in one `reconcile` request as JSON, in bytes. API Gateway accepts frames of 32 KB.
 */
export const MAX_HELD_BYTES = 30_000;

/** The status that marks a submission as deleted. The table's TTL removes the item later. */
export const DELETED = "deleted";
