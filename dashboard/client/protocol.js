// @ts-check
/**
 * The names of the wire protocol `formbridge.v1`, as types and constants. No behaviour lives here.
 *
 * @typedef {object} Submission
 * @property {string} tenant_id
 * @property {string} submission_id
 * @property {string} form_id
 * @property {string} status
 * @property {number} version        Rises by one with each write of the submission.
 * @property {string} submitted_at   ISO 8601, UTC, milliseconds.
 * @property {string} updated_at     ISO 8601, UTC, milliseconds.
 * @property {number} [expires_at]   Epoch seconds: the moment at which a client drops it.
 *
 * @typedef {"insert" | "modify" | "leave" | "remove"} UpdateEvent
 *
 * An EventBridge event pattern over `form_id`, `status` and `submission_id`.
 * @typedef {Record<string, unknown>} Filter
 *
 * @typedef {object} Update
 * @property {UpdateEvent} event
 * @property {Submission} data       For `leave`, only `submission_id`, `version`, `tenant_id` and `event` are given.
 *
 * @typedef {object} Reply           A `subscribed` or `synced` frame.
 * @property {"subscribed" | "synced"} type
 * @property {string} id
 * @property {string} cursor
 * @property {Update[]} updates
 * @property {boolean} complete
 * @property {boolean} [recovered]   `false`: the cursor was too old, `updates` is a fresh snapshot.
 * @property {string} [filter_id]    Of the filter that the view is seen through; pushes have the same.
 * @property {number} [heartbeat_seconds]
 * @property {number} [expires_at]   Epoch seconds: when the connection's token expires.
 * @property {number} [server_time]  Epoch milliseconds.
 *
 * @typedef {object} AuthenticatedFrame
 * @property {"authenticated"} type
 * @property {string} id
 * @property {number} expires_at     Epoch seconds.
 *
 * @typedef {object} ErrorFrame
 * @property {"error"} type
 * @property {string} [id]
 * @property {string} code
 * @property {string} [message]
 * @property {boolean} [retryable]
 * @property {number} [retry_after_ms]
 *
 * @typedef {object} DisconnectFrame
 * @property {"disconnect"} type
 * @property {string} code
 * @property {boolean} [reconnect]
 */

/** The subprotocol that the gateway selects. */
export const SUBPROTOCOL = "formbridge.v1";

/** The subprotocol that carries the token; the gateway never echoes it. */
export const BEARER_PREFIX = "bearer.";

/** How many of the newest submissions a fresh view asks for. */
export const SNAPSHOT_SIZE = 50;

/** The status that marks a submission as deleted; the row itself goes later, by the table's TTL. */
export const DELETED = "deleted";
