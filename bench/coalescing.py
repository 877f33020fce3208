"""Benchmark of the number of frames that carry a burst of updates. API Gateway bills each frame.

`python -m bench.coalescing` sends a burst to many dashboards of one tenant on the local run. Each dashboard has a real
WebSocket. The benchmark compares the number of frames with two computed numbers: the frames if every batch is full, and
the frames if every update is posted on its own.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
import uuid
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
from local.emulator_client import client

from .report import Section, show

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient

TENANT: Final = "t_bench"
UPDATES: Final = 1_000
DASHBOARDS: Final = 100
BATCH_SIZES: Final = (100, 1_000)
WRITES_PER_REQUEST: Final = 25
"""Maximum number of items in one BatchWriteItem request."""
MAX_FRAME_SHARE: Final = 0.02
"""Highest allowed ratio of the frames of a burst to the frames that one post per update would take."""
TIMEOUT_SECONDS: Final = 120
"""Time limit within which a dashboard must receive all updates."""

NOTES: Final = """\
{updates:,} submissions of one tenant go to {dashboards} dashboards. They are written to the table as fast as it accepts
them, {writes} per request. On the local run, each dashboard is a WebSocket, and the table shows the frames that all
dashboards received. There, the number of records that a poll of the pipe finds varies from run to run. A frame holds at
most 32 KB, which API Gateway bills as one message.

The local run may take at most {max_share:.0%} of the frames that one post per update takes.
"""
COLUMNS: Final = ("delivery", "frames", "share of frames", "MB")


def measure(updates: int = UPDATES, dashboards: int = DASHBOARDS) -> Section:
    """Measure the frames and bytes that dashboards receive in a burst of updates.

    Each update changes a different submission, so no update replaces another update.
    """
    submissions = [_make_submission() for _ in range(updates)]
    rows = [("one post per update", *_count_posted(submissions, 1, dashboards))]
    rows += [(f"full batches of {size:,}", *_count_posted(submissions, size, dashboards)) for size in BATCH_SIZES]
    with tempfile.TemporaryDirectory() as directory:
        state = Path(directory)
        with running_stack(state, state / "up.log") as stack:
            # The gateway limits the connections of a user.
            users = [tokens.mint(stack, state, TENANT, user=f"user-{number}") for number in range(dashboards)]
            sockets = _Dashboards(stack.output("websocket_url"), users)
            dynamodb: DynamoDBClient = client("dynamodb", stack)
            table_name = stack.output("table_name")
            rows.append(("local run", *asyncio.run(sockets.receive(submissions, dynamodb, table_name))))
    frames = rows[0][1]
    return Section(
        name="coalescing",
        title="Frames of a burst",
        notes=NOTES.format(
            updates=updates, dashboards=dashboards, writes=WRITES_PER_REQUEST, max_share=MAX_FRAME_SHARE
        ),
        columns=COLUMNS,
        rows=[(name, count, f"{count / frames:.2%}", size / 1e6) for name, count, size in rows],
    )


def _make_submission() -> Submission:
    now = timestamps.to_iso(clock.now_ms())
    return Submission(TENANT, uuid.uuid4().hex, "contact", "processing", 1, now, now)


def _count_posted(submissions: Sequence[Submission], batch_size: int, dashboards: int) -> tuple[int, int]:
    """Compute the frames and bytes that all dashboards receive if each batch has `batch_size` updates."""
    now = clock.now_ms()
    row = Connection(ConnectionKey(TENANT, "conn-1"), connected_at=0, expires_at=0, subscribed=True)
    frames: list[bytes] = []
    for batch in _split(submissions, batch_size):
        frames += Frames(TENANT, [Change(each, "insert", now) for each in batch], 0, now).for_connection(row)
    return len(frames) * dashboards, sum(map(len, frames)) * dashboards


def _split(submissions: Sequence[Submission], size: int) -> list[Sequence[Submission]]:
    return [submissions[start : start + size] for start in range(0, len(submissions), size)]


class _Dashboards:
    """Dashboards that count the frames and bytes that they receive."""

    def __init__(self, url: str, users: Sequence[str]) -> None:
        self._url = url
        self._users = users

    async def receive(
        self, submissions: Sequence[Submission], dynamodb: DynamoDBClient, table_name: str
    ) -> tuple[int, int]:
        """Write the submissions to the table. Return the frames and bytes that all dashboards receive."""
        # Connect one after another, because the emulator starts one process for each concurrent `$connect`.
        sockets = [await self._subscribe(token) for token in self._users]
        try:
            names = {submission.submission_id for submission in submissions}
            writing = asyncio.create_task(asyncio.to_thread(_write_all, dynamodb, table_name, submissions))
            received = await asyncio.gather(*(_receive_all(socket, names) for socket in sockets))
            await writing
        finally:
            await asyncio.gather(*(socket.close() for socket in sockets))
        return sum(frames for frames, _ in received), sum(size for _, size in received)

    async def _subscribe(self, token: str) -> ClientConnection:
        protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"{BEARER_PREFIX}{token}")]
        socket = await connect(self._url, subprotocols=protocols)
        await socket.send(json.dumps({"action": "subscribe", "snapshot": 0}))
        reply = json.loads(await socket.recv())
        if reply["type"] != "subscribed":
            raise SystemExit(f"the gateway refused the subscription: {reply}")
        return socket


async def _receive_all(socket: ClientConnection, names: set[str]) -> tuple[int, int]:
    missing = set(names)
    frames = size = 0
    async with asyncio.timeout(TIMEOUT_SECONDS):
        while missing:
            text = await socket.recv()
            frames += 1
            size += len(text)
            frame = json.loads(text)
            updates: list[dict[str, Any]] = frame.get("updates", [frame])
            missing -= {update["data"]["submission_id"] for update in updates}
    return frames, size


def _write_all(dynamodb: DynamoDBClient, table_name: str, submissions: Sequence[Submission]) -> None:
    for batch in _split(submissions, WRITES_PER_REQUEST):
        dynamodb.batch_write_item(
            RequestItems={table_name: [{"PutRequest": {"Item": _build_item(submission)}} for submission in batch]}
        )


def _build_item(submission: Submission) -> dict[str, Any]:
    return {
        "PK": {"S": f"SUB#{submission.tenant_id}#{submission.submission_id}"},
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
