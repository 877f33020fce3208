"""How fast a frame reaches all of a tenant's connections, and how many a second fit: what the quotas come to."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from components import _gateway_limits, _gateway_posting, realtime_pipe
from formbridge.wire import protocol

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
SEND_SECONDS: Final = 0.01
"""To put a message on the queue; a Lambda sends one after another."""
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

    posts_per_second: int = _gateway_posting.DEFAULT_POSTS_PER_SECOND
    broadcast_concurrency: int = _gateway_posting.DEFAULT_BROADCAST_CONCURRENCY
    fanout_concurrency: int = _gateway_posting.DEFAULT_FANOUT_CONCURRENCY
    fanout_threshold: int = _gateway_posting.DEFAULT_FANOUT_THRESHOLD
    connection_shards: int = _gateway_posting.DEFAULT_CONNECTION_SHARDS
    batch_size: int = realtime_pipe.DEFAULT_BATCH_SIZE
    batching_window_seconds: float = realtime_pipe.DEFAULT_BATCHING_WINDOW_SECONDS
    requests_per_second: int = REQUESTS_PER_SECOND
    max_connections_per_tenant: int = _gateway_limits.DEFAULT_MAX_CONNECTIONS_PER_TENANT
    rate_limit: int = _gateway_limits.DEFAULT_RATE_LIMIT
    burst_limit: int = _gateway_limits.DEFAULT_BURST_LIMIT

    @property
    def share(self) -> int:
        """How many posts a second one Lambda makes."""
        return _gateway_posting.divide_posts(self.posts_per_second, self.broadcast_concurrency, self.fanout_concurrency)

    def is_divided(self, connections: int, frames: int = 1) -> bool:
        """Whether so many frames for a tenant of so many go through the queue."""
        return connections * frames > self.fanout_threshold

    def pace(self, connections: int, frames: int = 1) -> float:
        """How many posts a second one Lambda makes where its share of what clients leave of the quota is less."""
        lambdas = self.fanout_concurrency if self.is_divided(connections, frames) else self.broadcast_concurrency
        left = self.requests_per_second - client_requests_per_second(connections)
        return min(self.share, left / lambdas)

    def rows(self, connections: int) -> int:
        """In each of the tenant's shards."""
        return ceil(connections / self.connection_shards)

    def span(self, frames: int = 1) -> int:
        """After how many connections a shard is cut."""
        return max(1, self.fanout_threshold // frames)

    def spans(self, connections: int, frames: int = 1) -> int:
        """Into how many parts each shard is cut."""
        return ceil(self.rows(connections) / self.span(frames))

    def posts(self, connections: int, frames: int = 1) -> int:
        """The most of one invocation."""
        if not self.is_divided(connections, frames):
            return connections * frames
        return min(self.rows(connections), self.span(frames)) * frames

    def posting_seconds(self, connections: int, frames: int = 1) -> float:
        """Of one invocation; it reads on while it posts, so that only the first page takes longer."""
        return PAGE_SECONDS + self.posts(connections, frames) / self.pace(connections, frames)

    def broadcast_seconds(self, connections: int, frames: int = 1) -> float:
        """One broadcast Lambda's time for a batch, until all have it or all is handed over."""
        if not self.is_divided(connections, frames):
            return INVOKE_SECONDS + self.posting_seconds(connections, frames)
        return INVOKE_SECONDS + PAGE_SECONDS + self.connection_shards * SEND_SECONDS

    def dividing_seconds(self, connections: int, frames: int = 1) -> float:
        """One fan-out Lambda's time to find a shard's spans, and where there are several, to hand them over."""
        spans = self.spans(connections, frames)
        sending = spans * SEND_SECONDS if spans > 1 else 0.0
        return INVOKE_SECONDS + counting_seconds(self.rows(connections), self.span(frames)) + sending

    def seconds_to_last(self, connections: int, frames: int = 1) -> float:
        """From an update, when nothing else is under way, until the last dashboard of its tenant has it.

        As if the first span waited until the last is handed over.
        """
        waiting = self.batching_window_seconds or 1 / POLLS_PER_SECOND / 2
        broadcast = waiting + self.broadcast_seconds(connections, frames)
        if not self.is_divided(connections, frames):
            return broadcast
        spans, posting = self.spans(connections, frames), self.posting_seconds(connections, frames)
        dividing = QUEUE_SECONDS + self._rounds(self.connection_shards) * self.dividing_seconds(connections, frames)
        if spans == 1:  # and the Lambda that finds that goes on with it
            return broadcast + dividing + self._rounds(self.connection_shards) * posting
        rounds = self._rounds(self.connection_shards * spans)
        return broadcast + dividing + QUEUE_SECONDS + rounds * (INVOKE_SECONDS + posting)

    def _rounds(self, messages: int) -> int:
        """In how many the fan-out Lambdas work off so many."""
        return ceil(messages / self.fanout_concurrency)

    def batches_per_second(self, connections: int, frames: int = 1) -> float:
        """How many batches a second, each of so many frames, reach all of a tenant's connections at most."""
        # A shard's next batch is taken by the first poll after the last one has ended.
        polls = ceil(self.broadcast_seconds(connections, frames) * POLLS_PER_SECOND)
        taken = STREAM_SHARDS / max(self.batching_window_seconds, polls / POLLS_PER_SECOND)
        if not self.is_divided(connections, frames):
            return taken
        spans = self.spans(connections, frames)
        busy = self.dividing_seconds(connections, frames) + spans * PAGE_SECONDS
        busy += spans * INVOKE_SECONDS if spans > 1 else 0.0
        busy += self.rows(connections) * frames / self.pace(connections, frames)
        return min(taken, self.fanout_concurrency / (self.connection_shards * busy))

    def updates_per_second(self, connections: int, batch: int) -> float:
        """How many updates a second of one tenant fit, in batches of so many, and no more than the stream takes."""
        fit = batch * self.batches_per_second(connections, frames_of(batch))
        return min(fit, STREAM_SHARDS * STREAM_SHARD_WRITES)

    def window_needed(self, connections: int, frames: int = 1) -> float:
        """The batching window with which the queue does not grow, as long as no batch has more frames; 0: none is
        needed."""
        if not self.is_divided(connections, frames):
            return 0  # while a Lambda posts, its shard waits, and the batch grows
        return STREAM_SHARDS / self.batches_per_second(connections, frames)


def reading_seconds(rows: int) -> float:
    """To read a partition from end to end: page by page, and no faster than it gives them up."""
    return max(ceil(rows / ROWS_A_PAGE) * PAGE_SECONDS, rows / ROWS_PER_SECOND)


def counting_seconds(rows: int, size: int) -> float:
    """To find where a partition's rows are cut into so many each: counted page by page, and not read consistently."""
    pages = ceil(rows / size) * ceil(min(rows, size) / ROWS_A_PAGE)
    return max(pages * COUNT_SECONDS, rows / ROWS_PER_SECOND / 2)


def frames_of(updates: int) -> int:
    """How many frames hold so many updates."""
    return ceil(updates / ((protocol.MAX_UPDATE_FRAME_BYTES - protocol.UPDATE_FRAME_ENVELOPE_BYTES) // UPDATE_BYTES))


def client_requests_per_second(connections: int) -> float:
    """What clients ask of the same quota: pings, new tokens, and every two hours connect, disconnect and subscribe."""
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / TOKEN_SECONDS + 3 / CONNECTION_SECONDS)


def messages_per_second(connections: int) -> float:
    """What clients send to the busiest route, which is that of pings and subscriptions."""
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / CONNECTION_SECONDS)
