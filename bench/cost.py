"""Benchmark of the CPU of a broadcast, and calculation of the price per month in dollars.

The benchmark runs the code of the broadcast Lambda, with botocore and the poster. The answers of DynamoDB are made up.
The posts go to `bench.connections_server`, which imitates `@connections`. The calculation uses AWS's list prices.
"""

from __future__ import annotations

import io
import json
import statistics
import tempfile
import time
from collections import defaultdict
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple, cast

import botocore.session
import typer
from botocore.awsrequest import AWSResponse
from rich.progress import track

from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.broadcaster import Broadcaster
from formbridge.broadcast.changes import Change
from formbridge.connections import leased_bucket
from formbridge.connections.table import ConnectionsTable
from formbridge.posting.delivery import Deadlines, Outcome, Poster
from formbridge.posting.pacing import Pacer
from formbridge.posting.poster import ConnectionPoster
from formbridge.posting.signing import Credentials, Signer
from formbridge.runtime import clock
from formbridge.submissions.submission import Submission
from formbridge.wire import protocol

from . import report
from .arithmetic import (
    CONNECTION_SECONDS,
    PAGE_SECONDS,
    POLLS_PER_SECOND,
    READ_UNIT_BYTES,
    ROW_BYTES,
    ROWS_PER_PAGE,
    STREAM_SHARDS,
    TOKEN_SECONDS,
    UPDATE_BYTES,
    Deployment,
    count_frames,
)
from .certificates import write_certificate
from .connections_server import ACCESS_KEY, REGION, SECRET_KEY, running_server
from .report import Cell, Plot, Section

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

    from formbridge.broadcast.fanout_task import FanoutTask

TENANT: Final = "t_bench"
DEFAULT: Final = Deployment()
CONNECTIONS: Final = (10, 100, 1_000, 10_000)
UPDATES_PER_SECOND: Final = (1, 10, 100, 1_000)
ROUNDS: Final = 7
POSTS_PER_ROUND: Final = 10_000
MAX_CPU_RATIO: Final = 1.2
"""Highest allowed ratio of the CPU per post with 10,000 connections to the CPU per post with 1,000 connections."""
MANY_UPDATES: Final = 90
"""Number of updates in the batch that is compared with a batch of one update."""

SECONDS_PER_MONTH: Final = 730 * 3600
POSTING_GB: Final = 0.5
"""Memory of a Lambda that posts, in GB."""
OTHER_GB: Final = 0.25
"""Memory of a Lambda that does not post, in GB."""
OTHER_SECONDS: Final = 0.01
"""Assumed duration of an invocation that does not post, in seconds."""
LOG_BYTES: Final = 1_000
"""Assumed size of the logs of one invocation, in bytes. About 400 of them are the two lines that Lambda writes."""


class Units(NamedTuple):
    """DynamoDB's read units and write units of one request of a client, for items of at most 1 KB."""

    read: float
    write: float


UNITS: Final = {
    # The connect Lambda reads the three revocations that could apply, before and after it has written the rows of the
    # connection, its user and its tenant.
    "connect": Units(6, 3),
    # Each request writes the rate of its connection. `subscribe` writes the subscription too. `subscribe` and `sync`
    # read the epoch in the tenant's row and the index.
    "subscribe": Units(1.5, 2),
    "sync": Units(1.5, 1),
    # It writes the expiry of the connection too, and reads the revocations.
    "authenticate": Units(3, 2),
    "disconnect": Units(0, 3),
}
"""Units of each request, as a test counts them in the handlers. A query of the index counts as one small page, which is
half a unit. The writes of the tenant's budget are not part of it: see `BUDGET_WRITES`."""
BUDGET_WRITES: Final = 1 / leased_bucket.MAX_CHUNK
"""Writes to the tenant's row per message, because a Lambda takes its budget in chunks."""
SNAPSHOT_READS: Final = protocol.DEFAULT_SNAPSHOT * UPDATE_BYTES / READ_UNIT_BYTES / 2
"""Read units of the rows of one snapshot. The reads of an index are eventually consistent, so they cost half."""


@dataclass(frozen=True)
class Prices:
    """AWS's list prices for us-east-1, November 2026, in dollars per unit."""

    message: float = 1.00e-6
    connection_minute: float = 0.25e-6
    invocation: float = 0.20e-6
    gb_second: float = 0.0000133334
    read_unit: float = 0.125e-6
    write_unit: float = 0.625e-6
    bus_event: float = 1.00e-6
    pipe_event: float = 0.40e-6
    log_byte: float = 0.50e-9


@dataclass(frozen=True)
class Cpu:
    """CPU time of a batch, split into its parts, in milliseconds."""

    batch: float
    """CPU time that each batch takes, whatever its size."""
    update: float
    """CPU time that each update in the batch adds."""
    post: float
    """CPU time that each connection of the tenant adds."""

    def compute_total(self, updates: float, connections: int) -> float:
        """Return the CPU time of a batch in milliseconds.

        Args:
            updates: Number of updates in the batch.
            connections: Number of connections of the tenant.
        """
        return self.batch + updates * self.update + connections * self.post


@dataclass(frozen=True)
class Load:
    """Load of one tenant: its number of connections and its updates per second.

    Each update is a new submission, so no update replaces another update.
    """

    connections: int
    updates_per_second: int
    deployment: Deployment = DEFAULT

    @property
    def batches_per_second(self) -> float:
        """Number of batches per second.

        Each poll that finds updates makes one batch. If the deployment cannot send that many batches per second, there
        are fewer and larger batches.
        """
        polls = STREAM_SHARDS * POLLS_PER_SECOND
        found = polls * (1 - exp(-self.updates_per_second / polls))
        return min(found, self.deployment.batches_per_second(self.connections, self.frames_per_batch(found)))

    def frames_per_batch(self, batches_per_second: float) -> int:
        """Return the number of frames of one batch if there are `batches_per_second` batches per second."""
        return count_frames(ceil(self.updates_per_second / batches_per_second))

    @property
    def updates_per_batch(self) -> float:
        """Mean number of updates in a batch."""
        return self.updates_per_second / self.batches_per_second

    @property
    def fits(self) -> bool:
        """Whether the deployment can carry the load: the mean batch is not larger than `batch_size` allows."""
        return self.updates_per_batch <= self.deployment.batch_size

    @property
    def frames_per_second(self) -> float:
        """Number of frames per second that all connections together receive."""
        return self.connections * self.batches_per_second * self.frames_per_batch(self.batches_per_second)

    @property
    def requests_per_second(self) -> Mapping[str, float]:
        """Number of requests per second of all clients, by the names in `UNITS`.

        Each client sends a heartbeat every 5 minutes and a new token every hour. It connects, subscribes and
        disconnects every 2 hours.
        """
        seconds = {"sync": protocol.HEARTBEAT_SECONDS, "authenticate": TOKEN_SECONDS}
        return {name: self.connections / seconds.get(name, CONNECTION_SECONDS) for name in UNITS}

    @property
    def client_messages_per_second(self) -> float:
        """Number of messages per second that all clients together send."""
        requests = self.requests_per_second
        return sum(requests[name] for name in ("sync", "authenticate", "subscribe"))

    @property
    def other_invocations_per_second(self) -> float:
        """Number of invocations per second that do not post.

        The persist Lambda runs once for each update. The message or the authenticate Lambda runs once for each frame
        that a client sends. For each connection, the authorizer and the connect Lambda run once at its start, and the
        connect Lambda runs again at its end.
        """
        return self.updates_per_second + self.client_messages_per_second + self.connections * 3 / CONNECTION_SECONDS

    @property
    def posting_invocations_per_second(self) -> float:
        """Number of invocations per second of the broadcast Lambda and of the fan-out Lambda."""
        if not self.deployment.is_divided(self.connections):
            return self.batches_per_second
        parts = self.deployment.connection_shards * (1 + self.deployment.spans(self.connections))
        return self.batches_per_second * (1 + parts)

    @property
    def gb_seconds_per_second(self) -> float:
        """Number of gigabyte-seconds of Lambda that AWS bills per second.

        The duration of an invocation that posts depends on its posts per second, not on its CPU time.
        """
        posting = self.frames_per_second / self.deployment.share + self.posting_invocations_per_second * PAGE_SECONDS
        return posting * POSTING_GB + self.other_invocations_per_second * OTHER_SECONDS * OTHER_GB

    @property
    def read_units_per_second(self) -> float:
        """Number of read units per second that the batches, the janitor and the requests of clients use.

        Each batch reads all connection rows of the tenant. If the batch is divided into fan-out tasks, it also counts
        the rows. Counting costs half as much, because its reads are eventually consistent. The janitor reads all rows
        once per minute. Each subscription reads a snapshot.
        """
        times = 1.5 if self.deployment.is_divided(self.connections) else 1
        units_per_read = ceil(self.connections * ROW_BYTES / READ_UNIT_BYTES)
        requests = self.requests_per_second
        clients = sum(requests[name] * units.read for name, units in UNITS.items())
        snapshots = requests["subscribe"] * SNAPSHOT_READS
        return units_per_read * (times * self.batches_per_second + 1 / 60) + clients + snapshots

    @property
    def write_units_per_second(self) -> float:
        """Number of write units per second.

        A new submission takes two write units: one for its row and one for the index. The requests of clients take the
        units in `UNITS`, and their messages those of the tenant's budget.
        """
        requests = self.requests_per_second
        clients = sum(requests[name] * units.write for name, units in UNITS.items())
        return 2 * self.updates_per_second + clients + BUDGET_WRITES * self.client_messages_per_second

    def dollars(self, prices: Prices) -> Mapping[str, float]:
        """Return the price per month in dollars, by purpose."""
        invocations = self.posting_invocations_per_second + self.other_invocations_per_second
        clients = 2 * self.client_messages_per_second * prices.message
        lambda_ = invocations * prices.invocation + self.gb_seconds_per_second * prices.gb_second
        dynamodb = self.read_units_per_second * prices.read_unit + self.write_units_per_second * prices.write_unit
        dollars_per_second = {
            "frames": self.frames_per_second * prices.message,
            "connections": clients + self.connections * prices.connection_minute / 60,
            "Lambda and logs": lambda_ + invocations * LOG_BYTES * prices.log_byte,
            "DynamoDB": dynamodb,
            "bus and pipe": self.updates_per_second * (prices.bus_event + prices.pipe_event),
        }
        return {name: dollars * SECONDS_PER_MONTH for name, dollars in dollars_per_second.items()}


NOTES: Final = """\
**CPU, measured.** The CPU of a warm Lambda that broadcasts one update to all connections of one tenant, from reading
their rows to posting over TLS. The numbers are medians of {rounds} rounds in which all sizes take turns.

| connections | CPU per broadcast, ms | CPU per post, µs |
| --: | --: | --: |
{posts}

A post to 10,000 connections takes {ratio:.2f} times the CPU of a post to 1,000 connections. The limit is {max_ratio}.
Each further update in a batch adds {update_us:.0f} µs, once for all connections that see the same updates.

**Dollars, computed.** The price of a month of {hours:.0f} hours by AWS's list prices (us-east-1, November 2026), for
one tenant and the default settings. Each update is a new submission: a later change of a submission costs one more
write, because it moves in the index. *CPU* is the measured CPU of the broadcasts. AWS bills the duration of the
broadcasts, which depends on the rate of their posts. The calculation assumes connection rows of {row_bytes} bytes,
submissions of at most 1 KB, {other_ms:.0f} ms for each invocation that does not post, and {log_bytes:,} bytes of logs
per invocation. It excludes alarms, SQS, floods, revocations, the probes of silent connections and data transfer out of
AWS. *Connections, $* is the price of the connection minutes and of the messages of clients.

Above the threshold of {threshold:,} connections, a batching window makes the batches larger ([Scaling](scaling.md)).
The calculation uses the shortest window that is sufficient. A load without numbers exceeds the limit of one account,
which is {posts_per_second:,} frames of 32 KB per second.
"""

COLUMNS: Final = (
    "connections",
    "updates per second",
    "updates per batch",
    "frames per second",
    "CPU, ms per second",
    "Lambda, GB-s per month",
    "reads per second",
    "writes per second",
    *(f"{name}, $" for name in Load(10, 1).dollars(Prices())),
    "total, $ per month",
)


def measure(rounds: int = ROUNDS) -> Section:
    """Measure the CPU time of broadcasts of several sizes and compute the price per month of every load."""
    with _poster() as poster:
        cpu_ms = measure_cpu(rounds, poster)
    cpu_per_post = {connections: cpu_ms[connections, 1] / connections for connections in CONNECTIONS}
    cpu = fit_cpu(cpu_ms)
    prices = Prices()
    rows: list[Sequence[Cell]] = []
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for connections in CONNECTIONS:
        for updates in UPDATES_PER_SECOND:
            load = Load(connections, updates)
            rows.append(_build_row(load, cpu, prices))
            if load.fits:
                lines[f"{connections:,} connections"].append((updates, sum(load.dollars(prices).values())))
    notes = NOTES.format(
        rounds=rounds,
        posts="\n".join(
            f"| {connections:,} | {report.format_cell(cpu_ms[connections, 1])} | {report.format_cell(1_000 * ms)} |"
            for connections, ms in cpu_per_post.items()
        ),
        ratio=cpu_per_post[10_000] / cpu_per_post[1_000],
        max_ratio=MAX_CPU_RATIO,
        update_us=1_000 * cpu.update,
        hours=SECONDS_PER_MONTH / 3600,
        row_bytes=ROW_BYTES,
        other_ms=1_000 * OTHER_SECONDS,
        log_bytes=LOG_BYTES,
        threshold=DEFAULT.fanout_threshold,
        posts_per_second=DEFAULT.posts_per_second,
    )
    return Section(
        "cost",
        "What it costs",
        notes,
        COLUMNS,
        rows,
        Plot("updates per second", "dollars per month", lines, log_x=True, log_y=True),
    )


def _build_row(load: Load, cpu: Cpu, prices: Prices) -> Sequence[Cell]:
    if not load.fits:
        return (load.connections, load.updates_per_second, *[report.NO_VALUE] * (len(COLUMNS) - 2))
    dollars = load.dollars(prices)
    return (
        load.connections,
        load.updates_per_second,
        load.updates_per_batch,
        load.frames_per_second,
        load.batches_per_second * cpu.compute_total(load.updates_per_batch, load.connections),
        load.gb_seconds_per_second * SECONDS_PER_MONTH,
        load.read_units_per_second,
        load.write_units_per_second,
        *dollars.values(),
        sum(dollars.values()),
    )


def measure_cpu(rounds: int, poster: Poster) -> Mapping[tuple[int, int], float]:
    """Measure the CPU time of broadcasts of several sizes.

    A size is a number of connections and a number of updates. Each round measures every size, so that other load on the
    machine affects all sizes.

    Returns:
        The median CPU time of one broadcast in milliseconds, by size.
    """
    sizes = [*((connections, 1) for connections in CONNECTIONS), (CONNECTIONS[0], MANY_UPDATES)]
    broadcasters = {connections: build_broadcaster(connections, poster) for connections in CONNECTIONS}
    took: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for number in track(range(rounds + 1), description="broadcasts", transient=True):
        for connections, updates in sizes:
            times = max(1, min(100, POSTS_PER_ROUND // connections))
            changes = {TENANT: [build_change(name) for name in range(updates)]}
            started = time.process_time()
            for _ in range(times):
                tally = broadcasters[connections].broadcast(changes, _build_deadlines())
                if tally.failures or tally.outcomes[Outcome.POSTED] != connections:
                    raise SystemExit(f"connections: every post must succeed for {connections} connections, got {tally}")
            if number:
                took[connections, updates].append((time.process_time() - started) * 1000 / times)
    return {size: statistics.median(values) for size, values in took.items()}


def _build_deadlines() -> Deadlines:
    now = time.monotonic()
    return Deadlines(now + 60, now + 60)


def fit_cpu(cpu_ms: Mapping[tuple[int, int], float]) -> Cpu:
    """Compute the parts of a batch's CPU time from the measured CPU time of several sizes.

    A post's part comes from comparing the largest with the smallest number of connections. An update's part comes from
    comparing many updates with one update. The rest is the constant part.
    """
    few, many = CONNECTIONS[0], CONNECTIONS[-1]
    post = (cpu_ms[many, 1] - cpu_ms[few, 1]) / (many - few)
    update = max(0.0, cpu_ms[few, MANY_UPDATES] - cpu_ms[few, 1]) / (MANY_UPDATES - 1)
    return Cpu(cpu_ms[few, 1] - few * post - update, update, post)


@contextmanager
def _poster() -> Generator[ConnectionPoster]:
    """Yield a poster to a server on this machine.

    The server answers at once. The rate limit of the poster is so high that it has no effect.
    """
    with tempfile.TemporaryDirectory() as scratch:
        pem = write_certificate(Path(scratch) / "server.pem")
        with running_server(pem, 0, 0) as endpoint:
            signer = Signer(endpoint, REGION, lambda: Credentials(ACCESS_KEY, SECRET_KEY, None))
            yield ConnectionPoster(signer, Pacer(1_000_000, time.monotonic_ns), ca_file=str(pem))


def build_broadcaster(connections: int, poster: Poster) -> Broadcaster:
    """Build the broadcaster of a Lambda, with an imitated connections table.

    Args:
        connections: Number of connections in the table. All have a subscription without a subscription filter.
        poster: The poster of the broadcaster.
    """
    connections_table = ConnectionsTable(_dynamodb(connections), "connections")
    accounting = Accounting(connections_table, ThreadPoolExecutor(1), clock.now_ms, clock.monotonic_seconds)
    return Broadcaster(connections_table, poster, accounting, _NoQueue(), connections, clock.now_ms)


class _NoQueue:
    def send(self, tasks: Sequence[FanoutTask]) -> None:
        raise AssertionError(f"the broadcaster must post itself, got {tasks}")


def _dynamodb(connections: int) -> DynamoDBClient:
    """Build a DynamoDB client that returns made-up answers and sends no requests.

    botocore still builds every request and parses every answer, so that their CPU time is measured.
    """
    client: Any = botocore.session.get_session().create_client(
        "dynamodb",
        "us-east-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",  # noqa: S106 - not a real key
    )
    pages = list(_build_pages(connections))
    headers: Any = {"Content-Type": "application/x-amz-json-1.0"}

    def answer(request: Any, **_: object) -> AWSResponse:
        start = json.loads(request.body).get("ExclusiveStartKey")
        body = pages[int(start["SK"]["S"]) if start else 0]
        return AWSResponse(request.url, 200, headers, _Body(body))

    client.meta.events.register("before-send.dynamodb.Query", answer)
    return cast("DynamoDBClient", client)


class _Body(io.BytesIO):
    """Body of a made-up answer. It has the methods of a urllib3 response that botocore calls."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _build_pages(connections: int) -> Iterator[bytes]:
    """Yield the pages of the connections table.

    The `LastEvaluatedKey` of a page holds the number of the next page.
    """
    partition = {"S": f"TENANT#{TENANT}"}
    tenant: dict[str, Any] = {"SK": {"S": "TENANT"}, "connections": {"N": str(connections)}}
    rows = [tenant, *map(_build_item, range(connections))]
    for number, start in enumerate(range(0, len(rows), ROWS_PER_PAGE)):
        page: dict[str, Any] = {"Items": rows[start : start + ROWS_PER_PAGE]}
        if start + ROWS_PER_PAGE < len(rows):
            page["LastEvaluatedKey"] = {"PK": partition, "SK": {"S": str(number + 1)}}
        yield json.dumps(page).encode()


def _build_item(number: int) -> dict[str, Any]:
    moment = int(time.time()) - 60
    return {
        "SK": {"S": f"CONN#{number:015}="},
        "connected_at": {"N": str(1000 * moment)},
        "subscribed_at": {"N": str(1000 * moment)},
        "expires_at": {"N": str(moment + 3600)},
        "subscribed": {"BOOL": True},
    }


def build_change(number: int) -> Change:
    """Build the change for a new submission, whose id contains `number`."""
    now = "2026-11-22T20:00:00.000Z"
    submission = Submission(TENANT, f"0f9b2c4e-1111-4222-8333-{number:012}", "contact", "processing", 1, now, now)
    return Change(submission, "insert", int(time.time() * 1000))


if __name__ == "__main__":
    typer.run(lambda: report.show(measure()))
