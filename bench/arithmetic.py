"""Formulas for the time until a frame reaches all connections of a tenant, and for the highest rates.

The settings and AWS's quotas limit the rates. A function or method that computes a quantity is named after the quantity
and its unit. The parameter `connections` is the number of connections of one tenant. The parameter `frames` is the
number of frames per batch.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil
from typing import Final

from components import _gateway_limits, _gateway_posting, realtime_pipe
from formbridge.wire import protocol

# Quotas and behaviour of AWS in us-east-1, in November 2026.
NEW_CONNECTIONS_PER_SECOND: Final = 500
REQUESTS_PER_SECOND: Final = 10_000
REQUEST_BURST: Final = 5_000
CONNECTION_SECONDS: Final = 2 * 3600
"""Longest duration of a connection. API Gateway closes the connection after this time."""
POLLS_PER_SECOND: Final = 4
"""Number of times per second that a pipe polls each shard of the stream."""
STREAM_SHARDS: Final = 4
"""Number of shards of the stream. A new on-demand table has four partitions, and the stream has one shard for each."""
STREAM_SHARD_WRITES: Final = 1_000
"""Highest number of writes per second to one partition, and therefore of stream records per second in its shard."""
PARTITION_READ_UNITS: Final = 3_000
"""Highest number of read units per second of one partition."""
READ_UNIT_BYTES: Final = 4_096
PAGE_BYTES: Final = 1 << 20

# Assumptions, which were not measured on AWS.
ROW_BYTES: Final = 250
"""Size of a row in the connections table, if the connection has no long subscription filter."""
PAGE_SECONDS: Final = 0.02
"""Time to query and read one page of the connections table."""
COUNT_SECONDS: Final = 0.01
"""Time that DynamoDB takes to count the rows of one page."""
INVOKE_SECONDS: Final = 0.01
"""Time to start an invocation of a warm Lambda."""
QUEUE_SECONDS: Final = 0.05
"""Time from sending a message to the fan-out queue to the start of the fan-out Lambda that receives the message."""
SEND_SECONDS: Final = 0.01
"""Time to send one message to the fan-out queue. A Lambda sends its messages one after another."""
UPDATE_BYTES: Final = 340
"""Size of one update in a frame."""
TOKEN_SECONDS: Final = 3_600
"""Interval at which each client sends a new token."""

ROWS_PER_PAGE: Final = PAGE_BYTES // ROW_BYTES
ROWS_PER_SECOND: Final = PARTITION_READ_UNITS * READ_UNIT_BYTES // ROW_BYTES
"""Highest number of rows per second that strongly consistent reads can read from one partition."""


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
        """Highest number of posts per second of one Lambda."""
        return _gateway_posting.divide_posts(self.posts_per_second, self.broadcast_concurrency, self.fanout_concurrency)

    def is_divided(self, connections: int, frames: int = 1) -> bool:
        """Return whether the broadcast Lambda divides a batch into fan-out tasks instead of posting it itself."""
        return connections * frames > self.fanout_threshold

    def pace(self, connections: int, frames: int = 1) -> float:
        """Return the posts per second that one Lambda makes.

        The result is the Lambda's share. If the requests of clients leave too little of the account's quota for all
        shares, the result is an equal part of what is left.
        """
        lambdas = self.fanout_concurrency if self.is_divided(connections, frames) else self.broadcast_concurrency
        left = self.requests_per_second - client_requests_per_second(connections)
        return min(self.share, left / lambdas)

    def rows(self, connections: int) -> int:
        """Return the number of connections in each shard of the tenant, rounded up."""
        return ceil(connections / self.connection_shards)

    def span(self, frames: int = 1) -> int:
        """Return the largest number of connections in one span."""
        return max(1, self.fanout_threshold // frames)

    def spans(self, connections: int, frames: int = 1) -> int:
        """Return the number of spans per shard of the tenant."""
        return ceil(self.rows(connections) / self.span(frames))

    def posts(self, connections: int, frames: int = 1) -> int:
        """Return the largest number of posts that one invocation makes for one batch."""
        if not self.is_divided(connections, frames):
            return connections * frames
        return min(self.rows(connections), self.span(frames)) * frames

    def posting_seconds(self, connections: int, frames: int = 1) -> float:
        """Return the time that one invocation takes to read the connections table and to make its posts.

        Only the first page of the table adds time. The invocation reads the other pages while it posts.
        """
        return PAGE_SECONDS + self.posts(connections, frames) / self.pace(connections, frames)

    def broadcast_seconds(self, connections: int, frames: int = 1) -> float:
        """Return the time that a broadcast Lambda takes for one batch.

        The Lambda posts every frame itself. If the batch is divided, the Lambda instead sends one fan-out task for each
        shard of the tenant.
        """
        if not self.is_divided(connections, frames):
            return INVOKE_SECONDS + self.posting_seconds(connections, frames)
        return INVOKE_SECONDS + PAGE_SECONDS + self.connection_shards * SEND_SECONDS

    def dividing_seconds(self, connections: int, frames: int = 1) -> float:
        """Return the time that a fan-out Lambda takes to divide one shard of the tenant into spans.

        If the shard has several spans, the result includes the time to send one fan-out task for each span.
        """
        spans = self.spans(connections, frames)
        sending = spans * SEND_SECONDS if spans > 1 else 0.0
        return INVOKE_SECONDS + counting_seconds(self.rows(connections), self.span(frames)) + sending

    def seconds_to_last(self, connections: int, frames: int = 1) -> float:
        """Return the time from an update until the last dashboard of its tenant has received the update.

        The formula assumes that there is no other load. If a shard has several spans, the formula also assumes that the
        fan-out tasks of all spans are sent before the first post.
        """
        waiting = self.batching_window_seconds or 1 / POLLS_PER_SECOND / 2
        broadcast = waiting + self.broadcast_seconds(connections, frames)
        if not self.is_divided(connections, frames):
            return broadcast
        spans, posting = self.spans(connections, frames), self.posting_seconds(connections, frames)
        dividing = QUEUE_SECONDS + self._rounds(self.connection_shards) * self.dividing_seconds(connections, frames)
        if spans == 1:  # the Lambda that divides the shard also posts to the only span
            return broadcast + dividing + self._rounds(self.connection_shards) * posting
        rounds = self._rounds(self.connection_shards * spans)
        return broadcast + dividing + QUEUE_SECONDS + rounds * (INVOKE_SECONDS + posting)

    def _rounds(self, messages: int) -> int:
        """Return the number of rounds that the fan-out Lambdas need to process the messages.

        In one round, each fan-out Lambda processes at most one message.
        """
        return ceil(messages / self.fanout_concurrency)

    def batches_per_second(self, connections: int, frames: int = 1) -> float:
        """Return the highest number of batches per second that can be sent to all connections of a tenant."""
        # The pipe runs one batch per shard at a time. The first poll after the end of a batch takes the next batch.
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
        """Return the highest number of updates per second of one tenant that posts and stream allow.

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
            return 0  # the fan-out queue is not used; while the Lambda posts, new updates wait in the shard
        return STREAM_SHARDS / self.batches_per_second(connections, frames)


def reading_seconds(rows: int) -> float:
    """Return the time to read all rows of a partition.

    Two limits apply, and the slower one decides: the time per page, and the read units per second of the partition.
    """
    return max(ceil(rows / ROWS_PER_PAGE) * PAGE_SECONDS, rows / ROWS_PER_SECOND)


def counting_seconds(rows: int, size: int) -> float:
    """Return the time to divide the rows of a partition into spans of `size` rows.

    DynamoDB counts the rows page by page. It uses eventually consistent reads, which take half of the read units.
    """
    pages = ceil(rows / size) * ceil(min(rows, size) / ROWS_PER_PAGE)
    return max(pages * COUNT_SECONDS, rows / ROWS_PER_SECOND / 2)


def count_frames(updates: int) -> int:
    """Return the number of frames that are needed for a number of updates."""
    return ceil(updates / ((protocol.MAX_UPDATE_FRAME_BYTES - protocol.UPDATE_FRAME_ENVELOPE_BYTES) // UPDATE_BYTES))


def client_requests_per_second(connections: int) -> float:
    """Return the requests per second of clients.

    These requests use the same account quota as the posts. Each client sends heartbeats and new tokens. Every two
    hours, each client also disconnects, connects again and subscribes.
    """
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / TOKEN_SECONDS + 3 / CONNECTION_SECONDS)


def messages_per_second(connections: int) -> float:
    """Return the messages per second that clients send to the busiest route: heartbeats and subscriptions."""
    return connections * (1 / protocol.HEARTBEAT_SECONDS + 1 / CONNECTION_SECONDS)
