"""The wire, `formbridge.v1`: what a client may ask, and the frames that answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, TypeGuard, cast

from ..runtime.identifiers import quote
from ..submissions.submission import Update
from .cursor import MAX_SNAPSHOT
from .event_pattern import BadPattern
from .subscription_filter import SubscriptionFilter

SUBPROTOCOL: Final = "formbridge.v1"
HEARTBEAT_SECONDS: Final = 300
DEFAULT_SNAPSHOT: Final = 50
MAX_REQUEST_ID: Final = 64
MAX_REPLY_BYTES: Final = 128 * 1024
"""API Gateway's limit for a message."""
MAX_UPDATE_FRAME_BYTES: Final = 32 * 1024
"""API Gateway bills a message by every 32 KB begun."""
UPDATE_FRAME_ENVELOPE_BYTES: Final = 512
"""More than a push needs beside its updates."""
REPLY_ENVELOPE_BYTES: Final = 10 * 1024
"""More than a reply needs beside its updates: the `id` that it echoes may take 12 bytes a character, and a cursor 8 for
each of the 1,024 bytes that a position may have."""
MAX_ERROR_MESSAGE: Final = 1_000
"""Characters after which an error's message is cut: it may quote a path into a filter, which is as long as a frame."""

ErrorCode = Literal[
    "bad_request",
    "bad_filter",
    "bad_cursor",
    "unknown_action",
    "unauthorized",
    "rate_limited",
    "too_large",
    "internal",
]
Frame = dict[str, Any]


class RequestError(Exception):
    """A request that is answered with an `error` frame."""

    def __init__(
        self, code: ErrorCode, message: str, request_id: str | None = None, *, retry_after_ms: int | None = None
    ) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.request_id = request_id
        self.retry_after_ms = retry_after_ms
        """When the same request may be tried again; None: it would be refused again."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What a client's frame may hold."""

    max_frame_bytes: int
    max_filter_length: int
    """Characters of a filter as JSON."""


@dataclass(frozen=True, slots=True)
class Subscribe:
    request_id: str | None
    filter: SubscriptionFilter | None
    cursor: str | None
    snapshot: int


@dataclass(frozen=True, slots=True)
class Sync:
    request_id: str | None
    cursor: str


@dataclass(frozen=True, slots=True)
class Unsubscribe:
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Authenticate:
    request_id: str | None
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Ping:
    request_id: str | None


Request = Subscribe | Sync | Unsubscribe | Authenticate | Ping


def parse_request(body: str | None, limits: Limits) -> Request:
    """Read one frame of a client.

    Raises:
        RequestError: `too_large`, `bad_request`, `bad_filter`, `bad_cursor` or `unknown_action`, naming the field and
            the value; a token is never quoted.
    """
    # A text of JSON may hold half a character, which UTF-8 cannot say.
    length = len((body or "").encode("utf-8", "surrogatepass"))
    if length > limits.max_frame_bytes:
        raise RequestError("too_large", f"the frame: at most {limits.max_frame_bytes:,} bytes, got {length:,}")
    fields = _fields(body)
    request_id = fields.get("id")
    if request_id is not None and not _is_request_id(request_id):
        raise RequestError("bad_request", f"id: must be a text of at most {MAX_REQUEST_ID} characters")
    action = fields.get("action")
    match action:
        case "subscribe":
            return Subscribe(
                request_id,
                _filter(fields, request_id, limits.max_filter_length),
                _cursor(fields, request_id),
                _snapshot(fields, request_id),
            )
        case "sync":
            cursor = _cursor(fields, request_id)
            if cursor is None:
                raise RequestError("bad_request", "cursor: required", request_id)
            return Sync(request_id, cursor)
        case "unsubscribe":
            return Unsubscribe(request_id)
        case "authenticate":
            token = fields.get("token")
            if not isinstance(token, str):
                raise RequestError("bad_request", "token: must be a text", request_id)
            return Authenticate(request_id, token)
        case "ping":
            return Ping(request_id)
        case str():
            raise RequestError("unknown_action", f"action: unknown, got {quote(action)}", request_id)
        case _:
            raise RequestError("bad_request", f"action: must be a text, got {quote(action)}", request_id)


def find_request_id(body: str | None) -> str | None:
    """The `id` of a client's frame, whatever else is wrong with it; None where it has none."""
    try:
        given = _fields(body).get("id")
    except RequestError:
        return None
    return given if _is_request_id(given) else None


def _fields(body: str | None) -> Mapping[str, object]:
    try:
        parsed: object = json.loads(body or "")
    except (ValueError, RecursionError) as error:
        raise RequestError("bad_request", "the frame must be one JSON object") from error
    if not isinstance(parsed, dict):
        raise RequestError("bad_request", "the frame must be one JSON object")
    return cast("dict[str, object]", parsed)


def _is_request_id(value: object) -> TypeGuard[str]:
    return isinstance(value, str) and len(value) <= MAX_REQUEST_ID


def _filter(fields: Mapping[str, object], request_id: str | None, max_length: int) -> SubscriptionFilter | None:
    pattern = fields.get("filter")
    if pattern in (None, {}):
        return None
    try:
        return SubscriptionFilter.parse(pattern, max_length)
    except BadPattern as error:
        at = f"filter.{error.path}" if error.path else "filter"
        raise RequestError("bad_filter", f"{at}: {error.problem}", request_id) from error


def _cursor(fields: Mapping[str, object], request_id: str | None) -> str | None:
    cursor = fields.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise RequestError("bad_cursor", f"cursor: must be a text, got {quote(cursor)}", request_id)
    return cursor


def _snapshot(fields: Mapping[str, object], request_id: str | None) -> int:
    snapshot = fields.get("snapshot")
    if snapshot is None:
        return DEFAULT_SNAPSHOT
    if isinstance(snapshot, bool) or not isinstance(snapshot, int) or not 0 <= snapshot <= MAX_SNAPSHOT:
        raise RequestError(
            "bad_request",
            f"snapshot: must be a whole number from 0 to {MAX_SNAPSHOT}, got {quote(snapshot)}",
            request_id,
        )
    return snapshot


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as it goes over the wire."""
    return json.dumps(frame, separators=(",", ":"))


def measure_update(update: Update) -> int:
    """The bytes that an update takes in a frame of several."""
    return len(encode(update).encode()) + 1


def build_reply(kind: str, request_id: str | None, **fields: object) -> Frame:
    """A reply; `id` stands in it where the request had one."""
    return {"type": kind, **({"id": request_id} if request_id is not None else {}), **fields}


def build_error(refusal: RequestError) -> Frame:
    """The `error` frame of a refused request."""
    after = refusal.retry_after_ms
    again = {"retryable": True, "retry_after_ms": after} if after is not None else {"retryable": False}
    return build_reply(
        "error", refusal.request_id, code=refusal.code, message=refusal.message[:MAX_ERROR_MESSAGE], **again
    )


def build_update_frame(updates: Sequence[Update], wanted: SubscriptionFilter | None, cursor: str, now_ms: int) -> Frame:
    """One update as `submission_update`, several as `submission_updates`."""
    envelope = {**build_filter_id(wanted), "cursor": cursor, "timestamp": now_ms}
    if len(updates) == 1:
        return {"type": "submission_update", **updates[0], **envelope}
    return {"type": "submission_updates", "updates": list(updates), **envelope}


def build_filter_id(wanted: SubscriptionFilter | None) -> Frame:
    """The field of a frame that says through which filter it was made; none where through none.

    When a client has replaced its filter, what was posted through the former one may still be under way: a `leave` of
    that would drop what the new view holds.
    """
    return {"filter_id": wanted.id} if wanted is not None else {}


RESYNC: Final[Frame] = {"type": "resync", "reason": "behind"}
TOKEN_EXPIRED: Final[Frame] = {"type": "disconnect", "code": "token_expired", "reconnect": True}
REVOKED: Final[Frame] = {"type": "disconnect", "code": "revoked", "reconnect": True}
"""A token issued since may connect again; one issued before is refused."""
PROTOCOL_ERROR: Final[Frame] = {"type": "disconnect", "code": "protocol_error", "reconnect": False}
"""The client keeps breaking the rules, and would again."""
