"""A broadcaster in memory."""

from __future__ import annotations

import json
import time
from concurrent.futures import Executor, Future
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from formbridge.broadcast.accounting import Accounting, Tally
from formbridge.broadcast.broadcaster import Broadcaster
from formbridge.broadcast.changes import Batch
from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.posting.delivery import Deadlines, Outcome
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import Registered
from tests.support.handlers.world import Poster

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Callable, Sequence

    from formbridge.connections.connection import Connection
    from formbridge.submissions.submission import Update

NEVER: Final = Deadlines(posting=float("inf"), writing=float("inf"))
THRESHOLD: Final = 50


class Inline(Executor):
    """Does what it is given at once."""

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        done = Future[Any]()
        try:
            done.set_result(fn(*args, **kwargs))
        except Exception as error:  # noqa: BLE001 - the future's, as in any executor
            done.set_exception(error)
        return done


@dataclass
class Queue:
    """The fan-out queue."""

    sent: list[FanoutTask] = field(default_factory=list[FanoutTask])
    failure: Exception | None = None

    def send(self, tasks: Sequence[FanoutTask]) -> None:
        if self.failure:
            raise self.failure
        self.sent += tasks


def carried(frame: str) -> list[Update]:
    """The updates of a frame."""
    read = json.loads(frame)
    if read["type"] == "submission_update":
        return [{"event": read["event"], "data": read["data"]}]
    assert read["type"] == "submission_updates"
    return read["updates"]


class Broadcast:
    """A broadcaster with its fakes."""

    def __init__(self, *rows: Connection, threshold: int = THRESHOLD, **outcomes: Outcome) -> None:
        self.registered = Registered(list(rows))
        self.poster = Poster(outcomes)
        self.queue = Queue()
        accounting = Accounting(self.registered, Inline(), now_ms=lambda: NOW, monotonic=time.monotonic)
        self.broadcaster = Broadcaster(
            self.registered, self.poster, accounting, self.queue, threshold, now_ms=lambda: NOW
        )

    def tally(self, *records: dict[str, Any]) -> Tally:
        return self.broadcaster.broadcast(Batch.read(records).changes, NEVER)

    def send(self, *records: dict[str, Any]) -> Counter[Outcome]:
        tally = self.tally(*records)
        tally.raise_failures()
        return tally.outcomes

    def run_task(self, task: FanoutTask) -> Counter[Outcome]:
        tally = self.broadcaster.run_task(task, NEVER)
        tally.raise_failures()
        return tally.outcomes

    def sent(self) -> dict[str, list[str]]:
        """The frames that each connection took."""
        return {name: self.poster.to(name) for name, _ in self.poster.posted}

    def got(self, connection_id: str) -> list[Update]:
        """The updates that a connection was sent."""
        return [update for frame in self.poster.to(connection_id) for update in carried(frame)]
