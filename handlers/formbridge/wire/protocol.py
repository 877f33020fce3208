"""The wire protocol `formbridge.v1`: the requests of clients and the frames of the server."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeGuard, cast

from ..runtime.identifiers import quote
from .cursor import MAX_SNAPSHOT
from .event_pattern import BadPattern
from .subscription_filter import SubscriptionFilter

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..submissions.submission import Update
    from .cursor import Cursor

SUBPROTOCOL: Final = "formbridge.v1"
"""WebSocket subprotocol that the server selects."""
ACTIONS: Final = ("subscribe", "sync", "reconcile", "unsubscribe", "authenticate", "ping")
"""Values of `action` in a request."""
HEARTBEAT_SECONDS: Final = 300
"""Number of seconds without a frame after which a client sends `sync`."""
DEFAULT_SNAPSHOT: Final = 50
"""Number of submissions in a snapshot if the request has no `snapshot`."""
MAX_HELD: Final = 100
"""Maximum number of submissions in one `reconcile` request. DynamoDB reads at most 100 items by key in one call."""
MAX_REQUEST_ID: Final = 64
"""Maximum number of characters of a request's `id`."""
MAX_REPLY_BYTES: Final = 128 * 1024
"""Maximum size of a reply in bytes. This is API Gateway's limit for a message."""
MAX_UPDATE_FRAME_BYTES: Final = 32 * 1024
"""Maximum size of an update frame in bytes. API Gateway bills a message in units of 32 KB."""
UPDATE_FRAME_ENVELOPE_BYTES: Final = 512
"""Maximum number of bytes that an update frame needs in addition to its updates."""
REPLY_ENVELOPE_BYTES: Final = 10 * 1024
"""Maximum number of bytes that a reply needs in addition to its updates. The `id` of the reply may take 12 bytes per
character. Its cursor may take 8 bytes for each of the 1,024 bytes of a position."""
MAX_ERROR_MESSAGE: Final = 1_000
"""Maximum number of characters of an error message. A longer message is cut. A message can be as long as the
client's frame, because it may contain a path in the client's filter."""

_HELD_ID: Final = re.compile(r"[^\ud800-\udfff]{1,1024}")
"""Pattern of a submission id in a `reconcile` request. Another program may have chosen the id. No frame contains a
longer one: a longer sort key does not fit into the index of the table."""

ErrorCode = Literal[
    "bad_request",
    "bad_filter",
    "bad_cursor",
    "unknown_action",
    "unauthorized",
    "rate_limited",
    "superseded",
    "too_many_filters",
    "too_large",
    "internal",
]
"""Value of `code` in an `error` frame."""
RateLimit = Literal["connection", "tenant"]
"""Value of `limit` in a `rate_limited` error: whose message rate was exceeded."""
Frame = dict[str, Any]
"""One JSON object that the server sends."""


class RequestError(Exception):
    """A request that the server answers with an `error` frame."""

    def __init__(
        self,
        code: ErrorCode,
        message: str,
        request_id: str | None = None,
        *,
        retry_after_ms: int | None = None,
        limit: RateLimit | None = None,
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        """Error code for the client."""
        self.message = message
        """Explanation of the error in English, for the developer of the client."""
        self.request_id = request_id
        """The `id` of the request; None if it has none."""
        self.retry_after_ms = retry_after_ms
        """Milliseconds after which the client may repeat the request; None if a repetition would be refused too."""
        self.limit: RateLimit | None = limit
        """Whose message rate was exceeded; None unless the code is `rate_limited`."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Limits of a client's requests."""

    max_frame_bytes: int
    """Maximum size of a frame in bytes."""
    max_filter_length: int
    """Maximum number of characters of a filter as JSON."""
    max_filters_per_tenant: int
    """Maximum number of distinct filters of all connections of a tenant."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    """A `subscribe` request: start or replace the subscription."""

    request_id: str | None
    """The `id` of the request; None if it has none."""
    filter: SubscriptionFilter | None
    """Filter of the subscription; None if it selects all submissions of the tenant."""
    cursor: str | None
    """Cursor to resume from, not yet decoded; None for a fresh snapshot."""
    snapshot: int
    """Number of the newest submissions to send in a fresh snapshot."""


@dataclass(frozen=True, slots=True)
class Sync:
    """A `sync` request: send the changes since the cursor."""

    request_id: str | None
    """The `id` of the request; None if it has none."""
    cursor: str
    """Cursor of the client, not yet decoded."""
    filter_id: str | None
    """Id of the filter of the client's view; None if the view has no filter."""
    names_filter: bool
    """Whether the request has the field `filter_id`. If not, the request is about whatever filter is in effect."""


class Held(NamedTuple):
    """A submission that a client holds."""

    submission_id: str
    incarnation: int
    version: int


@dataclass(frozen=True, slots=True)
class Reconcile:
    """A `reconcile` request: compare the submissions that the client holds with those that exist."""

    request_id: str | None
    """The `id` of the request; None if it has none."""
    held: Sequence[Held]
    """Submissions that the client holds; at most `MAX_HELD`."""
    snapshot: int
    """Number of newest submissions to compare too."""


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    """An `unsubscribe` request: end the subscription."""

    request_id: str | None
    """The `id` of the request; None if it has none."""


@dataclass(frozen=True, slots=True)
class Authenticate:
    """An `authenticate` request: extend the connection with a newer token."""

    request_id: str | None
    """The `id` of the request; None if it has none."""
    token: str = field(repr=False)
    """The newer token, not yet verified."""


@dataclass(frozen=True, slots=True)
class Ping:
    """A `ping` request: send a `pong`."""

    request_id: str | None
    """The `id` of the request; None if it has none."""


Request = Subscribe | Sync | Reconcile | Unsubscribe | Authenticate | Ping
"""Any valid request."""


def parse_request(body: str | None, limits: Limits) -> Request:
    """Parse one frame of a client.

    Args:
        body: Text of the frame; None if it is empty.
        limits: Limits of the frame.

    Raises:
        RequestError: The frame is not a valid request. The code is `too_large`, `bad_request`, `bad_filter`,
            `bad_cursor` or `unknown_action`. The message never contains a token.
    """
    # A JSON string may contain a lone surrogate, which strict UTF-8 cannot encode.
    length = len((body or "").encode("utf-8", "surrogatepass"))
    if length > limits.max_frame_bytes:
        message = f"frame: must be at most {limits.max_frame_bytes:,} bytes, got {length:,}"
        raise RequestError("too_large", message, find_request_id(body))
    fields = _parse_object(body)
    request_id = fields.get("id")
    if request_id is not None and not _is_request_id(request_id):
        raise RequestError(
            "bad_request", f"id: must be a string of at most {MAX_REQUEST_ID} characters, got {quote(request_id)}"
        )
    action = fields.get("action")
    match action:
        case "subscribe":
            return Subscribe(
                request_id,
                _parse_filter(fields, request_id, limits.max_filter_length),
                _parse_cursor(fields, request_id),
                _parse_snapshot(fields, request_id, DEFAULT_SNAPSHOT, MAX_SNAPSHOT),
            )
        case "sync":
            cursor = _parse_cursor(fields, request_id)
            if cursor is None:
                raise RequestError("bad_request", "cursor: is required", request_id)
            return Sync(request_id, cursor, _parse_filter_id(fields, request_id), "filter_id" in fields)
        case "reconcile":
            return Reconcile(
                request_id, _parse_held(fields, request_id), _parse_snapshot(fields, request_id, 0, MAX_HELD)
            )
        case "unsubscribe":
            return Unsubscribe(request_id)
        case "authenticate":
            token = fields.get("token")
            if not isinstance(token, str):
                raise RequestError("bad_request", "token: must be a string", request_id)
            return Authenticate(request_id, token)
        case "ping":
            return Ping(request_id)
        case str():
            raise build_unknown_action(action, request_id)
        case _:
            raise RequestError("bad_request", f"action: must be a string, got {quote(action)}", request_id)


def build_unknown_action(action: str, request_id: str | None = None) -> RequestError:
    """Return the error of a request whose `action` is not one of `ACTIONS`."""
    return RequestError(
        "unknown_action", f"action: must be one of {', '.join(ACTIONS)}, got {quote(action)}", request_id
    )


def find_request_id(body: str | None) -> str | None:
    """Return the `id` of a frame, or None if it has no valid `id`. The rest of the frame may be invalid."""
    try:
        request_id = _parse_object(body).get("id")
    except RequestError:
        return None
    return request_id if _is_request_id(request_id) else None


def _parse_object(body: str | None) -> Mapping[str, object]:
    try:
        parsed: object = json.loads(body or "", object_pairs_hook=_check_keys)
    except _RepeatedKey as error:
        raise RequestError("bad_request", f"frame: must have each field once, got {quote(str(error))} twice") from error
    except (ValueError, RecursionError) as error:
        raise RequestError("bad_request", "frame: must be one JSON object") from error
    if not isinstance(parsed, dict):
        raise RequestError("bad_request", "frame: must be one JSON object")
    return cast("dict[str, object]", parsed)


class _RepeatedKey(Exception):
    """A JSON object has two fields with the same name. The message is the name."""


def _check_keys(pairs: Sequence[tuple[str, object]]) -> Mapping[str, object]:
    """Return the JSON object of these fields.

    Two fields with the same name are refused. API Gateway chooses the route of a frame by its `action`, and it may not
    choose the same of two values as Python.
    """
    fields: dict[str, object] = {}
    for name, value in pairs:
        if name in fields:
            raise _RepeatedKey(name)
        fields[name] = value
    return fields


def _is_request_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= MAX_REQUEST_ID


def _parse_filter(fields: Mapping[str, object], request_id: str | None, max_length: int) -> SubscriptionFilter | None:
    pattern = fields.get("filter")
    if pattern in (None, {}):
        return None
    try:
        return SubscriptionFilter.parse(pattern, max_length)
    except BadPattern as error:
        at = f"filter.{error.path}" if error.path else "filter"
        raise RequestError("bad_filter", f"{at}: {error.problem}", request_id) from error


def _parse_cursor(fields: Mapping[str, object], request_id: str | None) -> str | None:
    cursor = fields.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise RequestError("bad_cursor", f"cursor: must be a string, got {quote(cursor)}", request_id)
    return cursor


def _parse_filter_id(fields: Mapping[str, object], request_id: str | None) -> str | None:
    filter_id = fields.get("filter_id")
    if filter_id is not None and not isinstance(filter_id, str):
        raise RequestError("bad_request", f"filter_id: must be a string or null, got {quote(filter_id)}", request_id)
    return filter_id


def _parse_held(fields: Mapping[str, object], request_id: str | None) -> Sequence[Held]:
    held = fields.get("held")
    items = cast("list[object]", held) if isinstance(held, list) else None
    if items is None or len(items) > MAX_HELD:
        found = quote(fields.get("held")) if items is None else f"{len(items)} items"
        raise RequestError("bad_request", f"held: must be a list of at most {MAX_HELD} items, got {found}", request_id)
    return [_parse_held_item(item, index, request_id) for index, item in enumerate(items)]


def _parse_held_item(item: object, index: int, request_id: str | None) -> Held:
    match item:
        # A boolean is an `int` in Python.
        case [str(submission_id), int(incarnation), int(version)] if _HELD_ID.fullmatch(submission_id) and not (
            isinstance(incarnation, bool) or isinstance(version, bool)
        ):
            return Held(submission_id, incarnation, version)
        case _:
            problem = f"held[{index}]: must be [submission_id, incarnation, version], got {quote(item)}"
            raise RequestError("bad_request", problem, request_id)


def _parse_snapshot(fields: Mapping[str, object], request_id: str | None, default: int, maximum: int) -> int:
    snapshot = fields.get("snapshot")
    if snapshot is None:
        return default
    if isinstance(snapshot, bool) or not isinstance(snapshot, int) or not 0 <= snapshot <= maximum:
        raise RequestError(
            "bad_request", f"snapshot: must be an integer from 0 to {maximum}, got {quote(snapshot)}", request_id
        )
    return snapshot


def encode(frame: Mapping[str, Any]) -> str:
    """Return a frame as compact JSON."""
    return json.dumps(frame, separators=(",", ":"))


def measure_update(update: Update) -> int:
    """Return the number of bytes that an update and the comma after it take in a frame."""
    return len(encode(update).encode()) + 1


def build_reply(kind: str, request_id: str | None, **fields: object) -> Frame:
    """Return a reply frame.

    Args:
        kind: The `type` of the frame.
        request_id: The `id` of the request. The reply has no `id` if this is None.
        fields: The other fields of the frame.
    """
    return {"type": kind, **({"id": request_id} if request_id is not None else {}), **fields}


def build_error(refusal: RequestError) -> Frame:
    """Return the `error` frame of a refused request."""
    delay_ms = refusal.retry_after_ms
    retry = {"retryable": True, "retry_after_ms": delay_ms} if delay_ms is not None else {"retryable": False}
    limit = {"limit": refusal.limit} if refusal.limit is not None else {}
    return build_reply(
        "error", refusal.request_id, code=refusal.code, message=refusal.message[:MAX_ERROR_MESSAGE], **retry, **limit
    )


def encode_update_frame(updates: Sequence[str], wanted: SubscriptionFilter | None, cursor: Cursor, now_ms: int) -> str:
    """Return a `submission_update` frame for one update, or a `submission_updates` frame for several, as JSON.

    Args:
        updates: The encoded updates; at least one. A broadcast encodes an update once for all filters.
        wanted: Filter of the subscription, if it has one.
        cursor: Cursor for the time of the newest change. Clients do not resume from it. Its epoch is the epoch of the
            tenant's history.
        now_ms: Current time in epoch milliseconds.
    """
    envelope = {**build_filter_id(wanted), "epoch": cursor.epoch, "cursor": cursor.encode(), "timestamp": now_ms}
    fields = encode(envelope)[1:]
    if len(updates) == 1:
        return f'{{"type":"submission_update",{updates[0][1:-1]},{fields}'
    return f'{{"type":"submission_updates","updates":[{",".join(updates)}],{fields}'


def build_filter_id(wanted: SubscriptionFilter | None) -> Frame:
    """Return an object with the field `filter_id`, or an empty object if the subscription has no filter.

    After a client has replaced its filter, frames that were made with the previous filter may still arrive. The client
    recognizes these frames by their `filter_id` and drops them. Otherwise a `leave` for the previous filter could
    remove a submission from the new view.
    """
    return {"filter_id": wanted.id} if wanted is not None else {}


RESYNC: Final[Frame] = {"type": "resync", "reason": "behind"}
"""Frame that tells a client to `sync` at once, because it may have missed updates."""
TOKEN_EXPIRED: Final[Frame] = {"type": "disconnect", "code": "token_expired", "reconnect": True}
"""Frame that the server sends before it closes a connection whose token has expired."""
REVOKED: Final[Frame] = {"type": "disconnect", "code": "revoked", "reconnect": True}
"""Frame that the server sends before it closes a connection that is revoked. The client may connect again after the
user has signed in again, unless the tenant or the user is blocked."""
TOO_MANY_CONNECTIONS: Final[Frame] = {"type": "disconnect", "code": "too_many_connections", "reconnect": True}
"""Frame that the server sends before it closes a connection that it accepted although the tenant's limit was reached.
The client connects again, because another client may have disconnected."""
TOO_MANY_CONNECTIONS_OF_USER: Final[Frame] = {
    "type": "disconnect",
    "code": "too_many_connections_of_user",
    "reconnect": True,
}
"""Frame that the server sends before it closes a connection that it accepted although the user's limit was reached. The
client connects again, because another client of the user may have disconnected."""
FORBIDDEN: Final[Frame] = {"type": "disconnect", "code": "forbidden", "reconnect": False}
"""Frame that the server sends before it closes a connection that it accepted although the token does not grant the
tenant. The client must not connect again, because it would be refused again."""
PROTOCOL_ERROR: Final[Frame] = {"type": "disconnect", "code": "protocol_error", "reconnect": False}
"""Frame that the server sends before it closes a connection that has exceeded its message rate too many times. The
client must not connect again, because it would exceed the rate again."""
