"""Simulation of updates on their way through shards, batches, Lambdas, queue and quota.

The simulation takes the settings and the duration of each step from `arithmetic`. It does not use the formulas there
that combine the steps. The tests compare the results of the simulation with the results of the formulas. The simulation
has one tenant, and no other tenant uses the deployment.
"""

from __future__ import annotations

from collections.abc import Generator, Iterable, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import simpy

from .arithmetic import (
    INVOKE_SECONDS,
    PAGE_SECONDS,
    POLLS_PER_SECOND,
    QUEUE_SECONDS,
    REQUEST_BURST,
    SEND_SECONDS,
    STREAM_SHARDS,
    Deployment,
    client_requests_per_second,
    count_frames,
    counting_seconds,
)

SLICE_SECONDS: Final = 0.1
"""Duration of one group of posts. The simulation makes the posts of a Lambda in groups, not one by one."""
REFILL_SECONDS: Final = 0.05
"""Interval at which the simulation refills the request quota."""

Steps = Generator[simpy.Event, Any, None]


@dataclass
class Batch:
    """Updates that one invocation of the broadcast Lambda receives."""

    updates: Sequence[float]
    """Time at which each update arrived, in seconds of the simulation."""
    left: int
    """Number of connections that have not received the batch yet."""

    @property
    def frames(self) -> int:
        """Number of frames that hold the batch."""
        return count_frames(len(self.updates))


@dataclass(frozen=True)
class Message:
    """A fan-out task: a shard of the tenant to divide, or a span to post to."""

    batch: Batch
    shard: int
    span: int | None = None
    """Number of connections of the span, or None for a whole shard."""


@dataclass
class Simulation:
    """Simulation of the updates and connections of one tenant."""

    deployment: Deployment
    connections: int
    seed: int = 0
    took: list[float] = field(default_factory=list[float], init=False)
    """Seconds from the arrival of an update to its last post, for each update that all dashboards have received."""
    waiting: int = field(default=0, init=False)
    """Number of updates that at least one dashboard has not received yet."""

    def __post_init__(self) -> None:
        self._clock = simpy.Environment()
        self._random = Random(self.seed)  # noqa: S311 - not used for secrets
        self._shards: list[list[float]] = [[] for _ in range(STREAM_SHARDS)]
        self._queue = simpy.Store(self._clock)
        self._quota = simpy.Container(self._clock, capacity=REQUEST_BURST, init=REQUEST_BURST)

    def run(self, updates: Sequence[float], until: float | None = None) -> list[float]:
        """Simulate updates and return `took`, the seconds that each update needed.

        Args:
            updates: Time at which each update arrives, in seconds.
            until: Time at which the simulation ends. Default: when every dashboard has every update.
        """
        self.waiting = len(updates)
        self._all_arrived = self._clock.event()
        self._clock.process(self._refill())
        self._clock.process(self._arrive(updates))
        for shard in self._shards:
            self._clock.process(self._pipe(shard))
        for _ in range(self.deployment.fanout_concurrency):
            self._clock.process(self._fan_out())
        self._clock.run(until=self._all_arrived if until is None else until)
        return self.took

    def _arrive(self, updates: Sequence[float]) -> Steps:
        for at in updates:
            yield self._clock.timeout(at - self._clock.now)
            self._random.choice(self._shards).append(at)

    def _refill(self) -> Steps:
        """Refill the account's request quota at regular intervals.

        The refill rate is the account's quota less the requests per second of clients.
        """
        rate = self.deployment.requests_per_second - client_requests_per_second(self.connections)
        while True:
            yield self._clock.timeout(REFILL_SECONDS)
            room = self._quota.capacity - self._quota.level
            if room > 0:
                yield self._quota.put(min(room, rate * REFILL_SECONDS))

    def _pipe(self, shard: list[float]) -> Steps:
        """Poll a shard of the stream at regular intervals and broadcast the updates in batches.

        The next batch starts after the previous batch has ended, because the pipe keeps the order within a shard.
        """
        between = 1 / POLLS_PER_SECOND
        first = self._random.uniform(0, between)
        while True:
            polls = int((self._clock.now - first) / between + 1e-9) + 1 if self._clock.now >= first else 0
            yield self._clock.timeout(first + polls * between - self._clock.now)
            if not shard:
                continue
            window = self.deployment.batching_window_seconds
            while window > 0 and len(shard) < self.deployment.batch_size:
                yield self._clock.timeout(min(between, window))
                window -= between
            taken, shard[:] = shard[: self.deployment.batch_size], shard[self.deployment.batch_size :]
            yield self._clock.process(self._broadcast(Batch(taken, self.connections)))

    def _broadcast(self, batch: Batch) -> Steps:
        yield self._clock.timeout(INVOKE_SECONDS + PAGE_SECONDS)
        if not self.deployment.is_divided(self.connections, batch.frames):
            yield from self._post(batch, self.connections)
            return
        yield from self._hand_over(Message(batch, shard) for shard in range(self.deployment.connection_shards))

    def _hand_over(self, messages: Iterable[Message]) -> Steps:
        """Send fan-out tasks one after another. While one is being delivered, the next one is sent."""
        for message in messages:
            yield self._clock.timeout(SEND_SECONDS)
            self._clock.process(self._deliver(message))

    def _deliver(self, message: Message) -> Steps:
        yield self._clock.timeout(QUEUE_SECONDS)
        yield self._queue.put(message)

    def _fan_out(self) -> Steps:
        """Simulate one fan-out Lambda. It processes one message after another."""
        while True:
            message: Message = yield self._queue.get()
            yield self._clock.timeout(INVOKE_SECONDS)
            if message.span is None:
                spans = yield from self._divide(message.shard, message.batch.frames)
                if len(spans) > 1:
                    yield from self._hand_over(Message(message.batch, message.shard, span) for span in spans)
                    continue
                span = spans[0]
            else:
                span = message.span
            yield self._clock.timeout(PAGE_SECONDS)
            yield from self._post(message.batch, span)

    def _divide(self, shard: int, frames: int) -> Generator[simpy.Event, Any, Sequence[int]]:
        """Count the connections of a shard of the tenant, and return the number of connections per span."""
        shards, size = self.deployment.connection_shards, self.deployment.span(frames)
        rows = self.connections // shards + (shard < self.connections % shards)
        yield self._clock.timeout(counting_seconds(rows, size))
        return [min(size, rows - start) for start in range(0, rows, size)] or [0]

    def _post(self, batch: Batch, connections: int) -> Steps:
        """Post a batch to a number of connections.

        The rate is the Lambda's share. If the account's quota is used up, the refill of the quota limits the rate.
        """
        left = connections * batch.frames
        while left > 0:
            posts = min(left, max(1, round(self.deployment.share * SLICE_SECONDS)))
            yield self._quota.get(posts)
            yield self._clock.timeout(posts / self.deployment.share)
            left -= posts
        batch.left -= connections
        if connections and batch.left == 0:
            self.took += [self._clock.now - at for at in batch.updates]
            self.waiting -= len(batch.updates)
            if not self.waiting:
                self._all_arrived.succeed()
