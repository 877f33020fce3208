"""An attacking tenant on the local run, in a process of its own.

`python -m bench.attacker` reads an `Orders` object as JSON from its standard input. It writes a line when the attack
runs at full strength. At the next line of input, it ends and writes `Counts` as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidHandshake
from websockets.typing import Subprotocol

from formbridge.access.handshake import BEARER_PREFIX
from formbridge.submissions.event import RECEIVED
from formbridge.wire.protocol import SUBPROTOCOL
from local import stack as stack_file
from local import tokens
from local.bus import Bus, FormSubmission

if TYPE_CHECKING:
    from collections.abc import Sequence

TENANT: Final = "t_attacker"
CONNECTIONS_PER_USER: Final = 10
"""Half of the connections that a user may have, so that a new one is not refused before an old one is released."""
PING: Final = '{"action":"ping"}'
MAX_UNANSWERED: Final = 3
"""Maximum number of messages of a socket that are not answered yet. The emulator takes the messages of a socket one
after another and keeps all others in memory. With two or more, each socket is always busy. Without a maximum, the
emulator would still be busy with them long after the attack."""
READY_REPLIES: Final = 3
"""Replies per socket until the attack runs at full strength, so that the Lambdas have started."""
REPLY_SECONDS: Final = 5.0
"""Time limit for a reply. The socket is then replaced."""
RETRY_SECONDS: Final = 0.05
"""Time between two attempts to connect."""


@dataclass(frozen=True)
class Orders:
    """The orders of the attacker."""

    state_dir: str
    """State directory of the local run."""
    filters: Sequence[str]
    """The subscription filter of each connection, as JSON."""
    messages_per_second: float | None
    """Messages per second of all connections together. None: as many as are answered."""
    reconnects: int
    """Number of further sockets that connect, subscribe and disconnect all the time."""
    submissions_per_second: float
    """Submissions of the attacker's tenant per second. Each is matched with all filters."""
    form_id: str
    """The form of the submissions."""


@dataclass
class Counts:
    """The counts of the attacker since the attack ran at full strength."""

    seconds: float = 0.0
    replies: Counter[str] = field(default_factory=Counter[str])
    """Number of replies by type; of errors by code."""
    connects: Counter[str] = field(default_factory=Counter[str])
    """Number of handshakes by result: `accepted` or the name of the error."""


@dataclass
class Attacker:
    """The attacking tenant: its connections, its messages and its submissions."""

    orders: Orders
    counts: Counts = field(default_factory=Counts)

    def __post_init__(self) -> None:
        state = Path(self.orders.state_dir)
        self._stack = stack_file.read(state)
        sockets = len(self.orders.filters) + self.orders.reconnects
        self._users = [
            tokens.mint(self._stack, state, TENANT, user=f"attacker-{number}")
            for number in range(-(-sockets // CONNECTIONS_PER_USER))
        ]
        self._ready = asyncio.Event()

    async def run(self) -> Counts:
        """Attack until a line of input arrives. Return what was done since the attack ran at full strength."""
        running = [asyncio.create_task(self._flood(number)) for number in range(len(self.orders.filters))]
        running += [asyncio.create_task(self._reconnect(number)) for number in range(self.orders.reconnects)]
        running.append(asyncio.create_task(self._submit()))
        await self._ready.wait()
        self.counts, started = Counts(), time.monotonic()
        print("attacking", flush=True)
        stopped = asyncio.create_task(asyncio.to_thread(sys.stdin.readline))
        await asyncio.wait([stopped, *running], return_when=asyncio.FIRST_COMPLETED)
        self.counts.seconds = time.monotonic() - started
        for task in running:
            if task.done():
                task.result()  # It ended by an error, because an attack has no other end.
            task.cancel()
        return self.counts

    async def _flood(self, number: int) -> None:
        """Subscribe and send pings. If the gateway closes the connection, connect again."""
        while True:
            socket = await self._connect(number)
            unanswered = asyncio.Semaphore(MAX_UNANSWERED)
            reading = asyncio.create_task(self._read(socket, unanswered))
            try:
                await socket.send(_build_subscribe(self.orders.filters[number]))
                while not reading.done():
                    async with asyncio.timeout(REPLY_SECONDS):
                        await unanswered.acquire()
                    await socket.send(PING)
                    if self.orders.messages_per_second:
                        await asyncio.sleep(len(self.orders.filters) / self.orders.messages_per_second)
            except (ConnectionClosed, TimeoutError):
                self._count("closed")
            finally:
                reading.cancel()
                await socket.close()

    async def _read(self, socket: ClientConnection, unanswered: asyncio.Semaphore) -> None:
        try:
            async for text in socket:
                frame = json.loads(text)
                if not frame["type"].startswith("submission_update"):
                    unanswered.release()
                    self._count(frame.get("code") or frame["type"])
        except ConnectionClosed:
            return
        finally:
            unanswered.release()

    def _count(self, kind: str) -> None:
        self.counts.replies[kind] += 1
        if self.counts.replies.total() >= READY_REPLIES * len(self.orders.filters):
            self._ready.set()

    async def _reconnect(self, number: int) -> None:
        """Connect, subscribe and disconnect all the time."""
        while True:
            socket = await self._connect(len(self.orders.filters) + number)
            try:
                await socket.send(_build_subscribe(self.orders.filters[number % len(self.orders.filters)]))
                await socket.recv()
                await socket.close()
            except ConnectionClosed:
                continue

    async def _connect(self, number: int) -> ClientConnection:
        token = self._users[number // CONNECTIONS_PER_USER]
        protocols = [Subprotocol(SUBPROTOCOL), Subprotocol(f"{BEARER_PREFIX}{token}")]
        while True:
            try:
                socket = await connect(
                    self._stack.output("websocket_url"),
                    subprotocols=protocols,
                    proxy=None,
                    ping_interval=None,
                    open_timeout=None,
                    close_timeout=1,
                )
            except (InvalidHandshake, OSError) as error:
                self.counts.connects[type(error).__name__] += 1
                await asyncio.sleep(RETRY_SECONDS)
                continue
            self.counts.connects["accepted"] += 1
            return socket

    async def _submit(self) -> None:
        bus = Bus(self._stack)
        while True:
            submission = FormSubmission(tenant_id=TENANT, form_id=self.orders.form_id)
            await asyncio.to_thread(bus.put, RECEIVED, [submission.detail()])
            await asyncio.sleep(1 / self.orders.submissions_per_second)


def _build_subscribe(text: str) -> str:
    return json.dumps({"action": "subscribe", "snapshot": 0, "filter": json.loads(text)})


async def _attack(orders: Orders) -> Counts:
    return await Attacker(orders).run()


if __name__ == "__main__":
    done = asyncio.run(_attack(Orders(**json.loads(sys.stdin.readline()))))
    print(json.dumps(vars(done)), flush=True)
