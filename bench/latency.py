"""From `put_events` to the client's receipt, beside the floor: the emulator's own way from a stream to a Lambda.

`make bench` starts the local stack, measures both in one run, and prints their medians, p99s and ratios. The floor has
neither bus, pipe, WebSocket nor broadcast in it: a Lambda on an event source mapping notes when it was reached.
"""

from __future__ import annotations

import io
import json
import statistics
import tempfile
import time
import uuid
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console
from rich.progress import track
from rich.table import Table
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from formbridge.protocol import BEARER_PREFIX, SUBPROTOCOL
from formbridge.submission import RECEIVED
from local import tokens
from local.background import running_stack
from local.bus import Bus, FormSubmission
from local.emulator import ACCOUNT_ID, client
from local.stack import Stack

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_lambda import LambdaClient

TENANT = "t_bench"
FLOOR_FUNCTION = """
import json, os, time, boto3
table = boto3.client("dynamodb")

def handler(event, context):
    reached = time.time()
    print("reached")
    for record in event["Records"]:
        key = record["dynamodb"]["Keys"]["PK"]
        table.put_item(TableName="bench-reached", Item={"PK": key, "at": {"N": repr(reached)}})
"""


def main(count: Annotated[int, typer.Option(help="Submissions measured, after ten to warm up.")] = 300) -> None:
    """Measure latency on the embedded run, one client, one submission after another."""
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with running_stack(state, state / "up.log") as stack:
            floor = measure_floor(stack, count)
            whole = measure_pipeline(stack, tokens.mint(stack, state, TENANT), count)
    report(floor, whole)


def measure_pipeline(stack: Stack, token: str, count: int) -> list[float]:
    """Milliseconds from before `put_events` until the update is in the client's hands."""
    bus = Bus(stack)
    protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"{BEARER_PREFIX}{token}")]
    with connect(stack.output("websocket_url"), subprotocols=protocols) as socket:
        socket.send(json.dumps({"action": "subscribe", "snapshot": 0}))
        reply = json.loads(socket.recv())
        if reply["type"] != "subscribed":
            raise SystemExit(f"the gateway took no subscription: {reply}")

        def submit(name: str) -> None:
            bus.put(RECEIVED, [FormSubmission(tenant_id=TENANT, submission_id=name, form_id="contact").detail()])

        def received(name: str) -> float | None:
            frame = json.loads(socket.recv(30))
            return time.time() if frame.get("data", {}).get("submission_id") == name else None

        return _measure("pipeline", count, submit, received)


def measure_floor(stack: Stack, count: int) -> list[float]:
    """Milliseconds from before `put_item` until a Lambda on the table's stream is reached."""
    table: DynamoDBClient = client("dynamodb", stack.endpoint_url, stack.region)
    lambdas: LambdaClient = client("lambda", stack.endpoint_url, stack.region)
    for name in ("bench-source", "bench-reached"):
        table.create_table(
            TableName=name,
            KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "PK", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
            StreamSpecification={"StreamEnabled": True, "StreamViewType": "NEW_IMAGE"},
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
    stream = table.describe_table(TableName="bench-source")["Table"].get("LatestStreamArn", "")
    lambdas.create_event_source_mapping(
        FunctionName="bench-floor", EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=100
    )

    def write(name: str) -> None:
        table.put_item(TableName="bench-source", Item={"PK": {"S": name}})

    def reached(name: str) -> float | None:
        item = table.get_item(TableName="bench-reached", Key={"PK": {"S": name}}).get("Item")
        return float(item["at"].get("N", "0")) if item else None

    try:
        return _measure("floor", count, write, reached)
    finally:
        for mapping in lambdas.list_event_source_mappings(FunctionName="bench-floor")["EventSourceMappings"]:
            lambdas.delete_event_source_mapping(UUID=mapping.get("UUID", ""))


def _measure(what: str, count: int, send: Callable[[str], None], arrived: Callable[[str], float | None]) -> list[float]:
    took: list[float] = []
    for _ in track(range(count + 10), description=what, transient=True):
        name = uuid.uuid4().hex
        started = time.time()
        send(name)
        deadline = started + 30
        while (at := arrived(name)) is None:
            if time.time() > deadline:
                raise TimeoutError(f"{what}: {name} never arrived")
        took.append((at - started) * 1000)
    return took[10:]


def report(floor: Sequence[float], whole: Sequence[float]) -> None:
    """Print both, and how many times the floor the pipeline takes."""
    table = Table(title=f"{len(whole)} submissions, one client, milliseconds")
    for column in ("", "p50", "p95", "p99"):
        table.add_column(column, justify="right")
    rows = {
        "submission to receipt": _percentiles(whole),
        "floor (stream to Lambda)": _percentiles(floor),
    }
    for name, values in rows.items():
        table.add_row(name, *(f"{value:.1f}" for value in values))
    ratios = (one / other for one, other in zip(*rows.values(), strict=True))
    table.add_row("times the floor", *(f"{ratio:.1f}" for ratio in ratios))
    Console().print(table)


def _percentiles(values: Sequence[float]) -> tuple[float, float, float]:
    cuts = statistics.quantiles(values, n=100)
    return cuts[49], cuts[94], cuts[98]


if __name__ == "__main__":
    typer.run(main)
