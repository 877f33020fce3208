"""The wire, `formbridge.v1`: what a client may ask, and the frames that answer."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, cast

from .identifiers import quoted
from .submission import Update

SUBPROTOCOL: Final = "formbridge.v1"
BEARER_PREFIX: Final = "bearer."
HEARTBEAT_SECONDS: Final = 300
DEFAULT_SNAPSHOT: Final = 50
MAX_SNAPSHOT: Final = 200
MAX_REQUEST_ID: Final = 64
MAX_REPLY_BYTES: Final = 128 * 1024
"""API Gateway's limit for a message."""
MAX_PUSH_BYTES: Final = 32 * 1024
"""API Gateway bills a message by every 32 KB begun."""
PUSH_ENVELOPE_BYTES: Final = 512
"""More than a push needs beside its updates."""
REPLY_ENVELOPE_BYTES: Final = 1280
"""More than a reply needs beside its updates: the `id` that it echoes may take 12 bytes a character."""

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

    def __init__(self, code: ErrorCode, message: str, request_id: str | None = None) -> None:
        super().__init__(message)
        self.code: ErrorCode = code
        self.message = message
        self.request_id = request_id


@dataclass(frozen=True, slots=True)
class Subscribe:
    request_id: str | None
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
class Ping:
    request_id: str | None


Request = Subscribe | Sync | Unsubscribe | Ping


def parse_request(body: str | None) -> Request:
    """Read one frame of a client.

    Raises:
        RequestError: `bad_request`, `bad_filter` or `unknown_action`, naming the field and the value.
    """
    try:
        parsed: object = json.loads(body or "")
    except (ValueError, RecursionError) as error:
        raise RequestError("bad_request", "the frame must be one JSON object") from error
    if not isinstance(parsed, dict):
        raise RequestError("bad_request", "the frame must be one JSON object")
    fields = cast("dict[str, object]", parsed)
    request_id = fields.get("id")
    if request_id is not None and (not isinstance(request_id, str) or len(request_id) > MAX_REQUEST_ID):
        raise RequestError("bad_request", f"id: must be a text of at most {MAX_REQUEST_ID} characters")
    action = fields.get("action")
    match action:
        case "subscribe":
            if fields.get("filter") not in (None, {}):
                raise RequestError("bad_filter", "filter: this server has no filters", request_id)
            return Subscribe(request_id, _cursor(fields, request_id), _snapshot(fields, request_id))
        case "sync":
            cursor = _cursor(fields, request_id)
            if cursor is None:
                raise RequestError("bad_request", "cursor: required", request_id)
            return Sync(request_id, cursor)
        case "unsubscribe":
            return Unsubscribe(request_id)
        case "ping":
            return Ping(request_id)
        case str():
            raise RequestError("unknown_action", f"action: unknown, got {quoted(action)}", request_id)
        case _:
            raise RequestError("bad_request", f"action: must be a text, got {quoted(action)}", request_id)


def _cursor(fields: Mapping[str, object], request_id: str | None) -> str | None:
    cursor = fields.get("cursor")
    if cursor is not None and not isinstance(cursor, str):
        raise RequestError("bad_request", f"cursor: must be a text, got {quoted(cursor)}", request_id)
    return cursor


def _snapshot(fields: Mapping[str, object], request_id: str | None) -> int:
    snapshot = fields.get("snapshot")
    if snapshot is None:
        return DEFAULT_SNAPSHOT
    if isinstance(snapshot, bool) or not isinstance(snapshot, int) or not 0 <= snapshot <= MAX_SNAPSHOT:
        raise RequestError(
            "bad_request",
            f"snapshot: must be a whole number from 0 to {MAX_SNAPSHOT}, got {quoted(snapshot)}",
            request_id,
        )
    return snapshot


def encode(frame: Mapping[str, Any]) -> str:
    """A frame as it goes over the wire."""
    return json.dumps(frame, separators=(",", ":"))


def size(update: Update) -> int:
    """The bytes that an update takes in a frame of several."""
    return len(encode(update).encode()) + 1


def reply(kind: str, request_id: str | None, **fields: object) -> Frame:
    """A reply; `id` stands in it where the request had one."""
    return {"type": kind, **({"id": request_id} if request_id is not None else {}), **fields}


def error(refusal: RequestError) -> Frame:
    """The `error` frame of a refused request."""
    return reply("error", refusal.request_id, code=refusal.code, message=refusal.message, retryable=False)


def push(updates: Sequence[Update], cursor: str, now_ms: int) -> Frame:
    """One update as `submission_update`, several as `submission_updates`."""
    if len(updates) == 1:
        return {"type": "submission_update", **updates[0], "cursor": cursor, "timestamp": now_ms}
    return {"type": "submission_updates", "updates": list(updates), "cursor": cursor, "timestamp": now_ms}


RESYNC: Final[Frame] = {"type": "resync", "reason": "behind"}
TOKEN_EXPIRED: Final[Frame] = {"type": "disconnect", "code": "token_expired", "reconnect": True}
