"""Model of a tenant's fan-out: the time until a frame reaches every connection, and the rates that the quotas allow.

Functions and methods that compute a quantity are named after the quantity and its unit. The parameter `connections` is
the number of connections of one tenant, and `frames` the number of frames per batch.
"""

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
"""API Gateway closes a connection after this time."""
POLLS_PER_SECOND: Final = 4
"""Number of times per second that a pipe polls each shard of the stream."""
STREAM_SHARDS: Final = 4
"""A new on-demand table has four partitions, each with one shard."""
STREAM_SHARD_WRITES: Final = 1_000
"""Writes per second to one partition, and so to its shard."""
PARTITION_READ_UNITS: Final = 3_000
"""Read units per second of one partition."""
READ_UNIT_BYTES: Final = 4_096
PAGE_BYTES: Final = 1 << 20

# Assumptions, which were not measured on AWS.
ROW_BYTES: Final = 250
"""Size of a connection's row without a long filter."""
PAGE_SECONDS: Final = 0.02
"""Time to query and read one page of the connections table."""
COUNT_SECONDS: Final = 0.01
"""Time in which DynamoDB counts the rows of one page."""
INVOKE_SECONDS: Final = 0.01
"""Time to start an invocation of a warm Lambda."""
QUEUE_SECONDS: Final = 0.05
"""Time from sending a message to the fan-out queue until Lambda invokes the fan-out Lambda with it."""
SEND_SECONDS: Final = 0.01
"""Time to send one message to the fan-out queue. A Lambda sends its messages one after another."""
UPDATE_BYTES: Final = 340
"""Size of one update in a frame."""
TOKEN_SECONDS: Final = 3_600
"""Time after which a client sends a new token."""

ROWS_PER_PAGE: Final = PAGE_BYTES // ROW_BYTES
ROWS_PER_SECOND: Final = PARTITION_READ_UNITS * READ_UNIT_BYTES // ROW_BYTES
"""Rows per second that consistent reads can get from one partition."""


@dataclass(frozen=True)
class Deployment:
    """The settings and quotas that decide how fast a frame reaches every connection."""

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
        """Posts per second of one Lambda."""
        return _gateway_posting.divide_posts(self.posts_per_second, self.broadcast_concurrency, self.fanout_concurrency)

    def is_divided(self, connections: int, frames: int = 1) -> bool:
        """Return whether the batch goes through the fan-out queue."""
        return connections * frames > self.fanout_threshold

    def pace(self, connections: int, frames: int = 1) -> float:
        """Return the posts per second of one Lambda: its share, or less if clients use too much of the quota."""
        lambdas = self.fanout_concurrency if self.is_divided(connections, frames) else self.broadcast_concurrency
        left = self.requests_per_second - client_requests_per_second(connections)
        return min(self.share, left / lambdas)

    def rows(self, connections: int) -> int:
        """Return the number of rows in each shard of the tenant."""
        return ceil(connections / self.connection_shards)

    def span(self, frames: int = 1) -> int:
        """Return the number of connections per span of a shard."""
        return max(1, self.fanout_threshold // frames)

    def spans(self, connections: int, frames: int = 1) -> int:
        """Return the number of spans per shard."""
        return ceil(self.rows(connections) / self.span(frames))

    def posts(self, connections: int, frames: int = 1) -> int:
        """Return the largest number of posts of one invocation."""
        if not self.is_divided(connections, frames):
            return connections * frames
        return min(self.rows(connections), self.span(frames)) * frames

    def posting_seconds(self, connections: int, frames: int = 1) -> float:
        """Return the duration of one invocation's posts.

        The invocation reads the table while it posts, so only the first page adds time.
        """
        return PAGE_SECONDS + self.posts(connections, frames) / self.pace(connections, frames)

    def broadcast_seconds(self, connections: int, frames: int = 1) -> float:
        """Return the time that a broadcast Lambda takes for one batch.

        The Lambda posts every frame itself, or sends one fan-out task per shard of the tenant.
        """
        if not self.is_divided(connections, frames):
            return INVOKE_SECONDS + self.posting_seconds(connections, frames)
        return INVOKE_SECONDS + PAGE_SECONDS + self.connection_shards * SEND_SECONDS

    def dividing_seconds(self, connections: int, frames: int = 1) -> float:
        """Return the time of a fan-out Lambda to divide a shard, and to send fan-out tasks for several spans."""
        spans = self.spans(connections, frames)
        sending = spans * SEND_SECONDS if spans > 1 else 0.0
        return INVOKE_SECONDS + counting_seconds(self.rows(connections), self.span(frames)) + sending

    def seconds_to_last(self, connections: int, frames: int = 1) -> float:
        """Return the time from an update until the last dashboard of its tenant has it, with no other load.

        The model assumes that no span starts before the fan-out tasks for all spans are sent.
        """
        waiting = self.batching_window_seconds or 1 / POLLS_PER_SECOND / 2
        broadcast = waiting + self.broadcast_seconds(connections, frames)
        if not self.is_divided(connections, frames):
            return broadcast
        spans, posting = self.spans(connections, frames), self.posting_seconds(connections, frames)
        dividing = QUEUE_SECONDS + self._rounds(self.connection_shards) * self.dividing_seconds(connections, frames)
        if spans == 1:  # the Lambda that divides the shard posts the only span itself
            return broadcast + dividing + self._rounds(self.connection_shards) * posting
        rounds = self._rounds(self.connection_shards * spans)
        return broadcast + dividing + QUEUE_SECONDS + rounds * (INVOKE_SECONDS + posting)

    def _rounds(self, messages: int) -> int:
        """Return the number of rounds in which the fan-out Lambdas process the messages."""
        return ceil(messages / self.fanout_concurrency)

    def batches_per_second(self, connections: int, frames: int = 1) -> float:
        """Return the highest number of batches per second that reach every connection of a tenant."""
        # The first poll after the end of a batch takes the next batch of the shard.
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
        """Return the highest number of updates per second of one tenant, limited by the posts and by the stream.

        Args:
            connections: The number of connections of the tenant.
            batch: The number of updates per batch.
        """
        fit = batch * self.batches_per_second(connections, count_frames(batch))
        return min(fit, STREAM_SHARDS * STREAM_SHARD_WRITES)

    def window_needed(self, connections: int, frames: int = 1) -> float:
        """Return the shortest batching window, in seconds, with which the fan-out queue does not grow.

        The result is 0 if no window is needed.
        The result is valid only if no batch has more than `frames` frames.
        """
        if not self.is_divided(connections, frames):
            return 0  # while a Lambda posts, its shard waits and the next batch grows
        return STREAM_SHARDS / self.batches_per_second(connections, frames)


def reading_seconds(rows: int) -> float:
    """Return the time to read all rows of a partition.

    The limit is either the time per page or the read units of the partition.
    """
    return max(ceil(rows / ROWS_PER_PAGE) * PAGE_SECONDS, rows / ROWS_PER_SECOND)


def counting_seconds(rows: int, size: int) -> float:
    """Return the time to divide the rows of a partition into spans of `size` rows.

    DynamoDB counts the rows page by page, with eventually consistent reads.
    """
    pages = ceil(rows / size) * ceil(min(rows, size) / ROWS_PER_PAGE)
    return max(pages * COUNT_SECONDS, rows / ROWS_PER_SECOND / 2)


def count_frames(updates: int) -> int:
    """Return the number of frames that hold the updates."""
    return ceil(updates / ((protocol.MAX_UPDATE_FRAME_BYTES - protocol.UPDATE_FRAME_ENVELOPE_BYTES) // UPDATE_BYTES))


def client_requests_per_second(connections: int) -> float:
    """Return the requests of clients that count against the quota of the posts.

    Clients send heartbeats and new tokens, and every two hours they connect, disconnect and subscribe.
    """
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / TOKEN_SECONDS + 3 / CONNECTION_SECONDS)


def messages_per_second(connections: int) -> float:
    """Return the messages per second that clients send to the busiest route: heartbeats and subscriptions."""
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / CONNECTION_SECONDS)
