"""What work costs as it grows: the CPU of a broadcast measured, and from it and AWS's price list dollars a month.

The broadcast is the Lambda's own, from botocore to the poster. DynamoDB's answers are made up, and the other side of
the posts is the imitation of @connections that the section on posting has.
"""

from __future__ import annotations

import io
import json
import statistics
import tempfile
import time
from collections import defaultdict
from collections.abc import Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from math import ceil, exp
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import botocore.session
import typer
from botocore.awsrequest import AWSResponse
from rich.progress import track

from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.broadcaster import Broadcaster
from formbridge.broadcast.changes import Change
from formbridge.broadcast.fanout_task import FanoutTask
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
    ROWS_A_PAGE,
    STREAM_SHARDS,
    TOKEN_SECONDS,
    Deployment,
    frames_of,
)
from .certificates import write_certificate
from .connections_server import ACCESS_KEY, REGION, SECRET_KEY, running
from .report import Cell, Plot, Section

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TENANT: Final = "t_bench"
DEFAULT: Final = Deployment()
CONNECTIONS: Final = (10, 100, 1_000, 10_000)
UPDATES_PER_SECOND: Final = (1, 10, 100, 1_000)
ROUNDS: Final = 7
POSTS_A_ROUND: Final = 10_000
MOST: Final = 1.2
"""How many times the CPU of a post to 1,000 connections one to 10,000 may take."""

SECONDS_A_MONTH: Final = 730 * 3600
POSTING_GB: Final = 0.5
OTHER_GB: Final = 0.25
OTHER_SECONDS: Final = 0.01
"""What an invocation takes that posts to no connections; assumed."""
LOG_BYTES: Final = 1_000
"""That an invocation leaves behind; assumed."""


@dataclass(frozen=True)
class Prices:
    """AWS's list for us-east-1, November 2026, in dollars."""

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
    """Of one batch, in milliseconds: what any takes, and what each update and each connection adds."""

    batch: float
    update: float
    post: float

    def of(self, updates: float, connections: int) -> float:
        return self.batch + updates * self.update + connections * self.post


@dataclass(frozen=True)
class Load:
    """So many connections of one tenant, and so many updates a second, each of a submission of its own."""

    connections: int
    updates_per_second: int
    deployment: Deployment = DEFAULT

    @property
    def batches_per_second(self) -> float:
        """What the polls find, and no more than can be posted: the batch grows, by itself or by the window."""
        polls = STREAM_SHARDS * POLLS_PER_SECOND
        found = polls * (1 - exp(-self.updates_per_second / polls))
        return min(found, self.deployment.batches_per_second(self.connections, self.frames_a_batch(found)))

    def frames_a_batch(self, batches_per_second: float) -> int:
        return frames_of(ceil(self.updates_per_second / batches_per_second))

    @property
    def updates_a_batch(self) -> float:
        return self.updates_per_second / self.batches_per_second

    @property
    def fits(self) -> bool:
        """Whether one account carries it at the default quota."""
        return self.updates_a_batch <= self.deployment.batch_size

    @property
    def frames_per_second(self) -> float:
        return self.connections * self.batches_per_second * self.frames_a_batch(self.batches_per_second)

    @property
    def client_messages_per_second(self) -> float:
        """A ping each five minutes, a new token each hour, a subscription each two."""
        return self.connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / TOKEN_SECONDS + 1 / CONNECTION_SECONDS)

    @property
    def other_invocations_per_second(self) -> float:
        """persist for each update, message or authenticate for each frame of a client; to connect, the authorizer and
        connect, and connect again at the end."""
        return self.updates_per_second + self.client_messages_per_second + self.connections * 3 / CONNECTION_SECONDS

    @property
    def posting_invocations_per_second(self) -> float:
        if not self.deployment.is_divided(self.connections):
            return self.batches_per_second
        parts = self.deployment.connection_shards * (1 + self.deployment.spans(self.connections))
        return self.batches_per_second * (1 + parts)

    @property
    def gb_seconds_per_second(self) -> float:
        """Billed is the time, and that is the pace of the posts, whatever CPU they need."""
        posting = self.frames_per_second / self.deployment.share + self.posting_invocations_per_second * PAGE_SECONDS
        return posting * POSTING_GB + self.other_invocations_per_second * OTHER_SECONDS * OTHER_GB

    @property
    def read_units_per_second(self) -> float:
        """Each batch reads all rows, and where it is divided counts them for half of that; the janitor reads too."""
        times = 1.5 if self.deployment.is_divided(self.connections) else 1
        a_reading = ceil(self.connections * ROW_BYTES / READ_UNIT_BYTES)
        return a_reading * (times * self.batches_per_second + 1 / 60)

    @property
    def write_units_per_second(self) -> float:
        """An update is a row and its place in the index; a client's frame one write; a connection, from its beginning
        to its end, five: the row twice, its subscription, and twice the tenant's count."""
        return 2 * self.updates_per_second + self.client_messages_per_second + 5 * self.connections / CONNECTION_SECONDS

    def dollars(self, prices: Prices) -> Mapping[str, float]:
        """A month's, by what they are for."""
        invocations = self.posting_invocations_per_second + self.other_invocations_per_second
        clients = 2 * self.client_messages_per_second * prices.message
        lambda_ = invocations * prices.invocation + self.gb_seconds_per_second * prices.gb_second
        dynamodb = self.read_units_per_second * prices.read_unit + self.write_units_per_second * prices.write_unit
        a_second = {
            "frames": self.frames_per_second * prices.message,
            "connections": clients + self.connections * prices.connection_minute / 60,
            "Lambda and logs": lambda_ + invocations * LOG_BYTES * prices.log_byte,
            "DynamoDB": dynamodb,
            "bus and pipe": self.updates_per_second * (prices.bus_event + prices.pipe_event),
        }
        return {name: dollars * SECONDS_A_MONTH for name, dollars in a_second.items()}


NOTES: Final = """\
**CPU, measured.** A warm Lambda's, for a broadcast of one update to a tenant of so many connections, from reading their
rows to posting over TLS: medians of {rounds} rounds in which all sizes take turns.

| connections | ms a broadcast | µs a post |
| --: | --: | --: |
{posts}

A post to 10,000 connections takes {ratio:.2f} times the CPU of one to 1,000; it must stay at or below {most}. Each
further update of a batch adds {update_us:.0f} µs, once for all who see the same.

**Dollars, by arithmetic.** A month of {hours:.0f} hours by AWS's list prices (us-east-1, November 2026), one tenant,
the default settings, each update of a submission of its own. *CPU* is that of the broadcasts, measured as above. Billed
is their time, which is the pace of their posts. Assumed are rows of {row_bytes} bytes, submissions of at most 1 KB,
{other_ms:.0f} ms for each invocation that posts nothing, and {log_bytes:,} bytes of logs for each that there is; not
counted are alarms, SQS and what leaves AWS. *Connections* are their minutes and their clients' messages. Above the
threshold of {threshold:,} connections the batches grow by a batching window ([scaling.md](scaling.md)), here as long as
it must be. A load without numbers is more than one account carries: {posts_per_second:,} frames a second of 32 KB.
"""


def measure(rounds: int = ROUNDS) -> Section:
    """The CPU of a broadcast at every size, and what each load costs a month."""
    with _poster() as poster:
        cpu_ms = measured(rounds, poster)
    a_post = {connections: cpu_ms[connections, 1] / connections for connections in CONNECTIONS}
    cpu = fitted(cpu_ms)
    prices = Prices()
    rows: list[Sequence[Cell]] = []
    lines: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for connections in CONNECTIONS:
        for updates in UPDATES_PER_SECOND:
            load = Load(connections, updates)
            rows.append(_row(load, cpu, prices))
            if load.fits:
                lines[f"{connections:,} connections"].append((updates, sum(load.dollars(prices).values())))
    notes = NOTES.format(
        rounds=rounds,
        posts="\n".join(
            f"| {connections:,} | {report.text(cpu_ms[connections, 1])} | {report.text(1_000 * ms)} |"
            for connections, ms in a_post.items()
        ),
        ratio=a_post[10_000] / a_post[1_000],
        most=MOST,
        update_us=1_000 * cpu.update,
        hours=SECONDS_A_MONTH / 3600,
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
        (
            "connections",
            "updates a second",
            "updates a batch",
            "frames a second",
            "CPU, ms a second",
            "Lambda, GB-s a month",
            "reads a second",
            "writes a second",
            *(f"{name}, $" for name in Load(10, 1).dollars(prices)),
            "$ a month",
        ),
        rows,
        Plot("updates a second", "dollars a month", lines, log_x=True, log_y=True),
    )


def _row(load: Load, cpu: Cpu, prices: Prices) -> Sequence[Cell]:
    if not load.fits:
        return (load.connections, load.updates_per_second, *[report.NOTHING] * 12)
    dollars = load.dollars(prices)
    return (
        load.connections,
        load.updates_per_second,
        load.updates_a_batch,
        load.frames_per_second,
        load.batches_per_second * cpu.of(load.updates_a_batch, load.connections),
        load.gb_seconds_per_second * SECONDS_A_MONTH,
        load.read_units_per_second,
        load.write_units_per_second,
        *dollars.values(),
        sum(dollars.values()),
    )


def measured(rounds: int, poster: Poster) -> Mapping[tuple[int, int], float]:
    """Milliseconds of CPU of a broadcast, by its connections and updates; all sizes take turns."""
    sizes = [*((connections, 1) for connections in CONNECTIONS), (CONNECTIONS[0], 90)]
    broadcasters = {connections: broadcaster(connections, poster) for connections in CONNECTIONS}
    took: defaultdict[tuple[int, int], list[float]] = defaultdict(list)
    for number in track(range(rounds + 1), description="broadcasts", transient=True):
        for connections, updates in sizes:
            times = max(1, min(100, POSTS_A_ROUND // connections))
            changes = {TENANT: [change(name) for name in range(updates)]}
            started = time.process_time()
            for _ in range(times):
                tally = broadcasters[connections].broadcast(changes, _soon())
                if tally.failures or tally.outcomes[Outcome.POSTED] != connections:
                    raise SystemExit(f"{connections} connections: not all were posted to: {tally}")
            if number:
                took[connections, updates].append((time.process_time() - started) * 1000 / times)
    return {size: statistics.median(values) for size, values in took.items()}


def _soon() -> Deadlines:
    now = time.monotonic()
    return Deadlines(now + 60, now + 60)


def fitted(cpu_ms: Mapping[tuple[int, int], float]) -> Cpu:
    """What a batch, an update and a post add, by the smallest and the largest of what was measured."""
    few, many = CONNECTIONS[0], CONNECTIONS[-1]
    post = (cpu_ms[many, 1] - cpu_ms[few, 1]) / (many - few)
    update = max(0.0, cpu_ms[few, 90] - cpu_ms[few, 1]) / 89
    return Cpu(cpu_ms[few, 1] - few * post - update, update, post)


@contextmanager
def _poster() -> Generator[ConnectionPoster]:
    """A Lambda's, to connections on this machine that take everything at once; no pacer holds it back."""
    with tempfile.TemporaryDirectory() as scratch:
        pem = write_certificate(Path(scratch) / "server.pem")
        with running(pem, 0, 0) as endpoint:
            signer = Signer(endpoint, REGION, lambda: Credentials(ACCESS_KEY, SECRET_KEY, None))
            yield ConnectionPoster(signer, Pacer(1_000_000, time.monotonic_ns), ca_file=str(pem))


def broadcaster(connections: int, poster: Poster) -> Broadcaster:
    """The Lambda's broadcaster, over a table of so many connections that subscribed to everything."""
    connections_table = ConnectionsTable(_dynamodb(connections), "connections")
    accounting = Accounting(connections_table, ThreadPoolExecutor(1), clock.now_ms, clock.monotonic_seconds)
    return Broadcaster(connections_table, poster, accounting, _NoQueue(), connections, clock.now_ms)


class _NoQueue:
    def send(self, tasks: Sequence[FanoutTask]) -> None:
        raise AssertionError(f"handed over: {tasks}")


def _dynamodb(connections: int) -> DynamoDBClient:
    """A client for which a table of so many connections answers; botocore makes the requests and reads the answers."""
    client: Any = botocore.session.get_session().create_client(
        "dynamodb",
        "us-east-1",
        aws_access_key_id="made-up",
        aws_secret_access_key="made-up",  # noqa: S106 - of nobody
    )
    pages = list(_pages(connections))
    headers: Any = {"Content-Type": "application/x-amz-json-1.0"}

    def answer(request: Any, **_: object) -> AWSResponse:
        start = json.loads(request.body).get("ExclusiveStartKey")
        body = pages[int(start["SK"]["S"]) if start else 0]
        return AWSResponse(request.url, 200, headers, _Body(body))

    client.meta.events.register("before-send.dynamodb.Query", answer)
    return cast("DynamoDBClient", client)


class _Body(io.BytesIO):
    """An answer's body, as far as botocore wants of urllib3's."""

    def stream(self) -> Iterator[bytes]:
        yield self.read()


def _pages(connections: int) -> Iterator[bytes]:
    """The table's pages; where one goes on, its number stands for the key of the next."""
    partition = {"S": f"TENANT#{TENANT}"}
    tenant: dict[str, Any] = {"SK": {"S": "TENANT"}, "connections": {"N": str(connections)}}
    rows = [tenant, *map(_row_of, range(connections))]
    for number, start in enumerate(range(0, len(rows), ROWS_A_PAGE)):
        page: dict[str, Any] = {"Items": rows[start : start + ROWS_A_PAGE]}
        if start + ROWS_A_PAGE < len(rows):
            page["LastEvaluatedKey"] = {"PK": partition, "SK": {"S": str(number + 1)}}
        yield json.dumps(page).encode()


def _row_of(number: int) -> dict[str, Any]:
    moment = int(time.time()) - 60
    return {
        "SK": {"S": f"CONN#{number:015}="},
        "connected_at": {"N": str(1000 * moment)},
        "subscribed_at": {"N": str(1000 * moment)},
        "expires_at": {"N": str(moment + 3600)},
        "subscribed": {"BOOL": True},
    }


def change(number: int) -> Change:
    now = "2026-11-22T20:00:00.000Z"
    submission = Submission(TENANT, f"0f9b2c4e-1111-4222-8333-{number:012}", "contact", "processing", 1, now, now)
    return Change(submission, "insert", int(time.time() * 1000))


if __name__ == "__main__":
    typer.run(lambda: report.show(measure()))
