"""Benchmark of a quiet tenant whose updates are in the same batch as those of an attacking tenant.

The broadcaster runs in this process with a table, a poster and a queue in memory. Only the work of the broadcaster is
measured. Each post adds the time that the pacer of a Lambda takes for it.
"""

from __future__ import annotations

import json
import math
import statistics
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Final

import typer
from rich.progress import track

from components._gateway_limits import DEFAULT_MAX_FILTERS_PER_TENANT
from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.broadcaster import Broadcaster
from formbridge.broadcast.changes import Change
from formbridge.connections.connection import Connection, ConnectionKey, Span
from formbridge.posting.delivery import Deadlines, Delivery, Outcome, Receipt
from formbridge.submissions.submission import Submission
from formbridge.wire.event_pattern import BadPattern
from formbridge.wire.subscription_filter import SubscriptionFilter

from . import report
from .arithmetic import QUEUE_SECONDS, Deployment
from .report import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from formbridge.broadcast.fanout_task import FanoutTask

QUIET, ATTACKER = "t_quiet", "t_attacker"
QUIET_CONNECTIONS: Final = 5
ROUNDS: Final = 40
MATCHES: Final = 200
"""Number of matches by which a filter is timed."""
TAG: Final = "v0000"
"""A value of an expensive filter. Filters that differ in it are distinct."""
NOW_MS: Final = 1_795_377_600_000
MAX_FILTER_LENGTH: Final = 4_096
USUAL: Final[Mapping[str, Any]] = {
    "form_id": ["contact", {"prefix": "survey-"}],
    "status": [{"anything-but": "spam"}],
}
"""A usual filter: that of the protocol's documentation."""
LONG_S: Final = "\N{LATIN SMALL LETTER LONG S}"
"""A character whose uppercase is `S`. A form id may be `SSS…`, so an operand of this character matches it slowly."""
ATTACKED: Final = Submission(
    tenant_id=ATTACKER,
    submission_id="S" * 64,
    form_id="S" * 64,
    status="S" * 32,
    version=1,
    submitted_at="2026-11-22T20:00:00.000Z",
    updated_at="2026-11-22T20:00:00.000Z",
)


@dataclass(frozen=True)
class Attack:
    """An attacking tenant."""

    name: str
    connections: int
    changes: int
    """Number of changes of the attacker in the batch."""
    before: float = math.nan
    """The ratio of the p99 with the code before ADR 29, measured once on 2026-12-01 on the machine of the page."""


ATTACKS: Final = (
    Attack("5,000 connections, 1 change", 5_000, 1, before=1_107),
    Attack("100 connections, 10 changes", 100, 10, before=223),
    Attack("20 connections, 100 changes", 20, 100, before=435),
)

NOTES: Final = """\
A quiet tenant has {quiet} connections with usual filters and one change. An attacking tenant has its changes before it
in the same batch. It has the most expensive filters that the protocol allows, and as many distinct ones as a tenant may
have. The table shows the milliseconds from the start of the batch until the last delivery of the quiet tenant was
handed to the poster, and their ratio to those of the quiet tenant alone. All batches took turns in {rounds} rounds. A
post counts as {post:g} ms, because a Lambda makes its share of the posts per second.

Before [ADR 29](adr/0029-the-work-of-filters.md), the quiet tenant waited for all posts and filters of the attacker, and
each connection could have a filter of its own. The last column has the ratios of that code.

The most expensive filter of all shapes takes {expensive:.1f} µs per match. That is {times:.0f} times the {usual:.2f} µs
of a usual filter.
"""

COLUMNS: Final = ("batch", "p50, ms", "p99, ms", "p50 / alone", "p99 / alone", "p99 / alone before ADR 29")


def build_candidates() -> Iterator[Mapping[str, Any]]:
    """Yield expensive filters of several shapes.

    Each shape is enlarged until the filter is refused, so its largest filter is found.
    """
    fold = "equals-ignore-case"
    affixes = [{fix: "S" * length} for length in range(64, 0, -1) for fix in ("prefix", "suffix")]
    shapes: Sequence[Callable[[int], dict[str, Any]]] = (
        lambda n: {"form_id": [TAG, {"anything-but": ["S" * 64, *map(str, range(n))]}]},
        lambda n: {"form_id": [TAG, *({"prefix": f"S{each}"} for each in range(n))]},
        lambda n: {"form_id": [TAG, *affixes[-n:]]},
        lambda n: {"form_id": [TAG, *({fold: LONG_S * 60 + str(each)} for each in range(n))]},
        lambda n: {"form_id": [TAG, *[{"suffix": {fold: "x" + LONG_S * 20}}] * n]},
        lambda n: {"$or": [{"form_id": [TAG, str(each)]} for each in range(n + 1)]},
        lambda n: {
            "submission_id": [TAG, {"prefix": {fold: "s"}}],
            "$or": [{"form_id": [*affixes[-each - 1 :][:1]], "status": [str(each)]} for each in range(n + 1)],
        },
        lambda n: {"form_id": [TAG, *affixes[-40:], {"prefix": {fold: LONG_S * n}}]},
    )
    for shape in shapes:
        size = 1
        while _is_allowed(shape(size + 1)):
            size += 1
        yield shape(size)


def _is_allowed(pattern: Mapping[str, Any]) -> bool:
    try:
        SubscriptionFilter.parse(pattern, MAX_FILTER_LENGTH)
    except BadPattern:
        return False
    return True


def time_match(pattern: Mapping[str, Any]) -> float:
    """Return the microseconds of one match of a filter that is already prepared."""
    wanted = SubscriptionFilter.parse(pattern, MAX_FILTER_LENGTH)
    wanted.matches(ATTACKED)
    rounds: list[float] = []
    for _ in range(5):
        started = time.perf_counter()
        for _ in range(MATCHES):
            wanted.matches(ATTACKED)
        rounds.append(time.perf_counter() - started)
    return min(rounds) / MATCHES * 1e6


def find_most_expensive() -> Mapping[str, Any]:
    """Return the slowest of the candidates."""
    return max(build_candidates(), key=time_match)


def vary(pattern: Mapping[str, Any], number: int) -> Mapping[str, Any]:
    """Return a distinct filter that is as expensive."""
    return json.loads(json.dumps(pattern).replace(TAG, f"v{number:04}"))


@dataclass
class Clock:
    """Time since the start of a batch: the CPU time of the thread, and the time of the pacer for each post."""

    seconds_per_post: float
    started: float = field(default_factory=time.thread_time)
    posts: int = 0

    def read(self) -> float:
        """Return the seconds since the start."""
        return time.thread_time() - self.started + self.posts * self.seconds_per_post


@dataclass
class Gateway:
    """The connections table, the poster and the queue of a broadcast, in memory."""

    rows: Mapping[str, Sequence[Connection]]
    costs: Mapping[str, Sequence[int]]
    """Costs of the distinct filters of each tenant."""
    clock: Clock
    handed: dict[str, float] = field(default_factory=dict[str, float])
    """When the last delivery of each tenant was handed to the poster, or its tasks to a fan-out Lambda. In seconds
    since the start."""

    def raise_epoch(self, tenant_id: str) -> None:
        """Do nothing, because no change replaces the history."""

    def read_tenant_connections(self, tenant_id: str) -> Any:
        """Return a tenant's connections."""
        rows = self.rows[tenant_id]
        return Tenant(len(rows), self.costs[tenant_id], iter(rows))

    def read_shard(self, tenant_id: str, shard: int, span: Span) -> Iterable[Connection]:  # noqa: ARG002 - a fake
        """Return a tenant's connections."""
        return self.rows[tenant_id]

    def split_shard(self, tenant_id: str, shard: int, size: int) -> Sequence[Span]:  # noqa: ARG002 - a fake
        """Return one span, because no fan-out task runs here."""
        return [Span()]

    def send(self, tasks: Sequence[FanoutTask]) -> None:
        """Note when a fan-out Lambda receives the tasks."""
        for task in tasks:
            self.handed[task.tenant_id] = self.clock.read() + QUEUE_SECONDS

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:  # noqa: ARG002 - a fake
        """Note when each delivery was read."""
        for delivery in deliveries:
            self.clock.posts += len(delivery.frames)
            self.handed[delivery.connection.tenant_id] = self.clock.read()
            yield Receipt(delivery, Outcome.POSTED, None, len(delivery.frames))


@dataclass
class Tenant:
    """A tenant's connections, as the broadcaster reads them."""

    reserved: int
    filter_costs: Sequence[int]
    subscribed: Iterator[Connection]
    shards: int = 1
    epoch: int = 0


def measure(rounds: int = ROUNDS) -> Section:
    """Measure the quiet tenant alone and beside each attack, in turns."""
    expensive = find_most_expensive()
    batches: dict[str, Attack | None] = {"quiet tenant alone": None, **{attack.name: attack for attack in ATTACKS}}
    texts = {name: build_texts(attack, expensive) for name, attack in batches.items()}
    taken: dict[str, list[float]] = {name: [] for name in batches}
    with ThreadPoolExecutor(1) as writers:
        for _ in track(range(rounds), description="fairness", transient=True):
            for name, attack in batches.items():
                taken[name].append(run(attack, texts[name], writers) * 1000)
    return build_section(taken, rounds, time_match(expensive), time_match(USUAL))


def build_section(taken: Mapping[str, Sequence[float]], rounds: int, expensive: float, usual: float) -> Section:
    """Return the section with the results.

    Args:
        taken: For each batch, the milliseconds of each round. The first batch is that of the quiet tenant alone.
        rounds: Number of rounds.
        expensive: Microseconds of a match of the most expensive filter.
        usual: Microseconds of a match of a usual filter.
    """
    percentiles = {
        name: (statistics.median(each), statistics.quantiles(each, n=100, method="inclusive")[98])
        for name, each in taken.items()
    }
    alone = next(iter(percentiles.values()))
    before = {attack.name: attack.before for attack in ATTACKS}
    return Section(
        name="fairness",
        title="A quiet tenant beside an attacking tenant",
        notes=NOTES.format(
            quiet=QUIET_CONNECTIONS,
            post=1000 / Deployment().share,
            rounds=rounds,
            expensive=expensive,
            usual=usual,
            times=expensive / usual,
        ),
        columns=COLUMNS,
        rows=[
            (name, p50, p99, p50 / alone[0], p99 / alone[1], before.get(name, 1.0))
            for name, (p50, p99) in percentiles.items()
        ],
    )


def build_texts(attack: Attack | None, expensive: Mapping[str, Any]) -> Mapping[str, Sequence[str]]:
    """Return the filter of each connection of both tenants, as JSON."""
    texts = {QUIET: [_encode(USUAL)] * QUIET_CONNECTIONS}
    if attack is not None:
        distinct = [_encode(vary(expensive, number)) for number in range(DEFAULT_MAX_FILTERS_PER_TENANT)]
        texts[ATTACKER] = [distinct[number % len(distinct)] for number in range(attack.connections)]
    return texts


def run(attack: Attack | None, texts: Mapping[str, Sequence[str]], writers: ThreadPoolExecutor) -> float:
    """Broadcast one batch. Return the seconds until the last delivery of the quiet tenant was handed to the poster.

    Args:
        attack: The attack; None for the quiet tenant alone.
        texts: The filter of each connection, by tenant.
        writers: Threads of the accounting, which has nothing to write.
    """
    changes: dict[str, list[Change]] = {}
    if attack is not None:
        changes[ATTACKER] = [_change(ATTACKED, number) for number in range(attack.changes)]
    changes[QUIET] = [_change(replace(ATTACKED, tenant_id=QUIET, form_id="contact", status="new"), 0)]
    rows = {tenant: [_connection(tenant, *row) for row in enumerate(own)] for tenant, own in texts.items()}
    costs = {tenant: tuple(SubscriptionFilter(text).cost for text in sorted({*own})) for tenant, own in texts.items()}
    deployment = Deployment()
    gateway = Gateway(rows, costs, Clock(1 / deployment.share))
    accounting = Accounting(gateway, writers, lambda: NOW_MS, time.monotonic)  # type: ignore[arg-type] - nothing is written
    broadcaster = Broadcaster(gateway, gateway, accounting, gateway, deployment.fanout_threshold, lambda: NOW_MS)
    gateway.clock.started = time.thread_time()
    broadcaster.broadcast(changes, Deadlines(float("inf"), float("inf"))).raise_failures()
    return gateway.handed[QUIET]


def _encode(pattern: Mapping[str, Any]) -> str:
    return json.dumps(pattern, separators=(",", ":"), sort_keys=True)


def _connection(tenant_id: str, number: int, text: str) -> Connection:
    return Connection(
        ConnectionKey(tenant_id, f"{number:05}"),
        connected_at=0,
        expires_at=2**31,
        subscribed=True,
        filter=SubscriptionFilter(text),
    )


def _change(submission: Submission, number: int) -> Change:
    return Change(replace(submission, version=number + 1), "modify", NOW_MS, (submission,))


def main(rounds: int = ROUNDS) -> None:
    """Run the benchmark and print its results."""
    report.show(measure(rounds))


if __name__ == "__main__":
    typer.run(main)
