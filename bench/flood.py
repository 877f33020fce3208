"""Simulation of a quiet tenant's requests during an attack with messages and handshakes.

The sessions and the token buckets are those of the gateway. The stage's throttles, the concurrency of Lambda and the
time of an invocation are simulated. The connections table is in memory.
"""

from __future__ import annotations

import statistics
from collections import Counter, deque
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from random import Random
from typing import TYPE_CHECKING, Any, Final, cast

import simpy
import typer
from rich.progress import track

from components import _gateway_limits as limits
from formbridge.connections.connection import Connection, ConnectionKey, RateLimited
from formbridge.connections.message_budget import MessageBudget
from formbridge.connections.rate_limit import Rate
from formbridge.connections.tenant_row import Shortage
from formbridge.connections.tenants import REDUCTION, REDUCTION_MS
from formbridge.posting.delivery import Delivery, Outcome, Receipt
from formbridge.session.session import Session
from formbridge.wire.protocol import Limits

from . import report
from .arithmetic import INVOKE_SECONDS
from .cost import OTHER_SECONDS
from .report import Section

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

QUIET, ATTACKER = "t_quiet", "t_attacker"
START_MS: Final = 1_795_377_600_000
"""Epoch milliseconds at the start of the simulation."""
SECONDS: Final = 300
"""Length of a simulation. It is a usual period of a p99 in a monitoring system."""
QUIET_CONNECTIONS: Final = 20
QUIET_HANDSHAKES_PER_SECOND: Final = 5
ACCOUNT_CONCURRENCY: Final = 1_000
"""Default quota of concurrent Lambda invocations of an account.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
PROCESSES: Final = 20
"""Number of message Lambdas that have leases of a tenant's budget: 1,000 invocations per second of 20 ms."""
BACKOFF_SECONDS: Final = (1.0, 30.0)
"""Longest wait after the first failed attempt, and maximum. The wait is random and its maximum doubles each time, as in
the dashboard's client."""

STAGE: Final = Rate(limits.DEFAULT_RATE_LIMIT, limits.DEFAULT_BURST_LIMIT)
STAGE_CONNECTS: Final = Rate(limits.DEFAULT_CONNECT_RATE_LIMIT, limits.DEFAULT_CONNECT_BURST_LIMIT)
CONNECTION: Final = Rate(limits.DEFAULT_MESSAGES_PER_SECOND, limits.DEFAULT_MESSAGE_BURST)
WAVE_SECONDS: Final = 5.0
"""Length of a flood of an attacker that is silent in between."""
SILENCE_SECONDS: Final = 100.0
"""Time between two floods of this attacker. In this time, a tenant can open all its connections again."""
UNLIMITED: Final = Rate(1_000_000, 1_000_000)

Steps = Generator[simpy.Event, Any, None]
Answer = Generator[simpy.Event, Any, bool]


@dataclass(frozen=True)
class TenantLimits:
    """The limits of a tenant."""

    messages: Rate
    connects: Rate


BEFORE: Final = TenantLimits(UNLIMITED, UNLIMITED)
AFTER: Final = TenantLimits(
    Rate(limits.DEFAULT_TENANT_MESSAGES_PER_SECOND, limits.DEFAULT_TENANT_MESSAGE_BURST),
    Rate(limits.DEFAULT_TENANT_CONNECTS_PER_SECOND, limits.DEFAULT_TENANT_CONNECT_BURST),
)


@dataclass(frozen=True)
class Attack:
    """An attacking tenant. It ignores all replies."""

    name: str
    sockets: int = 0
    """Number of open sockets at the start. Each sends as many messages as a connection may."""
    handshakes: int = 0
    """Handshakes per second. A new socket replaces one that was closed, else the oldest one."""
    silence: float = 0.0
    """Seconds between two floods. In this time, the attacker opens sockets and sends nothing. 0: it sends all the time.
    """


ATTACKS: Final = (
    Attack("100 sockets, 50 handshakes/s", 100, 50),
    Attack("5,000 sockets, 50 handshakes/s", 5_000, 50),
    Attack("5,000 sockets, 50 handshakes/s, in waves", 5_000, 50, SILENCE_SECONDS),
    Attack("5,000 sockets, 450 handshakes/s", 5_000, 450),
    Attack("500 sockets, 450 handshakes/s", 500, 450),
    Attack("500 sockets, 1,000 handshakes/s", 500, 1_000),
)


@dataclass
class Bucket:
    """A token bucket."""

    rate: Rate
    full_at: int = 0

    def wait_us(self, now_us: int) -> int:
        """Return the microseconds until there is a token."""
        return self.rate.wait_us(self.full_at, now_us)

    def take(self, now_us: int) -> bool:
        """Take a token, if there is one."""
        if self.wait_us(now_us):
            return False
        self.full_at = max(self.full_at, now_us) + self.rate.interval_us
        return True


@dataclass
class Row:
    """A row of the connections table."""

    connection: Connection
    full_at: int = 0
    held_until_ms: int = 0
    refusals: int = 0
    early: int = 0


@dataclass
class Table:
    """The connections table and the poster of a session, in memory."""

    rows: dict[ConnectionKey, Row] = field(default_factory=dict[ConnectionKey, Row])
    accepted: dict[str, int] = field(default_factory=dict[str, int])
    """`full_at` of the bucket for accepted messages of each tenant."""
    early: dict[str, int] = field(default_factory=dict[str, int])
    """`full_at` of the bucket for early messages of each tenant."""
    reduced_until_ms: dict[str, int] = field(default_factory=dict[str, int])
    sizes: Counter[str] = field(default_factory=Counter[str])
    """Number of connections of each tenant."""
    keys: dict[str, ConnectionKey] = field(default_factory=dict[str, ConnectionKey])
    """The keys of the open connections, by their ids."""

    def put(self, key: ConnectionKey) -> None:
        """Add a connection."""
        self.rows[key] = Row(Connection(key, START_MS, 2**31))
        self.keys[key.connection_id] = key
        self.sizes[key.tenant_id] += 1

    def admit(self, key: ConnectionKey, rate: Rate, now_ms: int) -> Connection | RateLimited | None:
        """Count a message against the rate of its connection."""
        row = self.rows.get(key)
        if row is None:
            return None
        wait_ms = rate.wait_ms(row.full_at, now_ms * 1_000)
        if row.held_until_ms > now_ms:
            row.early += 1
            return RateLimited(row.connection, wait_ms, row.early, is_early=True)
        if wait_ms:
            row.refusals += 1
            return RateLimited(row.connection, wait_ms, row.refusals)
        if row.full_at <= now_ms * 1_000:
            row.refusals = 0
        row.full_at = max(row.full_at, now_ms * 1_000) + rate.interval_us
        return row.connection

    def hold_back(self, key: ConnectionKey, rate: Rate, until_ms: int) -> None:
        """Refuse the messages of a connection until a time."""
        row = self.rows[key]
        row.held_until_ms, row.full_at = until_ms, until_ms * 1_000 + rate.tolerance_us

    def remove(self, key: ConnectionKey) -> None:
        """Delete a connection."""
        if self.rows.pop(key, None):
            del self.keys[key.connection_id]
            self.sizes[key.tenant_id] -= 1

    def take_messages(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens from a tenant's bucket for accepted messages."""
        return self._take(self.accepted, tenant_id, rate, tokens, now_ms)

    def take_early(self, tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        """Take tokens from a tenant's bucket for early messages."""
        shortage = self._take(self.early, tenant_id, rate, tokens, now_ms)
        if shortage is not None:
            self.reduced_until_ms[tenant_id] = now_ms + REDUCTION_MS
        return shortage

    def is_full(self, tenant_id: str, now_ms: int) -> bool:
        """Return whether a tenant may open no more connections."""
        reduced = self.reduced_until_ms.get(tenant_id, 0) > now_ms
        limit = limits.DEFAULT_MAX_CONNECTIONS_PER_TENANT // (REDUCTION if reduced else 1)
        return self.sizes[tenant_id] >= limit

    def _take(self, buckets: dict[str, int], tenant_id: str, rate: Rate, tokens: int, now_ms: int) -> Shortage | None:
        full_at, now_us = buckets.get(tenant_id, 0), now_ms * 1_000
        wait_us = rate.wait_us(full_at, now_us, tokens)
        if wait_us:
            return Shortage(wait_us, self.sizes[tenant_id])
        buckets[tenant_id] = max(full_at, now_us) + tokens * rate.interval_us
        return None

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:  # noqa: ARG002 - a fake
        """Close the connections of the deliveries. API Gateway then reports their ends, and their rows are deleted."""
        for delivery in deliveries:
            key = self.keys.get(delivery.connection.connection_id)
            if key is not None:
                self.remove(key)
            yield Receipt(delivery, Outcome.POSTED)


@dataclass
class Sample:
    """A request of the quiet tenant."""

    started: float
    """When it was sent first, in seconds of the simulation."""
    seconds: float
    """Time until it was accepted, or until the end of the simulation."""
    attempts: int
    """Number of times that it was sent."""


class Simulation:
    """Simulation of a stage with the Lambdas behind it, a quiet tenant and an attacking tenant."""

    def __init__(self, tenant: TenantLimits, attack: Attack | None, seconds: float = SECONDS, seed: int = 0) -> None:
        self.messages: list[Sample] = []
        self.handshakes: list[Sample] = []
        self.peak = 0
        """Highest number of invocations at once."""
        self._clock = simpy.Environment()
        self._random = Random(seed)  # noqa: S311 - not used for secrets
        self._seconds = seconds
        self._table = Table()
        self._stage, self._stage_connects = Bucket(STAGE), Bucket(STAGE_CONNECTS)
        self._connects = {name: Bucket(tenant.connects) for name in (QUIET, ATTACKER)}
        self._budgets = [MessageBudget(self._table, tenant.messages) for _ in range(PROCESSES)]
        self._limits = Limits(
            limits.DEFAULT_MAX_FRAME_BYTES, limits.MAX_FILTER_LENGTH, limits.DEFAULT_MAX_FILTERS_PER_TENANT
        )
        self._running = 0
        self._numbers = count()
        for _ in range(QUIET_CONNECTIONS):
            self._clock.process(self._repeat(1.0, partial(self._send, self._open(QUIET)), self.messages))
        self._clock.process(
            self._repeat(1 / QUIET_HANDSHAKES_PER_SECOND, partial(self._connect_and_close, QUIET), self.handshakes)
        )
        if attack is not None:
            self._sockets = deque(self._open(ATTACKER) for _ in range(attack.sockets))
            self._clock.process(self._flood(attack.silence))
            self._clock.process(self._storm(attack))

    def run(self) -> None:
        """Run the simulation. A request that is not accepted at the end is counted with the time until then."""
        self._clock.run(until=self._seconds)

    def count_connections(self, tenant_id: str) -> int:
        """Return the number of a tenant's open connections."""
        return self._table.sizes[tenant_id]

    @property
    def _now_ms(self) -> int:
        return START_MS + int(self._clock.now * 1_000)

    @property
    def _now_us(self) -> int:
        return START_MS * 1_000 + int(self._clock.now * 1_000_000)

    def _open(self, tenant_id: str) -> ConnectionKey:
        key = ConnectionKey(tenant_id, f"conn-{next(self._numbers)}")
        self._table.put(key)
        return key

    def _repeat(self, interval: float, request: Callable[[], Answer], samples: list[Sample]) -> Steps:
        """Make a request of the quiet tenant per interval, and repeat it until it is accepted."""
        yield self._clock.timeout(self._random.uniform(0, interval))
        while True:
            self._clock.process(self._persist(request, samples))
            yield self._clock.timeout(interval)

    def _persist(self, request: Callable[[], Answer], samples: list[Sample]) -> Steps:
        """Repeat a request with the backoff of the dashboard's client until it is accepted."""
        sample = Sample(self._clock.now, self._seconds - self._clock.now, 0)
        samples.append(sample)
        bound, longest = BACKOFF_SECONDS
        while True:
            sample.attempts += 1
            if (yield from request()):
                sample.seconds = self._clock.now - sample.started
                return
            yield self._clock.timeout(self._random.uniform(0, bound))
            bound = min(longest, 2 * bound)

    def _send(self, key: ConnectionKey) -> Answer:
        """Send a ping. Return whether it was answered by `pong`."""
        if not self._stage.take(self._now_us):
            return False
        if not (yield from self._invoke()):
            return False
        reply = self._reply(key)
        return reply is not None and reply["type"] == "pong"

    def _reply(self, key: ConnectionKey) -> Mapping[str, Any] | None:
        session = Session(
            key,
            cast("Any", self._table),  # A ping uses no other methods.
            None,
            lambda: self._table,
            CONNECTION,
            self._random.choice(self._budgets),
            self._limits,
            limits.DEFAULT_MAX_CONNECTIONS_PER_USER,
            now_ms=lambda: self._now_ms,
            monotonic=lambda: self._clock.now,
        )
        return session.reply('{"action":"ping"}', f"{self._now_ms}#message")

    def _connect(self, tenant_id: str) -> Generator[simpy.Event, Any, ConnectionKey | None]:
        """Open a connection, unless it is refused. The handshake invokes the authorizer and the connect Lambda."""
        if not self._stage_connects.take(self._now_us):
            return None
        for _ in range(2):
            if not (yield from self._invoke()):
                return None
        if self._table.is_full(tenant_id, self._now_ms):
            return None
        return self._open(tenant_id) if self._connects[tenant_id].take(self._now_us) else None

    def _connect_and_close(self, tenant_id: str) -> Answer:
        key = yield from self._connect(tenant_id)
        if key is not None:
            self._table.remove(key)
        return key is not None

    def _invoke(self) -> Answer:
        """Wait for an invocation. Return False if the account's concurrency is used up."""
        if self._running >= ACCOUNT_CONCURRENCY:
            return False
        self._running += 1
        self.peak = max(self.peak, self._running)
        yield self._clock.timeout(INVOKE_SECONDS + self._random.uniform(0.5, 1.5) * OTHER_SECONDS)
        self._running -= 1
        return True

    def _flood(self, silence: float) -> Steps:
        """Send messages on the sockets of the attacker in turn, at random times.

        Once a message was refused by the stage, all others are refused until the stage has a token. They are left out.
        """
        while True:
            if silence and self._clock.now % (silence + WAVE_SECONDS) > WAVE_SECONDS:
                yield self._clock.timeout(silence)
            rate = self._table.sizes[ATTACKER] * CONNECTION.per_second
            yield self._clock.timeout(self._random.expovariate(max(rate, CONNECTION.per_second)))
            if rate and self._stage.take(self._now_us):
                self._clock.process(self._process(self._find_next()))
            elif rate:
                yield self._clock.timeout(self._stage.wait_us(self._now_us) / 1e6)

    def _find_next(self) -> ConnectionKey:
        """Return the attacker's next socket. Drop those that the gateway has closed."""
        while self._sockets[0] not in self._table.rows:
            self._sockets.popleft()
        self._sockets.rotate(-1)
        return self._sockets[-1]

    def _process(self, key: ConnectionKey) -> Steps:
        if (yield from self._invoke()):
            self._reply(key)

    def _storm(self, attack: Attack) -> Steps:
        """Make the handshakes of the attacker."""
        while True:
            yield self._clock.timeout(1 / attack.handshakes)
            self._clock.process(self._replace(attack.sockets))

    def _replace(self, sockets: int) -> Steps:
        """Open a socket. If none was closed by the gateway, close the oldest one first."""
        if self._table.sizes[ATTACKER] >= sockets:
            self._table.remove(self._find_next())
        key = yield from self._connect(ATTACKER)
        if key is not None:
            self._sockets.append(key)


NOTES: Final = """\
A simulation of {minutes:.0f} minutes with the gateway's own code for sessions and token buckets. A quiet tenant has
{quiet} connections that send a message per second each, and makes {handshakes} handshakes per second. A request that
is not accepted is repeated with the backoff of the dashboard's client. If it is never accepted, the time until the
end counts. An attacking tenant sends {rate} messages per second on each socket, as many as a connection may. It
ignores all replies, and opens new sockets for those that were closed. *In waves*: it sends for {wave:.0f} seconds, then
opens sockets for {silence:.0f} seconds without sending. *Refused until* is the second in which a first attempt was
refused for the last time.

These are simulated: the stage's throttles of {messages:,} messages and {connects} handshakes per second,
{concurrency:,} concurrent invocations of the account, and {low:.0f} to {high:.0f} ms per invocation (a handshake
makes two). A request over a throttle or over the concurrency is refused. Not simulated are cold starts, posts, the
account's quota of requests, and the network. *Before* is without the limits of a tenant ([ADR
30](adr/0030-a-budget-for-each-tenant.md)).

With the limits of a tenant, the p99 of the quiet tenant's messages stays below twice that of the tenant alone. API
Gateway counts a message before a Lambda can refuse it. So messages are refused for the first two or three seconds of a
flood, until the circuit breaker has closed its sockets.

One attack remains: more than {connects} handshakes per second use up the stage's throttle of handshakes, whoever makes
them. It is the account's quota of new connections, and API Gateway has no throttle per client for WebSockets.
Connections that are open do not suffer from it.
"""
COLUMNS: Final = (
    "attack",
    "requests",
    "p50, ms, before",
    "p99, ms, before",
    "p99 / alone, before",
    "refused at first, before",
    "p50, ms, after",
    "p99, ms, after",
    "p99 / alone, after",
    "refused at first, after",
    "refused until, s, after",
)


@dataclass(frozen=True)
class Figures:
    """Figures of one kind of requests."""

    p50: float
    """Median of the milliseconds until a request was accepted."""
    p99: float
    refused: float
    """Share of the requests whose first attempt was refused."""
    refused_until: float
    """Time of the first attempt of the last of these, in seconds of the simulation; 0 if no request was refused."""


def summarize(samples: Sequence[Sample]) -> Figures:
    """Return the figures of requests."""
    cuts = statistics.quantiles([sample.seconds * 1_000 for sample in samples], n=100, method="inclusive")
    refused = [sample.started for sample in samples if sample.attempts > 1]
    return Figures(cuts[49], cuts[98], len(refused) / len(samples), max(refused, default=0.0))


def measure(seconds: float = SECONDS) -> Section:
    """Simulate each attack with and without the limits of a tenant. `seconds` is the length of each simulation."""
    alone = _simulate(AFTER, None, seconds)
    rows: list[tuple[str | float, ...]] = [
        ("none", name, figures.p50, figures.p99, 1.0, "0%", figures.p50, figures.p99, 1.0, "0%", report.NO_VALUE)
        for name, figures in alone.items()
    ]
    for attack in track(ATTACKS, description="flood", transient=True):
        before, after = (_simulate(tenant, attack, seconds) for tenant in (BEFORE, AFTER))
        for name, usual in alone.items():
            row: list[str | float] = [attack.name, name]
            for figures in (before[name], after[name]):
                row += [figures.p50, figures.p99, figures.p99 / usual.p99, f"{figures.refused:.1%}"]
            row.append(after[name].refused_until or report.NO_VALUE)
            rows.append(tuple(row))
    return Section(
        name="flood",
        title="Requests of a quiet tenant during a flood, simulated",
        notes=NOTES.format(
            minutes=SECONDS / 60,
            quiet=QUIET_CONNECTIONS,
            handshakes=QUIET_HANDSHAKES_PER_SECOND,
            rate=CONNECTION.per_second,
            wave=WAVE_SECONDS,
            silence=SILENCE_SECONDS,
            messages=STAGE.per_second,
            connects=STAGE_CONNECTS.per_second,
            concurrency=ACCOUNT_CONCURRENCY,
            low=(INVOKE_SECONDS + 0.5 * OTHER_SECONDS) * 1_000,
            high=(INVOKE_SECONDS + 1.5 * OTHER_SECONDS) * 1_000,
        ),
        columns=COLUMNS,
        rows=rows,
    )


def _simulate(tenant: TenantLimits, attack: Attack | None, seconds: float) -> Mapping[str, Figures]:
    """Return the figures of the messages and of the handshakes of the quiet tenant."""
    simulation = Simulation(tenant, attack, seconds)
    simulation.run()
    return {"messages": summarize(simulation.messages), "handshakes": summarize(simulation.handshakes)}


def main() -> None:
    """Run the simulation and print its results."""
    report.show(measure())


if __name__ == "__main__":
    typer.run(main)
