"""Benchmark of the latency from `put_events` to the client, compared with a baseline.

The baseline is the emulator's own path from a table's stream to a Lambda, without bus, pipe, broadcast and WebSocket:
an event source mapping invokes a Lambda, and the Lambda records the time at which it runs. The pipeline and the
baseline take turns in blocks within one run, so that other load on the machine affects both.
"""

from __future__ import annotations

import asyncio
import io
import json
import statistics
import tempfile
import time
import uuid
import zipfile
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.progress import track
from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from formbridge.access.handshake import BEARER_PREFIX
from formbridge.submissions.event import RECEIVED
from formbridge.wire.protocol import SUBPROTOCOL
from local import tokens
from local.background import running_stack
from local.bus import Bus, FormSubmission
from local.emulator import ACCOUNT_ID
from local.emulator_client import client

from . import report
from .report import Plot, Section

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Generator, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import StreamSpecificationTypeDef
    from mypy_boto3_lambda import LambdaClient

    from local.stack import Stack

CLIENTS: Final = (1, 50)
BLOCK_SIZE: Final = 20
"""Number of submissions per block, one after another."""
WARM_UP_BLOCKS: Final = 3
"""Number of blocks at the start that are not measured, because Lambdas start in them. One block is not enough: the
emulator starts the second worker of a Lambda only if an event arrives while the emulator still collects the log of the
previous event."""
TIMEOUT_SECONDS: Final = 30.0
MAX_P50_RATIO: Final = 2.5
"""Highest allowed ratio of the pipeline's median latency to that of the baseline, with one client."""
MAX_P99_RATIO: Final = 4.0
"""Highest allowed ratio of the pipeline's 99th percentile to that of the baseline, with one client."""

SOURCE: Final = "bench-source"
REACHED: Final = "bench-reached"
BASELINE_FUNCTION: Final = f"""
import json, os, time, boto3
table = boto3.client("dynamodb")

def handler(event, context):
    reached = time.time()
    print("reached")
    for record in event["Records"]:
        key = record["dynamodb"]["Keys"]["PK"]
        table.put_item(TableName="{REACHED}", Item={{"PK": key, "at": {{"N": repr(reached)}}}})
"""

NOTES: Final = """\
Milliseconds from just before `put_events` until a client has received the update, on the local run, with one submission
after another: {counts}. With several clients, every receipt counts. The clients connected one by one beforehand.

The baseline is the emulator's own path from a table's stream to a Lambda: the time from just before `put_item` until
the Lambda runs. The pipeline and the baseline took turns in blocks of {block} submissions.

Five milliseconds of the baseline are waiting time, because the emulator looks for more log lines before it takes the
next record. The pipeline has no such wait and uses the CPU nearly all the time. Therefore its ratio is worse on a
slower or busier machine.

With one client, the median may be at most {max_p50_ratio:g} times the baseline's, and the p99 at most
{max_p99_ratio:g} times.
"""

COLUMNS: Final = ("path", "p50, ms", "p95, ms", "p99, ms", "p50 / baseline", "p99 / baseline")


@dataclass
class Latencies:
    """Latencies that were measured with `clients` clients, in milliseconds."""

    clients: int
    baseline: list[float] = field(default_factory=list[float])
    """For each write of the baseline, the time from the write until the Lambda runs."""
    pipeline: list[float] = field(default_factory=list[float])
    """For each update and each client, the time from `put_events` until the client receives the update."""


def measure(counts: Mapping[int, int] | None = None) -> Section:
    """Measure the latency and its ratio to the baseline.

    Args:
        counts: Number of submissions to measure, by number of clients. Default: 400 submissions with 1 client and 100
            submissions with 50 clients.
    """
    counts = counts or dict(zip(CLIENTS, (400, 100), strict=True))
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with running_stack(state, state / "up.log") as stack, running_baseline(stack) as baseline:
            results = [asyncio.run(_take_turns(stack, state, baseline, *count)) for count in counts.items()]
    return _build_section(results, counts)


async def _take_turns(stack: Stack, state: Path, baseline: Baseline, clients: int, count: int) -> Latencies:
    latencies = Latencies(clients)
    tenant = f"t_bench_{clients}"
    # The gateway limits the connections of a user.
    users = [tokens.mint(stack, state, tenant, user=f"{tenant}-{number}") for number in range(clients)]
    bus = Bus(stack)
    async with connected(stack, users) as sockets:
        # The first blocks are not measured, because the Lambdas start in them. The first submission of each block is
        # not measured either.
        for block in track(
            range(WARM_UP_BLOCKS + -(-count // BLOCK_SIZE)), description=f"{clients} clients", transient=True
        ):
            baseline_ms = await asyncio.to_thread(
                lambda: [baseline.measure_milliseconds() for _ in range(BLOCK_SIZE + 1)]
            )
            pipeline_ms = [await submit(bus, tenant, sockets) for _ in range(BLOCK_SIZE + 1)]
            if block >= WARM_UP_BLOCKS:
                latencies.baseline += baseline_ms[1:]
                latencies.pipeline += chain.from_iterable(pipeline_ms[1:])
    return latencies


@asynccontextmanager
async def connected(stack: Stack, users: Sequence[str]) -> AsyncGenerator[Sequence[ClientConnection]]:
    """Connect and subscribe a client with each of the tokens, and disconnect them at the end of the block.

    The clients connect one after another, because the emulator starts one process for each concurrent `$connect`.
    """
    async with AsyncExitStack() as sockets:
        opened: list[ClientConnection] = []
        for token in users:
            protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"{BEARER_PREFIX}{token}")]
            socket = await sockets.enter_async_context(
                connect(stack.output("websocket_url"), subprotocols=protocols, proxy=None, ping_interval=None)
            )
            await socket.send(json.dumps({"action": "subscribe", "snapshot": 0}))
            reply = json.loads(await socket.recv())
            if reply["type"] != "subscribed":
                raise SystemExit(f"the gateway refused the subscription: {reply}")
            opened.append(socket)
        yield opened


async def submit(bus: Bus, tenant: str, sockets: Sequence[ClientConnection]) -> list[float]:
    """Put one submission on the bus and return the milliseconds until each client received it."""
    submission = FormSubmission(tenant_id=tenant, form_id="contact")
    detail = submission.detail()
    started = time.time()
    # This call blocks the event loop. That is correct, because no client can receive the update before the call. Making
    # the call in a thread would take more time.
    bus.put(RECEIVED, [detail])
    async with asyncio.timeout(TIMEOUT_SECONDS):
        receipts = await asyncio.gather(*(_receipt(socket, submission.submission_id) for socket in sockets))
    return [(at - started) * 1000 for at in receipts]


async def _receipt(socket: ClientConnection, submission_id: str) -> float:
    """Return the time at which the client received the update of the submission."""
    while True:
        frame = json.loads(await socket.recv())
        at = time.time()
        if frame.get("data", {}).get("submission_id") == submission_id:
            return at


@dataclass(frozen=True)
class Baseline:
    """The baseline: a table whose stream invokes a Lambda.

    The Lambda writes the time of its invocation to a second table.
    """

    table: DynamoDBClient

    def measure_milliseconds(self) -> float:
        """Return the milliseconds from just before a write to the table until the Lambda runs."""
        key = {"PK": {"S": uuid.uuid4().hex}}
        started = time.time()
        self.table.put_item(TableName=SOURCE, Item=key)
        while time.time() < started + TIMEOUT_SECONDS:
            item = self.table.get_item(TableName=REACHED, Key=key).get("Item")
            if item:
                return (float(item["at"].get("N", "")) - started) * 1000
        raise TimeoutError(f"baseline: the Lambda did not receive {key} in time")


@contextmanager
def running_baseline(stack: Stack) -> Generator[Baseline]:
    """Create the baseline's tables and Lambda, and stop invoking the Lambda at the end of the block."""
    table: DynamoDBClient = client("dynamodb", stack)
    lambdas: LambdaClient = client("lambda", stack)
    streams: Mapping[str, StreamSpecificationTypeDef] = {
        SOURCE: {"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
        REACHED: {"StreamEnabled": False},
    }
    for name, stream in streams.items():
        table.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification=stream,
        )
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as packed:
        packed.writestr("baseline.py", BASELINE_FUNCTION)
    lambdas.create_function(
        FunctionName="bench-baseline",
        Runtime="python3.13",
        Role=f"arn:aws:iam::{ACCOUNT_ID}:role/bench",
        Handler="baseline.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    stream_arn = table.describe_table(TableName=SOURCE)["Table"].get("LatestStreamArn", "")
    mapping = lambdas.create_event_source_mapping(
        FunctionName="bench-baseline", EventSourceArn=stream_arn, StartingPosition="TRIM_HORIZON", BatchSize=100
    )
    try:
        yield Baseline(table)
    finally:
        lambdas.delete_event_source_mapping(UUID=mapping.get("UUID", ""))


def _build_section(results: Sequence[Latencies], counts: Mapping[int, int]) -> Section:
    rows: list[tuple[str | float, ...]] = []
    series: dict[str, list[tuple[float, float]]] = {}
    for latencies in results:
        name = _count_clients(latencies.clients)
        baseline, pipeline = (
            statistics.quantiles(values, n=100) for values in (latencies.baseline, latencies.pipeline)
        )
        rows.append((f"baseline, next to {name}", *_select_percentiles(baseline), "", ""))
        ratios = [
            f"{a / b:.1f}" for a, b in zip(_select_percentiles(pipeline), _select_percentiles(baseline), strict=True)
        ]
        rows.append((name, *_select_percentiles(pipeline), ratios[0], ratios[2]))
        series[name] = list(enumerate(pipeline, 1))
        series.setdefault("baseline", list(enumerate(baseline, 1)))
    return Section(
        name="latency",
        title="From submission to receipt",
        notes=NOTES.format(
            counts=", ".join(
                f"{count} submissions with {_count_clients(clients)}" for clients, count in counts.items()
            ),
            block=BLOCK_SIZE,
            max_p50_ratio=MAX_P50_RATIO,
            max_p99_ratio=MAX_P99_RATIO,
        ),
        columns=COLUMNS,
        rows=rows,
        plot=Plot("percentile of receipts", "latency, ms", series),
    )


def _count_clients(clients: int) -> str:
    return "1 client" if clients == 1 else f"{clients} clients"


def _select_percentiles(cuts: Sequence[float]) -> tuple[float, float, float]:
    """Return p50, p95 and p99 from the list of the percentiles 1 to 99."""
    return cuts[49], cuts[94], cuts[98]


def main(
    count: Annotated[
        int, typer.Option(help="Number of submissions with one client. A quarter of it is measured with 50 clients.")
    ] = 400,
) -> None:
    """Measure the latency and print it."""
    report.show(measure(dict(zip(CLIENTS, (count, count // 4), strict=True))))


if __name__ == "__main__":
    typer.run(main)
