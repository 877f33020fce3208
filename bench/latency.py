"""From `put_events` to the client's receipt, beside the floor: the emulator's own way from a stream to a Lambda.

The floor has neither bus, pipe, WebSocket nor broadcast in it: a Lambda on an event source mapping notes when it was
reached. Both take turns within one run, in blocks, so that what else the machine does falls on both alike.
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
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
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
from local.emulator import ACCOUNT_ID, client

from . import report
from .report import Plot, Section

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import StreamSpecificationTypeDef
    from mypy_boto3_lambda import LambdaClient

    from local.stack import Stack

CLIENTS: Final = (1, 50)
BLOCK: Final = 20
"""Submissions, one after another, before it is the other's turn."""
WARM_UP: Final = 3
"""Blocks: a Lambda's second worker starts only when an event first comes while the emulator still collects the log of
the one before."""
PATIENCE_SECONDS: Final = 30.0
MOST_P50: Final = 2.5
MOST_P99: Final = 4.0

SOURCE: Final = "bench-source"
REACHED: Final = "bench-reached"
FLOOR_FUNCTION: Final = f"""
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
Milliseconds from before `put_events` until the update is in a client's hands, on the embedded run, one submission after
another: {counts}. Of several clients every receipt counts, and they connected one by one before.

The floor is the emulator's own way from a table's stream to a Lambda, from before `put_item` until the Lambda is
reached. Both took turns in blocks of {block} submissions.

Of the floor's milliseconds five are a wait: the emulator looks for more lines of log before it takes the next record.
The pipeline has no such wait and is nearly all CPU, so on a slower or busier machine its ratio is worse.

With one client the median may be {most_p50:g} times the floor's and the p99 {most_p99:g} times.
"""


@dataclass
class Found:
    """With one number of clients: milliseconds, of the pipeline and of the floor beside it."""

    clients: int
    floor: list[float] = field(default_factory=list[float])
    whole: list[float] = field(default_factory=list[float])
    """Of each receipt."""


def measure(counts: Mapping[int, int] | None = None) -> Section:
    """Latency, and how many times the floor it is; `counts`: submissions by number of clients."""
    counts = counts or dict(zip(CLIENTS, (400, 100), strict=True))
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with running_stack(state, state / "up.log") as stack, floor_in(stack) as floor:
            found = [asyncio.run(_take_turns(stack, state, floor, *one)) for one in counts.items()]
    return _section(found, counts)


async def _take_turns(stack: Stack, state: Path, floor: Floor, clients: int, count: int) -> Found:
    found = Found(clients)
    tenant = f"t_bench_{clients}"
    token = tokens.mint(stack, state, tenant)
    bus = Bus(stack)
    async with _connected(stack, token, clients) as sockets:
        # The first blocks, in which the Lambdas start, are for warming up, and so is the first submission of a turn.
        for block in track(range(WARM_UP + -(-count // BLOCK)), description=f"{clients} clients", transient=True):
            floor_ms = await asyncio.to_thread(lambda: [floor.milliseconds() for _ in range(BLOCK + 1)])
            whole_ms = [await _submit(bus, tenant, sockets) for _ in range(BLOCK + 1)]
            if block >= WARM_UP:
                found.floor += floor_ms[1:]
                found.whole += chain.from_iterable(whole_ms[1:])
    return found


@asynccontextmanager
async def _connected(stack: Stack, token: str, clients: int) -> AsyncGenerator[Sequence[ClientConnection]]:
    """So many subscribed clients. One after another: the emulator starts a process for each that connects at once."""
    protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"{BEARER_PREFIX}{token}")]
    async with AsyncExitStack() as sockets:
        opened: list[ClientConnection] = []
        for _ in range(clients):
            socket = await sockets.enter_async_context(
                connect(stack.output("websocket_url"), subprotocols=protocols, proxy=None, ping_interval=None)
            )
            await socket.send(json.dumps({"action": "subscribe", "snapshot": 0}))
            reply = json.loads(await socket.recv())
            if reply["type"] != "subscribed":
                raise SystemExit(f"the gateway took no subscription: {reply}")
            opened.append(socket)
        yield opened


async def _submit(bus: Bus, tenant: str, sockets: Sequence[ClientConnection]) -> list[float]:
    """One submission: how many milliseconds each client waited for it."""
    submission = FormSubmission(tenant_id=tenant, form_id="contact")
    detail = submission.detail()
    started = time.time()
    # It holds up the receipts, were there any yet: a thread for it would cost more.
    bus.put(RECEIVED, [detail])
    async with asyncio.timeout(PATIENCE_SECONDS):
        receipts = await asyncio.gather(*(_receipt(socket, submission.submission_id) for socket in sockets))
    return [(at - started) * 1000 for at in receipts]


async def _receipt(socket: ClientConnection, submission_id: str) -> float:
    """When the client had the submission's update."""
    while True:
        frame = json.loads(await socket.recv())
        at = time.time()
        if frame.get("data", {}).get("submission_id") == submission_id:
            return at


@dataclass(frozen=True)
class Floor:
    """A table whose stream reaches a Lambda, which writes into another when it was reached."""

    table: DynamoDBClient

    def milliseconds(self) -> float:
        """From before a write into the one until the Lambda is reached."""
        key = {"PK": {"S": uuid.uuid4().hex}}
        started = time.time()
        self.table.put_item(TableName=SOURCE, Item=key)
        while time.time() < started + PATIENCE_SECONDS:
            item = self.table.get_item(TableName=REACHED, Key=key).get("Item")
            if item:
                return (float(item["at"].get("N", "")) - started) * 1000
        raise TimeoutError(f"floor: {key} never arrived")


@contextmanager
def floor_in(stack: Stack) -> Generator[Floor]:
    """Make the floor's tables and its Lambda; afterwards the Lambda hears no more."""
    table: DynamoDBClient = client("dynamodb", stack.endpoint_url, stack.region)
    lambdas: LambdaClient = client("lambda", stack.endpoint_url, stack.region)
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
        packed.writestr("floor.py", FLOOR_FUNCTION)
    lambdas.create_function(
        FunctionName="bench-floor",
        Runtime="python3.13",
        Role=f"arn:aws:iam::{ACCOUNT_ID}:role/bench",
        Handler="floor.handler",
        Code={"ZipFile": archive.getvalue()},
    )
    stream_arn = table.describe_table(TableName=SOURCE)["Table"].get("LatestStreamArn", "")
    mapping = lambdas.create_event_source_mapping(
        FunctionName="bench-floor", EventSourceArn=stream_arn, StartingPosition="TRIM_HORIZON", BatchSize=100
    )
    try:
        yield Floor(table)
    finally:
        lambdas.delete_event_source_mapping(UUID=mapping.get("UUID", ""))


def _section(found: Sequence[Found], counts: Mapping[int, int]) -> Section:
    rows: list[tuple[str | float, ...]] = []
    series: dict[str, list[tuple[float, float]]] = {}
    for one in found:
        what = "1 client" if one.clients == 1 else f"{one.clients} clients"
        floor, whole = (statistics.quantiles(values, n=100) for values in (one.floor, one.whole))
        rows.append((f"the floor beside {what}", *_percentiles(floor), "", ""))
        ratios = [f"{a / b:.1f}" for a, b in zip(_percentiles(whole), _percentiles(floor), strict=True)]
        rows.append((what, *_percentiles(whole), ratios[0], ratios[2]))
        series[what] = list(enumerate(whole, 1))
        series.setdefault("the floor", list(enumerate(floor, 1)))
    return Section(
        name="latency",
        title="From submission to receipt",
        notes=NOTES.format(
            counts=", ".join(f"{count} to {clients}" for clients, count in counts.items()),
            block=BLOCK,
            most_p50=MOST_P50,
            most_p99=MOST_P99,
        ),
        columns=("", "p50, ms", "p95, ms", "p99, ms", "p50, times the floor", "p99, times the floor"),
        rows=rows,
        plot=Plot("percent of receipts", "ms until then, at most", series),
    )


def _percentiles(cuts: Sequence[float]) -> tuple[float, float, float]:
    return cuts[49], cuts[94], cuts[98]


def main(
    count: Annotated[int, typer.Option(help="Submissions to one client; a quarter of them to 50.")] = 400,
) -> None:
    """Measure latency and print it."""
    report.show(measure(dict(zip(CLIENTS, (count, count // 4), strict=True))))


if __name__ == "__main__":
    typer.run(main)
