"""How fast a frame reaches all of a tenant's connections, and how many a second fit: what the quotas come to."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from components import _posting, realtime_pipe
from formbridge import protocol

# Quotas and behaviour of AWS, us-east-1, November 2026.
NEW_CONNECTIONS_PER_SECOND: Final = 500
REQUESTS_PER_SECOND: Final = 10_000
REQUEST_BURST: Final = 5_000
CONNECTION_SECONDS: Final = 2 * 3600
"""API Gateway closes a connection after that time."""
POLLS_PER_SECOND: Final = 4
"""Of each shard of the stream, by a pipe."""
STREAM_SHARDS: Final = 4
"""A new on-demand table has four partitions, each with a shard."""
STREAM_SHARD_WRITES: Final = 1_000
"""A second, of a partition and so of its shard."""
PARTITION_READ_UNITS: Final = 3_000
READ_UNIT_BYTES: Final = 4_096
PAGE_BYTES: Final = 1 << 20

# What is assumed, and not measured on AWS.
ROW_BYTES: Final = 250
"""Of a connection without a long filter."""
PAGE_SECONDS: Final = 0.02
"""To query a page of the connections table and to read it."""
COUNT_SECONDS: Final = 0.01
"""To have DynamoDB count a page's rows."""
INVOKE_SECONDS: Final = 0.01
"""To begin an invocation of a warm Lambda."""
QUEUE_SECONDS: Final = 0.05
"""From a message's being sent to its Lambda's being invoked."""
UPDATE_BYTES: Final = 340
"""Of an update in a frame."""
TOKEN_SECONDS: Final = 3_600
"""After which a client brings a new token."""

ROWS_A_PAGE: Final = PAGE_BYTES // ROW_BYTES
ROWS_PER_SECOND: Final = PARTITION_READ_UNITS * READ_UNIT_BYTES // ROW_BYTES
"""That one partition gives up, read consistently."""


@dataclass(frozen=True)
class Deployment:
    """The settings and quotas on which it depends how fast a frame reaches all."""

    posts_per_second: int = _posting.DEFAULT_POSTS_PER_SECOND
    broadcast_concurrency: int = _posting.DEFAULT_BROADCAST_CONCURRENCY
    fanout_concurrency: int = _posting.DEFAULT_FANOUT_CONCURRENCY
    fanout_threshold: int = _posting.DEFAULT_FANOUT_THRESHOLD
    connection_shards: int = _posting.DEFAULT_CONNECTION_SHARDS
    batch_size: int = realtime_pipe.DEFAULT_BATCH_SIZE
    batching_window_seconds: float = realtime_pipe.DEFAULT_BATCHING_WINDOW_SECONDS
    requests_per_second: int = REQUESTS_PER_SECOND

    @property
    def share(self) -> int:
        """How many posts a second one Lambda makes."""
        return _posting.share(
            ("posts_per_second", self.posts_per_second),
            ("broadcast_concurrency", self.broadcast_concurrency),
            ("fanout_concurrency", self.fanout_concurrency),
        )

    def pace(self, connections: int) -> float:
        """How many it makes where its share of what clients leave of the quota is less."""
        lambdas = self.fanout_concurrency if self.is_divided(connections) else self.broadcast_concurrency
        left = self.requests_per_second - client_requests_per_second(connections)
        return min(self.share, left / lambdas)

    def is_divided(self, connections: int) -> bool:
        """Whether a tenant of so many goes through the queue."""
        return connections > self.fanout_threshold

    def rows(self, connections: int) -> int:
        """In each of the tenant's shards."""
        return ceil(connections / self.connection_shards)

    def spans(self, connections: int) -> int:
        """Into how many parts each shard is divided."""
        return ceil(self.rows(connections) / self.fanout_threshold)

    def part(self, connections: int) -> int:
        """How many connections one fan-out Lambda posts to."""
        return ceil(self.rows(connections) / self.spans(connections))

    def posting_seconds(self, connections: int, frames: int = 1) -> float:
        """One Lambda's time to post to all; it reads on while it posts, so that only the first page takes longer."""
        return INVOKE_SECONDS + PAGE_SECONDS + connections * frames / self.pace(connections)

    def dividing_seconds(self, connections: int) -> float:
        """One Lambda's time to find the spans of a shard."""
        return INVOKE_SECONDS + counting_seconds(self.rows(connections), self.fanout_threshold)

    def part_seconds(self, connections: int, frames: int = 1) -> float:
        """One Lambda's time for a span; the Lambda that finds a shard to be one span goes on with it."""
        posting = INVOKE_SECONDS + PAGE_SECONDS + self.part(connections) * frames / self.pace(connections)
        if self.spans(connections) > 1:
            return posting
        return posting + counting_seconds(self.rows(connections), self.fanout_threshold)

    def seconds_to_last(self, connections: int) -> float:
        """From an update, when nothing else is under way, until the last dashboard of its tenant has it."""
        waiting = self.batching_window_seconds or 1 / POLLS_PER_SECOND / 2
        if not self.is_divided(connections):
            return waiting + self.posting_seconds(connections)
        handing_over = INVOKE_SECONDS + PAGE_SECONDS + QUEUE_SECONDS
        dividing = 0.0
        if self.spans(connections) > 1:
            rounds = ceil(self.connection_shards / self.fanout_concurrency)
            dividing = rounds * self.dividing_seconds(connections) + QUEUE_SECONDS
        parts = self.connection_shards * self.spans(connections)
        rounds = ceil(parts / self.fanout_concurrency)
        return waiting + handing_over + dividing + rounds * self.part_seconds(connections)

    def batches_per_second(self, connections: int, frames: int = 1) -> float:
        """How many batches a second, each of so many frames, reach all of a tenant's connections at most."""
        polled = STREAM_SHARDS / max(self.batching_window_seconds, 1 / POLLS_PER_SECOND)
        if not self.is_divided(connections):
            # A shard's next batch is taken by the first poll after the last one has ended.
            polls = ceil(self.posting_seconds(connections, frames) * POLLS_PER_SECOND)
            return min(polled, STREAM_SHARDS * POLLS_PER_SECOND / polls)
        busy = self.spans(connections) * self.part_seconds(connections, frames)
        busy += self.dividing_seconds(connections) if self.spans(connections) > 1 else 0
        return min(polled, self.fanout_concurrency / (self.connection_shards * busy))

    def updates_per_second(self, connections: int, batch: int) -> float:
        """How many updates a second of one tenant fit, in batches of so many."""
        return batch * self.batches_per_second(connections, frames_of(batch))

    def window_needed(self, connections: int) -> float:
        """The batching window with which the queue does not grow, whatever comes; 0: none is needed."""
        if not self.is_divided(connections):
            return 0  # while a Lambda posts, its shard waits, and the batch grows
        return STREAM_SHARDS / self.batches_per_second(connections)


def reading_seconds(rows: int) -> float:
    """To read a partition from end to end: page by page, and no faster than it gives them up."""
    return max(ceil(rows / ROWS_A_PAGE) * PAGE_SECONDS, rows / ROWS_PER_SECOND)


def counting_seconds(rows: int, size: int) -> float:
    """To find where a partition's rows are cut into so many each: counted page by page, and not read consistently."""
    pages = ceil(rows / size) * ceil(min(rows, size) / ROWS_A_PAGE)
    return max(pages * COUNT_SECONDS, rows / ROWS_PER_SECOND / 2)


def frames_of(updates: int) -> int:
    """How many frames hold so many updates."""
    return ceil(updates / ((protocol.MAX_PUSH_BYTES - protocol.PUSH_ENVELOPE_BYTES) // UPDATE_BYTES))


def client_requests_per_second(connections: int) -> float:
    """What clients ask of the same quota: pings, new tokens, and every two hours connect, disconnect and subscribe."""
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / TOKEN_SECONDS + 3 / CONNECTION_SECONDS)
