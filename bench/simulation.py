"""The way of updates through shards, batches, Lambdas, queue and quota, one event after another.

From `arithmetic` it has the settings and how long a single step takes, and none of the sums over them; each checks the
other. A tenant has the whole deployment to itself.
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
    counting_seconds,
    frames_of,
)

SLICE_SECONDS: Final = 0.1
"""A Lambda's posts are simulated so many at a time, and not one by one."""
REFILL_SECONDS: Final = 0.05

Steps = Generator[simpy.Event, Any, None]


@dataclass
class Batch:
    """What one invocation of the broadcast Lambda was given."""

    updates: Sequence[float]
    """When each came."""
    left: int
    """How many connections do not have it yet."""

    @property
    def frames(self) -> int:
        return frames_of(len(self.updates))


@dataclass(frozen=True)
class Message:
    """On the fan-out queue: a shard, or a span of one."""

    batch: Batch
    shard: int
    span: int | None = None
    """How many connections."""


@dataclass
class Simulation:
    """One tenant's updates and connections."""

    deployment: Deployment
    connections: int
    seed: int = 0
    took: list[float] = field(default_factory=list[float], init=False)
    """Of each update that has arrived everywhere: from when it came until the last dashboard had it."""
    waiting: int = field(default=0, init=False)
    """Updates that have not."""

    def __post_init__(self) -> None:
        self._clock = simpy.Environment()
        self._random = Random(self.seed)  # noqa: S311 - chance, and not a secret
        self._shards: list[list[float]] = [[] for _ in range(STREAM_SHARDS)]
        self._queue = simpy.Store(self._clock)
        self._quota = simpy.Container(self._clock, capacity=REQUEST_BURST, init=REQUEST_BURST)

    def run(self, updates: Sequence[float], until: float | None = None) -> list[float]:
        """Let updates come at these times, to the end of all or for so many seconds; what each took."""
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
        """The account's quota of requests, less what clients take of it."""
        rate = self.deployment.requests_per_second - client_requests_per_second(self.connections)
        while True:
            yield self._clock.timeout(REFILL_SECONDS)
            room = self._quota.capacity - self._quota.level
            if room > 0:
                yield self._quota.put(min(room, rate * REFILL_SECONDS))

    def _pipe(self, shard: list[float]) -> Steps:
        """Polls at its own moments; one batch at a time, since a shard's order is kept."""
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
        """Each is on its way while the next is sent."""
        for message in messages:
            yield self._clock.timeout(SEND_SECONDS)
            self._clock.process(self._deliver(message))

    def _deliver(self, message: Message) -> Steps:
        yield self._clock.timeout(QUEUE_SECONDS)
        yield self._queue.put(message)

    def _fan_out(self) -> Steps:
        """One of the Lambdas on the queue, and the invocations that it gets one after another."""
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
        """Count a shard, and say how many connections are in each of its spans; the last has what is left."""
        shards, size = self.deployment.connection_shards, self.deployment.span(frames)
        rows = self.connections // shards + (shard < self.connections % shards)
        yield self._clock.timeout(counting_seconds(rows, size))
        return [min(size, rows - start) for start in range(0, rows, size)] or [0]

    def _post(self, batch: Batch, connections: int) -> Steps:
        """At the Lambda's own pace, and where the account's quota is used up, at that."""
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
