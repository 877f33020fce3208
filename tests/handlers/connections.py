"""Connections in memory: the table, and the posts to them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from formbridge.connection import Connection, Outcome
from formbridge.fanout import Batch, Broadcaster
from formbridge.submission import Update
from formbridge.subscription_filter import SubscriptionFilter
from tests.handlers.builders import HOUR_S, NOW


def connection(connection_id: str = "conn-1", tenant_id: str = "t_acme", **fields: Any) -> Connection:
    """A subscribed connection of ten minutes, whose token is good for an hour."""
    values: dict[str, Any] = {
        "connected_at": NOW - 600_000,
        "issued_at": NOW // 1000 - 600,
        "expires_at": NOW // 1000 + HOUR_S,
        "ttl": NOW // 1000 + 2 * HOUR_S,
        "subscribed": True,
        "subscribed_at": NOW - 600_000,
    }
    return Connection(tenant_id, connection_id, **{**values, **fields})


def wanting(pattern: dict[str, Any]) -> SubscriptionFilter:
    """A subscription's filter."""
    return SubscriptionFilter.check(pattern, 4_096)


@dataclass
class Registered:
    """The connections table."""

    rows: list[Connection] = field(default_factory=list[Connection])
    removed: list[str] = field(default_factory=list[str])
    behind: dict[str, int] = field(default_factory=dict[str, int])
    cleared: list[str] = field(default_factory=list[str])

    def connected(self, tenant_id: str) -> Iterable[Connection]:
        return [row for row in self.rows if row.tenant_id == tenant_id]

    def remove(self, tenant_id: str, connection_id: str) -> None:
        self.removed.append(connection_id)

    def mark_behind(self, connection: Connection, since_ms: int) -> None:
        self.behind[connection.connection_id] = since_ms

    def clear_behind(self, connection: Connection) -> None:
        self.cleared.append(connection.connection_id)

    @property
    def untouched(self) -> bool:
        """Whether no row was changed."""
        return not (self.removed or self.behind or self.cleared)


@dataclass
class Posts:
    """@connections: answers as it is told, POSTED otherwise."""

    outcomes: dict[str, Outcome | Exception] = field(default_factory=dict[str, "Outcome | Exception"])
    sent: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    closed: list[str] = field(default_factory=list[str])
    closing: Outcome = Outcome.POSTED

    def post(self, connection_id: str, frames: Sequence[str]) -> Outcome:
        outcome = self.outcomes.get(connection_id, Outcome.POSTED)
        if isinstance(outcome, Exception):
            raise outcome
        self.sent.setdefault(connection_id, []).extend(frames)
        return outcome

    def close(self, connection_id: str) -> Outcome:
        self.closed.append(connection_id)
        return self.closing


def carried(frame: str) -> list[Update]:
    """The updates of a frame."""
    read = json.loads(frame)
    if read["type"] == "submission_update":
        return [{"event": read["event"], "data": read["data"]}]
    assert read["type"] == "submission_updates"
    return read["updates"]


class Broadcast:
    """A broadcaster with its fakes."""

    def __init__(self, *rows: Connection, **outcomes: Outcome | Exception) -> None:
        self.registered = Registered(list(rows))
        self.posts = Posts(outcomes)
        self.broadcaster = Broadcaster(self.registered, self.posts, now_ms=lambda: NOW)

    def send(self, *records: dict[str, Any]) -> Counter[Outcome]:
        return self.broadcaster.send(Batch.read(records).changes)

    def got(self, connection_id: str) -> list[Update]:
        """The updates that a connection was sent."""
        return [update for frame in self.posts.sent.get(connection_id, []) for update in carried(frame)]
