"""A burst of updates to many dashboards of one tenant: the frames that it takes, which are what API Gateway bills.

`python -m bench.coalescing` measures it on the embedded run, with a real socket for each dashboard, beside what the
same updates take in full batches.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.typing import Subprotocol

from formbridge.access.handshake import BEARER_PREFIX
from formbridge.broadcast.changes import Change
from formbridge.broadcast.frames import Frames
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.runtime import clock, timestamps
from formbridge.submissions.submission import Submission
from formbridge.wire.protocol import SUBPROTOCOL
from local import tokens
from local.background import running_stack
from local.emulator import client

from .report import Section, show

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TENANT: Final = "t_bench"
UPDATES: Final = 1_000
DASHBOARDS: Final = 100
BATCH_SIZES: Final = (100, 1_000)
WRITES_AT_ONCE: Final = 25
"""What DynamoDB takes in one BatchWriteItem."""
MOST: Final = 0.02
"""The share of the frames of one post an update that a burst may take."""


def measure(updates: int = UPDATES, dashboards: int = DASHBOARDS) -> Section:
    """Frames and bytes of a burst, each update of a submission of its own, so that none can be left out."""
    submissions = [_submission() for _ in range(updates)]
    rows = [("one post an update", *_posted(submissions, 1, dashboards))]
    rows += [(f"in full batches of {size:,}", *_posted(submissions, size, dashboards)) for size in BATCH_SIZES]
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with running_stack(state, state / "up.log") as stack:
            token = tokens.mint(stack, state, TENANT)
            sockets = _Dashboards(stack.output("websocket_url"), token, dashboards)
            dynamodb: DynamoDBClient = client("dynamodb", stack.endpoint_url, stack.region)
            table_name = stack.output("table_name")
            rows.append(("on the embedded run", *asyncio.run(sockets.receive(submissions, dynamodb, table_name))))
    frames = rows[0][1]
    return Section(
        name="coalescing",
        title="Frames of a burst",
        notes=(
            f"{updates:,} submissions of one tenant are written to the table as fast as it takes them, "
            f"{WRITES_AT_ONCE} a request, and go to {dashboards} dashboards. On the embedded run each dashboard is a "
            "WebSocket of its own, and the frames are those that came in; how many records a poll of the pipe finds "
            "is then as it happens. A frame holds at most 32 KB, which API Gateway bills as one message. "
            f"It must take at most {MOST:.0%} of the frames of one post an update."
        ),
        columns=("", "frames", "share of the frames", "MB"),
        rows=[(what, count, f"{count / frames:.2%}", size / 1e6) for what, count, size in rows],
    )


def _submission() -> Submission:
    now = timestamps.to_iso(clock.now_ms())
    return Submission(TENANT, uuid.uuid4().hex, "contact", "processing", 1, now, now)


def _posted(submissions: Sequence[Submission], batch_size: int, dashboards: int) -> tuple[int, int]:
    """The frames and bytes that batches of a size take."""
    now = clock.now_ms()
    row = Connection(ConnectionKey(TENANT, "conn-1"), connected_at=0, expires_at=0, subscribed=True)
    frames: list[bytes] = []
    for batch in _batches(submissions, batch_size):
        frames += Frames(TENANT, [Change(each, "insert", now) for each in batch], now).for_connection(row)
    return len(frames) * dashboards, sum(map(len, frames)) * dashboards


def _batches(submissions: Sequence[Submission], size: int) -> list[Sequence[Submission]]:
    return [submissions[start : start + size] for start in range(0, len(submissions), size)]


class _Dashboards:
    """Clients that count what comes in."""

    def __init__(self, url: str, token: str, count: int) -> None:
        self._url = url
        self._protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"{BEARER_PREFIX}{token}")]
        self._count = count

    async def receive(
        self, submissions: Sequence[Submission], dynamodb: DynamoDBClient, table_name: str
    ) -> tuple[int, int]:
        """The frames and bytes in which all submissions reach all dashboards."""
        # One after the other: each connect that is under way is a process of the emulator's.
        sockets = [await self._subscribed() for _ in range(self._count)]
        try:
            names = {submission.submission_id for submission in submissions}
            writing = asyncio.create_task(asyncio.to_thread(_write, dynamodb, table_name, submissions))
            received = await asyncio.gather(*(_until_all(socket, names) for socket in sockets))
            await writing
        finally:
            await asyncio.gather(*(socket.close() for socket in sockets))
        return sum(frames for frames, _ in received), sum(size for _, size in received)

    async def _subscribed(self) -> ClientConnection:
        socket = await connect(self._url, subprotocols=self._protocols)
        await socket.send(json.dumps({"action": "subscribe", "snapshot": 0}))
        reply = json.loads(await socket.recv())
        if reply["type"] != "subscribed":
            raise SystemExit(f"the gateway took no subscription: {reply}")
        return socket


async def _until_all(socket: ClientConnection, names: set[str]) -> tuple[int, int]:
    missing = set(names)
    frames = size = 0
    async with asyncio.timeout(120):
        while missing:
            text = await socket.recv()
            frames += 1
            size += len(text)
            frame = json.loads(text)
            updates: list[dict[str, Any]] = frame.get("updates", [frame])
            missing -= {update["data"]["submission_id"] for update in updates}
    return frames, size


def _write(dynamodb: DynamoDBClient, table_name: str, submissions: Sequence[Submission]) -> None:
    for batch in _batches(submissions, WRITES_AT_ONCE):
        dynamodb.batch_write_item(
            RequestItems={table_name: [{"PutRequest": {"Item": _item(submission)}} for submission in batch]}
        )


def _item(submission: Submission) -> dict[str, Any]:
    return {
        "PK": {"S": f"SUB#{submission.submission_id}"},
        "SK": {"S": "META"},
        "GSI1PK": {"S": f"TENANT#{submission.tenant_id}"},
        "GSI1SK": {"S": submission.position},
        **{
            name: {"S": getattr(submission, name)}
            for name in ("tenant_id", "submission_id", "form_id", "status", "submitted_at", "updated_at")
        },
        "version": {"N": str(submission.version)},
    }


if __name__ == "__main__":
    show(measure())
