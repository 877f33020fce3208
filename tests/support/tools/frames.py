"""Frames as the gateway sends them, small."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tools.client import Frame, Update, View

NOW = 1_000.0
DAY = 24 * 3600


def update(event: str, version: int, submission_id: str = "s1", **data: Any) -> Update:
    return {"event": event, "data": {"submission_id": submission_id, "version": version, **data}}


def versions(view: View, now: float = NOW) -> dict[str, int]:
    """What a view shows."""
    return {name: data["version"] for name, data in view.get_submissions(now).items()}


def subscribed(request: Frame, *updates: Update, **fields: Any) -> Frame:
    """The reply to a `subscribe`."""
    given = {"heartbeat_seconds": 300, "expires_at": NOW + DAY, "server_time": NOW * 1000, **fields}
    return reply("subscribed", request, *updates, **given)


def synced(request: Frame, *updates: Update, **fields: Any) -> Frame:
    return reply("synced", request, *updates, **fields)


def reply(kind: str, request: Frame, *updates: Update, **fields: Any) -> Frame:
    return {
        "type": kind,
        "id": request["id"],
        "updates": list(updates),
        "cursor": f"of {request['id']}",
        "complete": True,
        "epoch": 0,
        **fields,
    }


def push(*updates: Update, **fields: Any) -> Frame:
    if len(updates) == 1:
        return {"type": "submission_update", **updates[0], "cursor": "of a push", **fields}
    return {"type": "submission_updates", "updates": list(updates), "cursor": "of a push", **fields}


def error(request: Frame, code: str, **fields: Any) -> Frame:
    return {"type": "error", "id": request["id"], "code": code, "message": "why", "retryable": False, **fields}
