"""The pipeline in memory, with everything that may go wrong between a form product and its dashboards.

The core is the real one: events, batches, broadcaster, sessions, replays, the janitor and the reference client. Around
it are a bus whose events come in any order and again, a table that an operator edits and restores, an index and a
stream that lag, posts that fail, connections that end unnoticed, and frames that overtake one another.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.broadcaster import Broadcaster
from formbridge.broadcast.changes import Batch
from formbridge.broadcast.janitor import Janitor
from formbridge.connections.connection import Connection, ConnectionKey, RateLimited, Reservation, Span, Subscribed
from formbridge.connections.message_budget import MessageBudget
from formbridge.connections.rate_limit import Rate
from formbridge.connections.table import TenantConnections
from formbridge.posting.delivery import Delivery, Outcome, Receipt
from formbridge.revocations.revocation import Revocations
from formbridge.runtime import timestamps
from formbridge.session.session import Session
from formbridge.submissions.event import MalformedEvent, SubmissionEvent
from formbridge.submissions.retention import (
    DEAD_LETTER_DAYS,
    REPLAY_DAYS,
    RETRY_DAYS,
    TOMBSTONE_DAYS,
)
from formbridge.submissions.submission import REQUIRED_FIELDS, Page, Submission, is_pending
from formbridge.submissions.table import is_final, select_newer
from formbridge.wire import protocol
from formbridge.wire.cursor import CONSISTENCY_WINDOW_MS
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.broadcasts import NEVER, Inline, Queue
from tests.support.handlers.builders import HOUR_S, NOW, TENANT_IDS, bus_event, record
from tests.support.handlers.world import TenantBuckets
from tools.client import Disconnected, Subscription

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from formbridge.access.principal import Principal
    from formbridge.connections.user_row import Member

Item = dict[str, "AttributeValueTypeDef"]
Name = tuple[str, str]
"""A tenant and the id of a submission."""
State = tuple[int, "Item | None"]
"""An item, or None where it is gone, and when the index shows that."""

TENANTS: Final = ("t_acme", "t_globex")
NAMES: Final = "abc"
FORMS: Final = ("contact", "survey")
STATUSES: Final = ("new", "done", "spam", "deleted")
FILTERS: Final[tuple[dict[str, Any] | None, ...]] = (
    None,
    {"status": ["new"]},
    {"status": [{"anything-but": "spam"}]},
    {"form_id": ["contact"], "status": [{"prefix": "d"}, "new"]},
    {"$or": [{"form_id": ["survey"]}, {"status": ["done"]}]},
    {"submission_id": ["a", "b"]},
)
HOUR_MS: Final = HOUR_S * 1000
DAY_MS: Final = 24 * HOUR_MS
MAX_SKEW_MS: Final = 300_000
LATEST_MS: Final = CONSISTENCY_WINDOW_MS // 2 - 1
"""How late a write is stamped at most, and again how late it shows in the index, where nothing lags unusually."""
HEARTBEAT_MS: Final = protocol.HEARTBEAT_SECONDS * 1000
HALF_AN_HOUR_MS: Final = 1_800_000


@dataclass
class Table:
    """The submissions table: its items, what the index shows of them, and its stream."""

    chance: random.Random
    lags: bool
    """Whether the index may lag for longer than the consistency window."""
    retention_ms: int
    """How long after its last change a submission expires; 0: never."""
    now_ms: int = NOW
    items: dict[Name, Item] = field(default_factory=dict[Name, Item])
    shown: dict[Name, list[State]] = field(default_factory=dict[Name, list["State"]])
    """By submission: its states, one after another."""
    stream: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    history: str = "stream-0"
    restores: int = 0

    def save(self, event: SubmissionEvent) -> None:
        """Store an event as persist does. tests/handlers/test_persist.py shows that persist does so."""
        old = self.items.get((event.tenant_id, event.submission_id))
        if old and is_final(old):
            return
        new = dict(old or {})
        if event.deletes:
            new |= {"status": {"S": "deleted"}}
            lifetime_ms = TOMBSTONE_DAYS * DAY_MS
        else:
            newer = select_newer(event, new)
            if not newer:
                return
            for name, value in newer.items():
                new |= {name: {"S": value.text}, f"{name}_order": {"S": value.order}}
            lifetime_ms = self.retention_ms if all(name in new for name in REQUIRED_FIELDS) else REPLAY_DAYS * DAY_MS
        late = self.chance.choice((0, 0, self.chance.randint(0, LATEST_MS)))
        new.pop("ttl", None)
        if lifetime_ms:
            new["ttl"] = {"N": str((self.now_ms + lifetime_ms) // 1000)}
        new |= {
            "tenant_id": {"S": event.tenant_id},
            "submission_id": {"S": event.submission_id},
            "updated_at": {"S": timestamps.to_iso(self.now_ms - late)},
            "incarnation": new.get("incarnation", {"N": str(self.now_ms - late)}),
            "version": {"N": str(int(new.get("version", {}).get("N", "0")) + 1)},
        }
        self.put((event.tenant_id, event.submission_id), new)

    def put(self, name: Name, new: Item | None) -> None:
        """Write an item, or delete it, as any program may."""
        old = self.items.pop(name, None)
        if new is not None:
            self.items[name] = new
        if old is None and new is None:
            return
        slowest = 4 * CONSISTENCY_WINDOW_MS if self.lags else LATEST_MS
        unseen = self.chance.choice((0, 0, self.chance.randint(0, slowest)))
        states = self.shown.setdefault(name, [])
        # An index applies the writes of an item in their order.
        states.append((max(self.now_ms + unseen, states[-1][0] if states else 0), new))
        kind = "INSERT" if old is None else "REMOVE" if new is None else "MODIFY"
        change = record(kind, new=new, old=old)
        # Whole seconds, as some streams have it.
        change["dynamodb"]["ApproximateCreationDateTime"] = self.now_ms // 1000
        self.stream.append(change)

    def expire(self) -> None:
        """DynamoDB removes what has expired, sooner or later."""
        for name, item in list(self.items.items()):
            has_expired = "ttl" in item and int(item["ttl"].get("N", "")) * 1000 <= self.now_ms
            if has_expired and self.chance.random() < 0.7:
                self.put(name, None)

    def restore(self, items: Mapping[Name, Item]) -> None:
        """Become the table that was restored from a backup; it has a stream of its own."""
        self.items = dict(items)
        self.shown = {name: [(0, item)] for name, item in items.items()}
        self.stream.clear()
        self.restores += 1
        self.history = f"stream-{self.restores}"

    def submissions(self, tenant_id: str) -> Iterator[Submission]:
        """What a dashboard may show of a tenant."""
        for (owner, _), item in self.items.items():
            if owner == tenant_id and not is_pending(item):
                held = Submission.from_item(item)
                if not held.is_deleted and not held.has_expired(self.now_ms):
                    yield held

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        """A query of the index, which may show an older state, or nothing yet."""
        found: list[Submission] = []
        for (owner, _), states in self.shown.items():
            visible = [item for shown_at, item in states if shown_at <= self.now_ms]
            if owner == tenant_id and visible and visible[-1] is not None and not is_pending(visible[-1]):
                found.append(Submission.from_item(visible[-1]))
        found.sort(key=lambda submission: submission.position, reverse=newest_first)
        beyond = [one for one in found if (one.position < position if newest_first else one.position > position)]
        page = beyond[:limit]
        return Page(page, page[-1].position if len(beyond) > limit else None)

    def read_by_id(self, tenant_id: str, submission_ids: Sequence[str]) -> dict[str, Submission]:
        """Consistent reads of the table itself."""
        items = {name: self.items.get((tenant_id, name), {}) for name in submission_ids}
        return {name: Submission.from_item(item) for name, item in items.items() if item and not is_pending(item)}


class Users:
    """The users' rows."""

    def remove(self, tenant_id: str, user: str, members: Iterable[Member]) -> None:
        """No user has a row here."""


class Filters:
    """The rows of filters, which no tenant has here."""

    def restore(self, tenant_id: str, entries: Collection[str], now_ms: int) -> None:
        """Record nothing."""

    def remove(self, tenant_id: str, entries: Collection[str]) -> None:
        """Remove nothing."""


@dataclass
class Rows:
    """The connections table."""

    now_ms: Callable[[], int]
    held: dict[ConnectionKey, Connection] = field(default_factory=dict[ConnectionKey, Connection])
    requested: dict[ConnectionKey, str] = field(default_factory=dict[ConnectionKey, str])
    epochs: dict[str, int] = field(default_factory=dict[str, int])
    histories: dict[str, str] = field(default_factory=dict[str, str])

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        return self.held.get(key)

    def hold_back(self, key: ConnectionKey, rate: Rate, until_ms: int) -> None:
        raise AssertionError("no tenant sends that much")

    def record_filter(self, tenant_id: str, subscription_filter: SubscriptionFilter, limit: int) -> bool:
        return True

    def subscribe(self, key: ConnectionKey, subscription_filter: SubscriptionFilter | None, order: str) -> Subscribed:
        return self._request(key, order, subscribed=True, filter=subscription_filter, subscribed_at=self.now_ms())

    def unsubscribe(self, key: ConnectionKey, order: str) -> Subscribed:
        return self._request(key, order, subscribed=False, filter=None)

    def restart_view(self, key: ConnectionKey) -> bool:
        return self._change(key, subscribed_at=self.now_ms())

    def extend(self, key: ConnectionKey, expires_at: int, principal: Principal) -> int | None:
        return expires_at if self._change(key, expires_at=expires_at, principal=principal) else None

    def is_user_full(self, tenant_id: str, user: str, limit: int) -> bool:
        return False

    def remove(self, key: ConnectionKey) -> None:
        self.held.pop(key, None)

    def read_epoch(self, tenant_id: str, history: str) -> int:
        known = self.histories.setdefault(tenant_id, history)
        if known != history:
            self.histories[tenant_id] = history
            self.raise_epoch(tenant_id)
        return self.epochs.get(tenant_id, 0)

    def raise_epoch(self, tenant_id: str) -> None:
        self.epochs[tenant_id] = self.now_ms()

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections:
        rows = list(self.read_shard(tenant_id, 0, Span()))
        return TenantConnections(len(rows), 1, self.epochs.get(tenant_id, 0), (), iter(rows))

    def read_shard(self, tenant_id: str, shard: int, span: Span) -> Iterator[Connection]:
        return iter([row for row in self.held.values() if row.subscribed and row.tenant_id == tenant_id])

    def split_shard(self, tenant_id: str, shard: int, size: int) -> list[Span]:
        return [Span()]

    def delete(self, key: ConnectionKey) -> Reservation | None:
        row = self.held.pop(key, None)
        return row.reservation if row else None

    def release(self, tenant_id: str, reservations: Sequence[Reservation]) -> None:
        """No tenant has a row here."""

    def mark_behind(self, key: ConnectionKey, since_ms: int) -> None:
        self._change(key, behind_since=since_ms)

    def clear_behind(self, key: ConnectionKey, seen_ms: int) -> None:
        if (row := self.held.get(key)) and row.behind_since == seen_ms:
            self._change(key, behind_since=None)

    def record_probe(self, key: ConnectionKey, probed_ms: int) -> None:
        self._change(key, probed_at=probed_ms)

    def correct(self, tenant_id: str, period: int, reserved: int, change: int) -> None:
        """No tenant has a row here."""

    def set_total(self, tenant_id: str, connections: int, total: int) -> None:
        """No tenant has a row here."""

    def _request(self, key: ConnectionKey, order: str, **fields: Any) -> Subscribed:
        if key not in self.held:
            return Subscribed.NO_ROW
        if self.is_superseded(key, order):
            return Subscribed.SUPERSEDED
        self.requested[key] = order
        self._change(key, **fields)
        return Subscribed.DONE

    def is_superseded(self, key: ConnectionKey, order: str) -> bool:
        return self.requested.get(key, "") > order

    def _change(self, key: ConnectionKey, **fields: Any) -> bool:
        if key not in self.held:
            return False
        self.held[key] = replace(self.held[key], **fields)
        return True


class EagerSubscription(Subscription):
    """A client that does not wait for the reply before it sends another `subscribe`."""

    def set_filter(self, pattern: Mapping[str, object] | None, now: float) -> list[dict[str, Any]]:
        self.filter, self.cursor = pattern, None
        self._next_action = None
        return self._subscribe(None, now)


@dataclass
class Client:
    """A dashboard of one tenant, and its line to the gateway."""

    tenant_id: str
    subscription: Subscription
    requests: list[tuple[str, dict[str, Any]]] = field(default_factory=list[tuple[str, dict[str, Any]]])
    """What the client has sent, and no Lambda has seen yet, with the order of each request."""
    inbox: list[str] = field(default_factory=list[str])
    """What is under way to the client."""
    connection_id: str | None = None
    """The client's connection; None: it has none."""
    sent: int = 0
    foreign: list[str] = field(default_factory=list[str])
    """Frames that name another tenant."""

    @property
    def key(self) -> ConnectionKey:
        """Of the row of the client's connection."""
        return ConnectionKey(self.tenant_id, self.connection_id or "")

    def send(self, frames: Iterable[dict[str, Any]]) -> None:
        for frame in frames:
            self.sent += 1
            self.requests.append((f"{self.sent:09}", frame))


@dataclass
class World:
    """Some clients of two tenants, everything between them and the table, and chance."""

    chance: random.Random
    calm: bool = False
    """Whether nothing goes wrong any more."""
    is_stalled: bool = False
    """Whether the pipe delivers nothing."""
    connections: int = 0
    events: list[tuple[dict[str, Any], int]] = field(default_factory=list[tuple[dict[str, Any], int]])
    """All events that were ever sent, and when, for replays."""
    backup: dict[Name, Item] = field(default_factory=dict[Name, Item])
    """Items of an earlier time."""
    deleted_at: dict[Name, int] = field(default_factory=dict[Name, int])
    """When each submission was deleted, unless the operator has touched its item since."""
    revived: list[Name] = field(default_factory=list[Name])
    """Deleted submissions that an event brought back."""

    def __post_init__(self) -> None:
        self.lags = self.chance.random() < 0.3
        """Whether index and stream may lag for longer than the window, and stream records may be lost."""
        self.table = Table(self.chance, self.lags, retention_ms=self.chance.choice((0, HOUR_MS)))
        self.rows = Rows(lambda: self.table.now_ms)
        self.clients = [self._make_client(tenant) for tenant in (*TENANTS, TENANTS[0])]
        accounting = Accounting(self.rows, Inline(), now_ms=lambda: self.table.now_ms, monotonic=time.monotonic)
        self.queue = Queue()
        """The fan-out queue, which takes what is for more than a few connections."""
        self.broadcaster = Broadcaster(
            self.rows, self, accounting, self.queue, threshold=4, now_ms=lambda: self.table.now_ms
        )
        self.janitor = Janitor(self.rows, Users(), Filters(), self, accounting, now_ms=lambda: self.table.now_ms)

    def _make_client(self, tenant: str) -> Client:
        kind = self.chance.choice((Subscription, Subscription, EagerSubscription))
        return Client(tenant, kind(filter=self.chance.choice(FILTERS)))

    @property
    def now(self) -> float:
        return self.table.now_ms / 1000

    def _any_client(self) -> Client:
        return self.chance.choice(self.clients)

    # --- The form product and the operator ----------------------------------------------------------------------

    def happen(self) -> None:
        """An event of a submission, by a clock that may be wrong, and perhaps with a time of its own."""
        detail: dict[str, Any] = {
            "tenant_id": self.chance.choice(TENANTS),
            # Where rows expire soon, one submission is created again and again.
            "submission_id": "a" if self.table.retention_ms else self.chance.choice(NAMES),
        }
        skew = self.chance.choice((0, 0, self.chance.randint(-600_000, MAX_SKEW_MS)))
        if self.chance.random() < 0.4:
            detail |= {"form_id": self.chance.choice(FORMS), "status": self.chance.choice(STATUSES[:3])}
            kind = "submission.received"
        else:
            kind = "submission.updated"
            if self.chance.random() < 0.8:
                detail["status"] = self.chance.choice(STATUSES[:3] if self.table.retention_ms else STATUSES)
            if self.chance.random() < 0.3 or "status" not in detail:
                detail["form_id"] = self.chance.choice(FORMS)
            if self.chance.random() < 0.3:
                ahead = self.chance.choice((0, 299_000, 301_000, 10**12))
                detail["updated_at"] = timestamps.to_iso(self.table.now_ms + skew + ahead)
        self.persist(bus_event(kind, detail, time=timestamps.to_iso(self.table.now_ms + skew)), self.table.now_ms)

    def replay(self) -> None:
        """An event comes again as it was: at once, or from an archive weeks later."""
        if self.events:
            self.persist(*self.chance.choice(self.events))

    def redrive(self) -> None:
        """An operator sends a dead letter again, which makes it an event with a time and an id of its own."""
        if not self.events:
            return
        event, sent_at = self.chance.choice(self.events)
        if self.table.now_ms - sent_at < (RETRY_DAYS + DEAD_LETTER_DAYS) * DAY_MS:
            again = bus_event(event["detail-type"], event["detail"], time=timestamps.to_iso(self.table.now_ms))
            self.persist(again, sent_at)

    def persist(self, event: dict[str, Any], sent_at: int) -> None:
        """Persist has an event, which was first sent at a time."""
        self.events.append((event, sent_at))
        try:
            parsed = SubmissionEvent.parse(event, self.table.now_ms, MAX_SKEW_MS, TENANT_IDS)
        except MalformedEvent as refused:
            if not str(refused).startswith(("time:", "updated_at:")):
                raise
            return
        self.table.save(parsed)
        name = (parsed.tenant_id, parsed.submission_id)
        is_deleted = self.table.items[name].get("status") == {"S": "deleted"}
        if not is_deleted and sent_at <= self.deleted_at.get(name, -1):
            self.revived.append(name)
        if parsed.deletes or "deleted" in str(event["detail"]):
            self.deleted_at.setdefault(name, self.table.now_ms)
        elif not is_deleted:
            self.deleted_at.pop(name, None)  # an event from after the deletion, and after the end of its row

    def back_up(self) -> None:
        self.backup = dict(self.table.items)

    def delete_by_hand(self) -> None:
        if self.table.items:
            name = self.chance.choice(list(self.table.items))
            self.deleted_at.pop(name, None)
            self.table.put(name, None)

    def copy_back(self) -> None:
        """The operator puts one item of the backup back, over whatever is there."""
        if self.backup:
            name = self.chance.choice(list(self.backup))
            if self.backup[name] != self.table.items.get(name):
                self.deleted_at.pop(name, None)
                self.table.put(name, self.backup[name])

    def restore(self) -> None:
        self.deleted_at.clear()
        self.table.restore(self.backup)

    def lose_record(self) -> None:
        """The pipe was down for so long that the stream has dropped a record."""
        if self.lags and self.table.stream:
            self.table.stream.pop(0)

    # --- The clients --------------------------------------------------------------------------------------------

    def connect(self) -> None:
        self._connect(self._any_client())

    def _connect(self, client: Client) -> None:
        if client.connection_id is None:
            self.connections += 1
            client.connection_id = f"conn-{self.connections}"
            now = self.table.now_ms
            until = now // 1000 + 1_000 * HOUR_S
            # Its age is no matter here.
            self.rows.held[client.key] = Connection(client.key, now - 60_000, until, ttl=until)
            client.send(client.subscription.handle_connect(self.now))

    def drop(self) -> None:
        self._drop(self._any_client())

    def _drop(self, client: Client) -> None:
        """The connection dies; the gateway learns of it by and by, or only from a failed post."""
        if self.chance.random() < 0.5 and client.connection_id:
            self.rows.remove(client.key)
        client.connection_id = None
        client.requests.clear()
        client.inbox.clear()

    def change_filter(self) -> None:
        client = self._any_client()
        if client.connection_id:
            client.send(client.subscription.set_filter(self.chance.choice(FILTERS), self.now))

    def tick(self) -> None:
        self._tick(self._any_client())

    def _tick(self, client: Client) -> None:
        self._act(client, lambda: client.subscription.handle_timeout(self.now))

    def receive(self) -> None:
        self._receive(self._any_client())

    def _receive(self, client: Client) -> None:
        """The next frame, or one that overtakes it."""
        if client.inbox:
            overtaking = self.chance.choice((0, self.chance.randrange(len(client.inbox))))
            text = client.inbox.pop(0 if self.calm else overtaking)
            client.foreign += [text for tenant in TENANTS if tenant != client.tenant_id and tenant in text]
            self._act(client, lambda: client.subscription.handle_frame(json.loads(text), self.now))

    def _act(self, client: Client, act: Callable[[], list[dict[str, Any]]]) -> None:
        if client.connection_id is None:
            return
        try:
            client.send(act())
        except Disconnected as ended:
            if not ended.reconnect:
                raise
            self._drop(client)

    # --- The gateway --------------------------------------------------------------------------------------------

    def answer(self) -> None:
        self._answer(self._any_client())

    def _answer(self, client: Client) -> None:
        """A message Lambda has one of the client's frames. Lambdas run in parallel, so it may be any of them."""
        if client.requests and client.connection_id:
            order, body = client.requests.pop(0 if self.calm else self.chance.randrange(len(client.requests)))
            session = Session(
                client.key,
                self.rows,
                self.table,
                lambda: self,
                Rate(10, 20),
                MessageBudget(TenantBuckets(), Rate(200, 1_000)),
                protocol.Limits(32_768, 4_096, 100),
                max_user_connections=20,
                now_ms=lambda: self.table.now_ms,
                monotonic=time.monotonic,
                history=self.table.history,
            )
            reply = session.reply(json.dumps(body), order)
            assert reply is not None
            client.inbox.append(protocol.encode(reply))

    def pipe(self) -> None:
        """The pipe hands over a batch, and again where it does not hear that it went well."""
        if self.is_stalled:
            return
        size = self.chance.randint(1, 5)
        batch = Batch.read(self.table.stream[:size])
        assert batch.malformed == {}
        self.broadcaster.broadcast(batch.changes, NEVER).raise_failures()
        if self.calm or self.chance.random() < 0.7:
            del self.table.stream[:size]

    def stall(self) -> None:
        self.is_stalled = not self.is_stalled

    def fan_out(self) -> None:
        """A fan-out Lambda has a message of the queue, perhaps late, and perhaps again."""
        if self.queue.sent:
            self.broadcaster.run_task(self.queue.sent[0], NEVER).raise_failures()
            if self.calm or self.chance.random() < 0.7:
                self.queue.sent.pop(0)

    def clean(self) -> None:
        self.janitor.sweep(list(self.rows.held.values()), Revocations({}), NEVER).tally.raise_failures()

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """@connections."""
        for delivery in deliveries:
            yield Receipt(delivery, Outcome.GONE if delivery.closes else self._post(delivery))

    def _post(self, delivery: Delivery) -> Outcome:
        """Some frames may have gone before one fails; what goes to a dead connection is lost."""
        alive = [client for client in self.clients if client.key == delivery.connection.key]
        if delivery.probes:
            return Outcome.POSTED if alive else Outcome.GONE
        for frame in delivery.frames:
            if not self.calm and self.chance.random() < 0.35:
                return Outcome.BEHIND
            if not alive and (self.calm or self.chance.random() < 0.5):
                return Outcome.GONE
            for client in alive:
                client.inbox += [frame.decode()] * (1 if self.calm else self.chance.choice((1, 1, 1, 2)))
        return Outcome.POSTED

    # --- All of it ----------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Time goes by: seconds for a frame, minutes for the stream, hours for a connection, weeks for an archive."""
        milliseconds = self.chance.choice((10, 500, 3_000, 3_000, 40_000, 400_000, 2 * HOUR_MS, 9 * HOUR_MS))
        if self.chance.random() < 0.03:
            milliseconds = self.chance.choice((2, 8, 20)) * DAY_MS
        for client in self.clients:
            while milliseconds > LATEST_MS and (client.requests or client.inbox):
                self._answer(client)
                self._receive(client)
        self.is_stalled = self.is_stalled and milliseconds <= 400_000
        while milliseconds > 400_000 and self.table.stream:
            self.pipe()
        if milliseconds > 400_000:
            for client in self.clients:
                self._drop(client)
        self.table.now_ms += milliseconds
        self.table.expire()

    def live(self, steps: int) -> None:
        """Let so many things happen. Then nothing goes wrong any more, until all clients must equal the table."""
        often = [
            self.happen,
            self.happen,
            self.pipe,
            self.fan_out,
            self.answer,
            self.receive,
            self.receive,
            self.tick,
            self.connect,
            self.wait,
        ]
        at_times = [self.drop, self.change_filter, self.clean, self.replay, self.redrive, self.stall]
        seldom = [self.back_up, self.delete_by_hand, self.copy_back, self.restore, self.lose_record]
        if self.chance.random() < 0.5:
            seldom = [self.lose_record]  # no operator touches the table
        for _ in range(steps):
            self.chance.choice([*often * 8, *at_times * 3, *seldom])()
        self.calm, self.is_stalled = True, False
        for client in self.clients:
            self._connect(client)
        self.settle()
        self.clean()
        # The tenants stay busy, so no client hears silence.
        if self.lags:
            # What lagged for longer than the window, or was lost, is found within a day.
            self.pass_busily(DAY_MS, HALF_AN_HOUR_MS - 1_000)
        if self.table.restores:
            # No update tells of it.
            self.pass_busily(HALF_AN_HOUR_MS, HEARTBEAT_MS - 1_000)
        # The first update may tell that history was replaced, and the writes settle after that.
        self.pass_busily(2 * CONSISTENCY_WINDOW_MS, CONSISTENCY_WINDOW_MS // 4)

    def pass_busily(self, milliseconds: int, step: int) -> None:
        """Let time go by, with an update of each tenant after each step."""
        end = self.table.now_ms + milliseconds
        while self.table.now_ms < end:
            self.table.now_ms += step
            now = timestamps.to_iso(self.table.now_ms)
            for tenant in TENANTS:
                form = {"tenant_id": tenant, "submission_id": "busy", "form_id": "contact", "status": "new"}
                self.persist(bus_event("submission.received", form, time=now), self.table.now_ms)
                self.persist(
                    bus_event("submission.updated", {**form, "submitted_at": now}, time=now), self.table.now_ms
                )
            self.settle()

    def settle(self) -> None:
        """Until nothing is under way."""
        while True:
            for client in self.clients:
                self._connect(client)
                self._tick(client)
                self._answer(client)
                self._receive(client)
            self.pipe()
            self.fan_out()
            is_idle = not self.table.stream and not self.queue.sent
            if is_idle and not any(client.requests or client.inbox for client in self.clients):
                return

    def shown(self) -> list[dict[str, Mapping[str, Any]]]:
        """What each client holds."""
        return [
            {
                name: {field: data[field] for field in ("version", "status", "form_id")}
                for name, data in client.subscription.get_submissions(self.now).items()
            }
            for client in self.clients
        ]

    def expected(self) -> list[dict[str, Mapping[str, Any]]]:
        """What the table holds and each client's filter matches."""
        return [dict(self._expect(client)) for client in self.clients]

    def _expect(self, client: Client) -> Iterator[tuple[str, Mapping[str, Any]]]:
        pattern = client.subscription.filter
        wanted = SubscriptionFilter.parse(pattern, 4_096) if pattern else None
        for held in self.table.submissions(client.tenant_id):
            if wanted is None or wanted.matches(held):
                yield held.submission_id, {"version": held.version, "status": held.status, "form_id": held.form_id}

    def foreign(self) -> list[str]:
        """Frames that named another tenant than the client's."""
        return [frame for client in self.clients for frame in client.foreign]
