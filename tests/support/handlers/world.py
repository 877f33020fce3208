"""A connection of t_acme with everything that its session reaches, in memory."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import TYPE_CHECKING, Any, Final

from formbridge.access.handshake import Identity, Unauthorized
from formbridge.access.principal import Principal
from formbridge.connections.connection import Connection, ConnectionKey, RateLimited, Subscribed
from formbridge.connections.message_budget import MessageBudget
from formbridge.connections.rate_limit import Rate
from formbridge.connections.tenant_row import Shortage
from formbridge.posting.delivery import Delivery, Outcome, Receipt
from formbridge.revocations.revocation import Revocation, Revocations, Target
from formbridge.session.session import Authentication, Session
from formbridge.submissions.submission import Page, Submission
from formbridge.wire import protocol
from formbridge.wire.cursor import Cursor
from formbridge.wire.protocol import Limits
from tests.support.handlers.builders import HOUR_S, NOW, NOW_ISO
from tests.support.handlers.clock import Clock
from tests.support.handlers.principals import HASHES, USER

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from formbridge.wire.subscription_filter import SubscriptionFilter

MAX_MESSAGE_BYTES: Final = 128 * 1024
"""Of what API Gateway carries to a client."""
EXPIRES_AT: Final = NOW // 1000 + HOUR_S
LIMITS: Final = Limits(max_frame_bytes=32_768, max_filter_length=4_096, max_filters_per_tenant=100)
KEY: Final = ConnectionKey("t_acme", "conn-1")
"""Of the connection that a session is on."""
MAX_USER_CONNECTIONS: Final = 20
NO_RATE: Final = Rate(per_second=1_000, burst=1_000_000)
"""More than any test sends at once."""


@dataclass
class Connections:
    """The connections table."""

    calls: list[str]
    now_ms: Callable[[], int]
    rows: dict[ConnectionKey, Connection] = field(default_factory=dict[ConnectionKey, Connection])
    full_at: dict[ConnectionKey, int] = field(default_factory=dict[ConnectionKey, int])
    refusals: dict[ConnectionKey, int] = field(default_factory=dict[ConnectionKey, int])
    held_until: dict[ConnectionKey, int] = field(default_factory=dict[ConnectionKey, int])
    early: dict[ConnectionKey, int] = field(default_factory=dict[ConnectionKey, int])
    requested: dict[ConnectionKey, str] = field(default_factory=dict[ConnectionKey, str])
    """The order of the last request that changed the subscription."""
    epochs: dict[str, int] = field(default_factory=dict[str, int])
    histories: set[tuple[str, str]] = field(default_factory=set[tuple[str, str]])
    """The tenants whose epoch was read, and the history that it was read for."""
    filters: dict[str, set[SubscriptionFilter]] = field(default_factory=dict[str, set["SubscriptionFilter"]])
    """The recorded filters of each tenant."""

    def put(self, connection: Connection) -> None:
        self.rows[connection.key] = connection

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        held, full_at, now_us = self.rows.get(key), self.full_at.get(key, 0), now_ms * 1000
        if held is None:
            return None
        if self.held_until.get(key, 0) > now_ms:
            self.early[key] = self.early.get(key, 0) + 1
            return RateLimited(held, rate.wait_ms(full_at, now_us), self.early[key], is_early=True)
        if full_at > now_us + rate.tolerance_us:
            self.refusals[key] = self.refusals.get(key, 0) + 1
            return RateLimited(held, rate.wait_ms(full_at, now_us), self.refusals[key])
        if full_at <= now_us:
            self.refusals.pop(key, None)
        self.full_at[key] = max(full_at, now_us) + rate.interval_us
        return held

    def hold_back(self, key: ConnectionKey, rate: Rate, until_ms: int) -> None:
        self.full_at[key] = until_ms * 1000 + rate.tolerance_us
        self.held_until[key] = until_ms

    def record_filter(self, tenant_id: str, subscription_filter: SubscriptionFilter, limit: int) -> bool:
        recorded = self.filters.setdefault(tenant_id, set())
        if subscription_filter not in recorded and len(recorded) >= limit:
            return False
        recorded.add(subscription_filter)
        return True

    def subscribe(self, key: ConnectionKey, subscription_filter: SubscriptionFilter | None, order: str) -> Subscribed:
        return self._request(
            "subscribe", key, order, subscribed=True, filter=subscription_filter, subscribed_at=self.now_ms()
        )

    def unsubscribe(self, key: ConnectionKey, order: str) -> Subscribed:
        return self._request("unsubscribe", key, order, subscribed=False, filter=None)

    def restart_view(self, key: ConnectionKey) -> bool:
        return self._change("restart_view", key, subscribed_at=self.now_ms())

    def read_epoch(self, tenant_id: str, history: str) -> int:
        self.calls.append("read_epoch")
        self.histories.add((tenant_id, history))
        return self.epochs.get(tenant_id, 0)

    def extend(self, key: ConnectionKey, expires_at: int, principal: Principal) -> int | None:
        held = self.rows.get(key)
        if held is None or held.expires_at >= expires_at:
            return held and held.expires_at
        self._change("extend", key, expires_at=expires_at, principal=principal)
        return expires_at

    def is_user_full(self, tenant_id: str, user: str, limit: int) -> bool:
        members = [row for row in self.rows.values() if (row.tenant_id, row.principal.user) == (tenant_id, user)]
        return len(members) >= limit

    def remove(self, key: ConnectionKey) -> None:
        self.calls.append("remove")
        self.rows.pop(key, None)

    def _request(self, call: str, key: ConnectionKey, order: str, **changes: Any) -> Subscribed:
        if order < self.requested.get(key, ""):
            self.calls.append(call)
            return Subscribed.SUPERSEDED
        if not self._change(call, key, **changes):
            return Subscribed.NO_ROW
        self.requested[key] = order
        return Subscribed.DONE

    def _change(self, call: str, key: ConnectionKey, **changes: Any) -> bool:
        self.calls.append(call)
        held = self.rows.get(key)
        if held is not None:
            self.put(replace(held, **changes))
        return held is not None


@dataclass
class TenantBuckets:
    """The tenants' buckets for messages that are accepted, and for early ones."""

    connections: int = 1
    """Of each tenant."""
    full_at: dict[str, int] = field(default_factory=dict[str, int])
    early_full_at: dict[str, int] = field(default_factory=dict[str, int])
    writes: int = 0

    def take_messages(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        return self._take(self.full_at, tenant_id, rate, tokens, now_ms)

    def take_early(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        return self._take(self.early_full_at, tenant_id, rate, tokens, now_ms)

    def _take(self, buckets: dict[str, int], tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        self.writes += 1
        full_at, now_us = buckets.get(tenant_id, 0), now_ms * 1000
        wait_us = rate.wait_us(full_at, now_us, tokens)
        if wait_us:
            return Shortage(wait_us, self.connections)
        buckets[tenant_id] = max(full_at, now_us) + tokens * rate.interval_us
        return None


@dataclass
class Submissions:
    """The submissions table, which like DynamoDB does not say that a full page is the last."""

    calls: list[str] = field(default_factory=list[str])
    held: dict[str, Submission] = field(default_factory=dict[str, Submission])
    tenants: set[str] = field(default_factory=set[str])
    """Whose submissions were asked for."""
    has_other_keys: bool = False
    """Whether the items of the table cannot be read by their ids."""

    def put(self, *submissions: Submission) -> None:
        self.held.update({submission.submission_id: submission for submission in submissions})

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        self.calls.append("read")
        self.tenants.add(tenant_id)
        beyond = (
            held
            for held in self.in_order(tenant_id, newest_first=newest_first)
            if (held.position < position if newest_first else held.position > position)
        )
        found = list(islice(beyond, limit))
        return Page(found, found[-1].position if len(found) == limit else None)

    def read_by_id(self, tenant_id: str, submission_ids: Sequence[str]) -> dict[str, Submission] | None:
        self.calls.append("read_by_id")
        self.tenants.add(tenant_id)
        if self.has_other_keys:
            return None
        theirs = (held for held in self.held.values() if held.tenant_id == tenant_id)
        return {held.submission_id: held for held in theirs if held.submission_id in submission_ids}

    def in_order(self, tenant_id: str, *, newest_first: bool = False) -> list[Submission]:
        theirs = (held for held in self.held.values() if held.tenant_id == tenant_id)
        return sorted(theirs, key=lambda held: held.position, reverse=newest_first)


@dataclass
class Poster:
    """@connections: a delivery ends as it is told for its connection, POSTED otherwise."""

    outcomes: dict[str, Outcome] = field(default_factory=dict[str, Outcome])
    failures: dict[str, Exception] = field(default_factory=dict[str, Exception])
    """Of connections on which nothing is done for a reason that is not theirs."""
    posted: list[tuple[str, str]] = field(default_factory=list[tuple[str, str]])
    """Connection and frame, of each frame that was taken."""
    made: list[bytes] = field(default_factory=list[bytes])
    """The same frames, as they were given."""
    closed: list[str] = field(default_factory=list[str])
    """Connections that were to be closed, whether they could be or not."""
    probed: list[str] = field(default_factory=list[str])
    """Connections that API Gateway was asked about."""

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        return map(self._deliver, deliveries)

    def to(self, connection_id: str) -> list[str]:
        """The frames that a connection took."""
        return [frame for taker, frame in self.posted if taker == connection_id]

    def _deliver(self, delivery: Delivery) -> Receipt:
        connection_id = delivery.connection.connection_id
        if failure := self.failures.get(connection_id):
            return Receipt(delivery, Outcome.BEHIND, failure)
        outcome = self.outcomes.get(connection_id, Outcome.POSTED)
        if delivery.closes:
            self.closed.append(connection_id)
        if delivery.probes:
            self.probed.append(connection_id)
        # Of a delivery that closes, the outcome is that of closing.
        taken = delivery.frames if outcome is Outcome.POSTED or delivery.closes else ()
        self.posted += [(connection_id, frame.decode()) for frame in taken]
        self.made += taken
        return Receipt(delivery, outcome, frames=len(taken), sent_bytes=sum(map(len, taken)))


@dataclass
class Verifier:
    """Knows some tokens."""

    identities: dict[str, Identity] = field(default_factory=dict[str, Identity])

    def verify(self, token: str) -> Identity:
        if token not in self.identities:
            raise Unauthorized("InvalidSignatureError")
        return self.identities[token]


class World:
    """A session of t_acme, on conn-1, that is registered and has not subscribed."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        """What was asked of the tables, apart from letting a message through."""
        self.clock = Clock()
        self.connections = Connections(self.calls, self.clock.now_ms)
        self.connections.put(Connection(KEY, NOW, EXPIRES_AT, Principal(USER, signed_in_at=NOW // 1000 - 60)))
        self.buckets = TenantBuckets()
        self.submissions = Submissions(self.calls)
        self.poster = Poster()
        self.verifier = Verifier()
        self.revocations: dict[Target, Revocation] = {}
        self.requests = 0
        self.session = Session(
            KEY,
            self.connections,
            self.submissions,
            lambda: self.poster,
            NO_RATE,
            MessageBudget(self.buckets, NO_RATE),
            LIMITS,
            max_user_connections=MAX_USER_CONNECTIONS,
            now_ms=self.clock.now_ms,
            monotonic=time.monotonic,
            history="stream-1",
        )

    @property
    def authenticator(self) -> Session:
        """The session of the same connection on the `authenticate` route."""
        authentication = Authentication(self.verifier, HASHES.identify, self._find_revocations)
        return replace(self.session, submissions=None, history="", authentication=authentication)

    def _find_revocations(self, _tenant_id: str, _principal: Principal) -> Revocations:
        self.calls.append("find_revocations")
        return Revocations(self.revocations)

    @property
    def row(self) -> Connection | None:
        return self.connections.rows.get(self.session.key)

    def tell(self, action: str, **fields: object) -> dict[str, Any] | None:
        """What a client reads after a request, and None where it reads nothing."""
        return self.send(self.authenticator if action == "authenticate" else self.session, action, None, **fields)

    def send(
        self, session: Session, action: str, order: str | None = None, /, **fields: object
    ) -> dict[str, Any] | None:
        """The same, from a session of one of the two routes. `order` is by default that of a request made now."""
        frame = session.reply(json.dumps({"action": action, **fields}), order or self.next_order())
        if frame is None:
            return None
        text = protocol.encode(frame)
        assert len(text.encode()) <= MAX_MESSAGE_BYTES
        return json.loads(text)

    def next_order(self) -> str:
        self.requests += 1
        return f"{self.requests:013}#message"

    def ask(self, action: str, **fields: object) -> dict[str, Any]:
        """The reply to a request."""
        reply = self.tell(action, **fields)
        assert reply is not None
        return reply

    def subscribed(self, **fields: object) -> dict[str, Any]:
        return self.ask("subscribe", snapshot=0, **fields)

    def held(self) -> list[tuple[str, int, int]]:
        """What a client holds that has received all of the tenant's submissions."""
        return [(each.submission_id, each.incarnation, each.version) for each in self.submissions.in_order("t_acme")]


def ids(reply: dict[str, Any]) -> list[str]:
    return [update["data"]["submission_id"] for update in reply["updates"]]


def cursor(position: str = NOW_ISO, tenant_id: str = "t_acme", epoch: int = 0) -> str:
    return Cursor(tenant_id, epoch, position).encode()


def to_the_end(first: dict[str, Any], ask: Callable[[str], dict[str, Any]]) -> list[dict[str, Any]]:
    """A reply and those that follow it, up to the first that is complete."""
    replies = [first]
    while not replies[-1]["complete"]:
        replies.append(ask(replies[-1]["cursor"]))
    return replies


def all_ids(replies: Iterable[dict[str, Any]]) -> list[str]:
    return [name for reply in replies for name in ids(reply)]
