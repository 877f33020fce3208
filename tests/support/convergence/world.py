"""The pipeline in memory, with everything that may go wrong on the way from the table to a client.

The core is the real one: batches, broadcaster, sessions, views, the janitor, and the reference client. Around it stand
a table whose writes are stamped late and show in the index later still, a stream that lags and whose batches are
repeated, posts that fail, connections that die unnoticed, and frames that overtake one another.
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
from formbridge.connections.connection import Connection, ConnectionKey, RateLimited, Span
from formbridge.connections.rate_limit import Rate
from formbridge.connections.table import TenantConnections
from formbridge.posting.delivery import Delivery, Outcome, Receipt
from formbridge.runtime import timestamps
from formbridge.session.session import Session
from formbridge.submissions.submission import Page, Submission
from formbridge.wire import protocol
from formbridge.wire.cursor import OVERLAP_MS
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.broadcasts import NEVER, Inline, Queue
from tests.support.handlers.builders import HOUR_S, NOW, image, record
from tools.client import Disconnected, Subscription

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterable, Iterator, Mapping

TENANT: Final = "t_acme"
FORMS: Final = ("contact", "survey")
STATUSES: Final = ("new", "done", "spam", "deleted")
FILTERS: Final[tuple[dict[str, Any] | None, ...]] = (
    None,
    {"status": ["new"]},
    {"status": [{"anything-but": "spam"}]},
    {"form_id": ["contact"], "status": [{"prefix": "d"}, "new"]},
    {"$or": [{"form_id": ["survey"]}, {"status": ["done"]}]},
)
LATEST_MS: Final = OVERLAP_MS // 2 - 1
"""How late a write is stamped at most, and again how late it shows in the index: what the overlap is for."""


@dataclass
class Table:
    """The submissions table: what was written, what the index shows of it, and the stream."""

    chance: random.Random
    now_ms: int = NOW
    written: dict[str, list[tuple[int, Submission]]] = field(default_factory=dict[str, list[tuple[int, Submission]]])
    """By submission: each version, and when the index shows it."""
    stream: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])

    def write(self, name: str) -> None:
        """The next version of a submission."""
        versions = self.written.setdefault(name, [])
        old = versions[-1][1] if versions else None
        status = self.chance.choice(STATUSES)
        late, unseen = (self.chance.choice((0, 0, self.chance.randint(0, LATEST_MS))) for _ in range(2))
        new = Submission(
            tenant_id=TENANT,
            submission_id=name,
            form_id=self.chance.choice(FORMS),
            status=status,
            version=old.version + 1 if old else 1,
            submitted_at=timestamps.to_iso(NOW),
            updated_at=timestamps.to_iso(self.now_ms - late),
            expires_at=self.now_ms // 1000 + 7 * 24 * HOUR_S if status == "deleted" else None,
        )
        versions.append((self.now_ms + unseen, new))
        self._record("MODIFY" if old else "INSERT", new=image(new), old=image(old) if old else None)

    def expire(self) -> None:
        """DynamoDB removes what has expired."""
        for name, versions in list(self.written.items()):
            newest = versions[-1][1]
            if newest.has_expired(self.now_ms):
                del self.written[name]
                self._record("REMOVE", old=image(newest))

    def _record(self, name: str, **images: Any) -> None:
        change = record(name, **images)
        # Whole seconds, as some streams have it.
        change["dynamodb"]["ApproximateCreationDateTime"] = self.now_ms // 1000
        self.stream.append(change)

    def newest(self) -> dict[str, Submission]:
        return {name: versions[-1][1] for name, versions in self.written.items()}

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        """A query of the index, which may show an older version, or nothing yet."""
        shown: list[Submission] = []
        for versions in self.written.values():
            visible = [submission for shown_at, submission in versions if shown_at <= self.now_ms]
            shown.extend(visible[-1:])
        shown.sort(key=lambda submission: submission.position, reverse=newest_first)
        beyond = [one for one in shown if (one.position < position if newest_first else one.position > position)]
        page = beyond[:limit]
        return Page(page, page[-1].position if len(beyond) > limit else None)


@dataclass
class Rows:
    """The connections table."""

    now_ms: Callable[[], int]
    held: dict[ConnectionKey, Connection] = field(default_factory=dict[ConnectionKey, Connection])

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        return self.held.get(key)

    def subscribe(self, key: ConnectionKey, subscription_filter: SubscriptionFilter | None) -> bool:
        return self._change(key, subscribed=True, filter=subscription_filter, subscribed_at=self.now_ms())

    def unsubscribe(self, key: ConnectionKey) -> bool:
        return self._change(key, subscribed=False, filter=None)

    def extend(self, key: ConnectionKey, expires_at: int, issued_at: int) -> int | None:
        return expires_at if self._change(key, expires_at=expires_at, issued_at=issued_at) else None

    def remove(self, key: ConnectionKey) -> None:
        self.held.pop(key, None)

    def read_tenant_connections(self, tenant_id: str) -> TenantConnections:
        return TenantConnections(len(self.held), 1, self.read_shard(tenant_id, 0, Span()))

    def read_shard(self, tenant_id: str, shard: int, span: Span) -> Iterator[Connection]:
        return iter([row for row in self.held.values() if row.subscribed])

    def split_shard(self, tenant_id: str, shard: int, size: int) -> list[Span]:
        return [Span()]

    def delete(self, key: ConnectionKey) -> int | None:
        row = self.held.pop(key, None)
        return row.connected_at if row else None

    def release(self, tenant_id: str, connected_at: Iterable[int]) -> None:
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

    def _change(self, key: ConnectionKey, **fields: Any) -> bool:
        if key not in self.held:
            return False
        self.held[key] = replace(self.held[key], **fields)
        return True


@dataclass
class World:
    """One client, everything between it and the table, and chance."""

    chance: random.Random
    calm: bool = False
    """Whether nothing goes wrong any more."""
    requests: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """What the client has sent, and no Lambda has seen yet."""
    inbox: list[str] = field(default_factory=list[str])
    """What is under way to the client."""
    connection_id: str | None = None
    """The client's connection; None: it has none."""
    connections: int = 0

    def __post_init__(self) -> None:
        self.table = Table(self.chance)
        self.rows = Rows(lambda: self.table.now_ms)
        self.client = Subscription(filter=self.chance.choice(FILTERS))
        accounting = Accounting(self.rows, Inline(), now_ms=lambda: self.table.now_ms, monotonic=time.monotonic)
        self.broadcaster = Broadcaster(
            self.rows, self, accounting, Queue(), threshold=10, now_ms=lambda: self.table.now_ms
        )
        self.janitor = Janitor(self.rows, self, accounting, now_ms=lambda: self.table.now_ms)

    @property
    def key(self) -> ConnectionKey:
        """Of the row of the client's connection."""
        return ConnectionKey(TENANT, self.connection_id or "")

    @property
    def now(self) -> float:
        return self.table.now_ms / 1000

    # --- The client ---------------------------------------------------------------------------------------------

    def connect(self) -> None:
        if self.connection_id is None:
            self.connections += 1
            self.connection_id = f"conn-{self.connections}"
            now = self.table.now_ms
            expires_at, ttl = now // 1000 + 1_000 * HOUR_S, now // 1000 + 1_000 * HOUR_S
            # Its age is no matter here.
            row = Connection(self.key, now - 60_000, expires_at, ttl=ttl)
            self.rows.held[self.key] = row
            self.requests += self.client.handle_connect(self.now)

    def drop(self) -> None:
        """The connection dies; the gateway learns of it by and by."""
        if self.chance.random() < 0.5 and self.connection_id:
            self.rows.remove(self.key)
        self.connection_id = None
        self.requests.clear()
        self.inbox.clear()

    def refilter(self) -> None:
        if self.connection_id:
            self.requests += self.client.set_filter(self.chance.choice(FILTERS), self.now)

    def tick(self) -> None:
        self._client(lambda: self.client.handle_timeout(self.now))

    def receive(self) -> None:
        """The next frame, or one that overtakes it."""
        if self.inbox:
            frame = json.loads(self.inbox.pop(0 if self.calm else self._overtaking()))
            self._client(lambda: self.client.handle_frame(frame, self.now))

    def _overtaking(self) -> int:
        return self.chance.choice((0, self.chance.randrange(len(self.inbox))))

    def _client(self, act: Callable[[], list[dict[str, Any]]]) -> None:
        if self.connection_id is None:
            return
        try:
            self.requests += act()
        except Disconnected as ended:
            if not ended.reconnect:
                raise
            self.drop()

    # --- The gateway --------------------------------------------------------------------------------------------

    def answer(self) -> None:
        """The message Lambda has the client's next frame."""
        if self.requests and self.connection_id:
            body = json.dumps(self.requests.pop(0))
            session = Session(
                self.key,
                self.rows,
                self.table,
                lambda: self,
                Rate(10, 20),
                protocol.Limits(32_768, 4_096),
                now_ms=lambda: self.table.now_ms,
                monotonic=time.monotonic,
            )
            reply = session.reply(body)
            assert reply is not None
            self.inbox.append(protocol.encode(reply))

    def pipe(self) -> None:
        """The pipe hands over a batch, and again where it does not hear that it went well."""
        size = self.chance.randint(1, 5)
        batch = Batch.read(self.table.stream[:size])
        assert batch.malformed == {}
        self.broadcaster.broadcast(batch.changes, NEVER).raise_failures()
        if self.calm or self.chance.random() < 0.7:
            del self.table.stream[:size]

    def clean(self) -> None:
        self.janitor.sweep(list(self.rows.held.values()), NEVER).tally.raise_failures()

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        """@connections."""
        for delivery in deliveries:
            yield Receipt(delivery, Outcome.GONE if delivery.closes else self._post(delivery))

    def _post(self, delivery: Delivery) -> Outcome:
        """Some frames may have gone before one fails; what goes to a dead connection is lost."""
        alive = delivery.connection.connection_id == self.connection_id
        if delivery.probes:
            return Outcome.POSTED if alive else Outcome.GONE
        for frame in delivery.frames:
            if not self.calm and self.chance.random() < 0.2:
                return Outcome.BEHIND
            if not alive and (self.calm or self.chance.random() < 0.5):
                return Outcome.GONE
            if alive:
                self.inbox += [frame.decode()] * (1 if self.calm else self.chance.choice((1, 1, 1, 2)))
        return Outcome.POSTED

    # --- All of it ----------------------------------------------------------------------------------------------

    def write(self) -> None:
        self.table.write(self.chance.choice("abcdefgh"))

    def wait(self) -> None:
        """Time goes by. A frame is under way for seconds, the stream lags for minutes, a connection lasts two hours."""
        milliseconds = self.chance.choice((10, 500, 3_000, 3_000, 60_000, 400_000, 2 * HOUR_S * 1000))
        if self.chance.random() < 0.03:
            milliseconds = 8 * 24 * HOUR_S * 1000
        while milliseconds > LATEST_MS and (self.requests or self.inbox):
            self.answer()
            self.receive()
        while milliseconds > 400_000 and self.table.stream:
            self.pipe()
        if milliseconds > 400_000:
            self.drop()
        self.table.now_ms += milliseconds
        self.table.expire()

    def live(self, steps: int) -> None:
        """Let so many things happen, and then nothing bad any more, until the client must be in step."""
        often = [
            self.write,
            self.pipe,
            self.answer,
            self.receive,
            self.receive,
            self.tick,
            self.connect,
            self.wait,
        ]
        seldom = [self.drop, self.refilter, self.clean]
        for _ in range(steps):
            self.chance.choice([*often, *often, *often, *seldom])()
        self.calm = True
        self.connect()
        self.settle()
        self.clean()
        self.settle()
        # One heartbeat of silence.
        self.table.now_ms += 300_000
        self.tick()
        self.settle()

    def settle(self) -> None:
        """Until nothing is under way."""
        while self.requests or self.inbox or self.table.stream:
            self.connect()
            self.pipe()
            self.answer()
            self.receive()

    def shown(self) -> dict[str, Mapping[str, Any]]:
        """What the client holds."""
        return {
            name: {field: data[field] for field in ("version", "status", "form_id")}
            for name, data in self.client.view.get_submissions(self.now).items()
        }

    def expected(self) -> dict[str, Mapping[str, Any]]:
        """What the table holds and the client's filter matches."""
        return dict(self._expected())

    def _expected(self) -> Iterator[tuple[str, Mapping[str, Any]]]:
        wanted = SubscriptionFilter.parse(self.client.filter, 4_096) if self.client.filter else None
        for name, held in self.table.newest().items():
            if not held.is_deleted and (wanted is None or wanted.matches(held)):
                yield name, {"version": held.version, "status": held.status, "form_id": held.form_id}
