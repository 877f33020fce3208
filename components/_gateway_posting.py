"""Settings for the posts of a gateway: its rate, its concurrency and its fan-out queue."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import pulumi

from . import _checks
from ._checks import FieldName, IntegerInput

DEFAULT_POSTS_PER_SECOND = 9_000
"""Less than API Gateway's default quota of 10,000 requests per second per account and region, which also counts the
messages of clients.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
DEFAULT_BROADCAST_CONCURRENCY = 4
MIN_FANOUT_CONCURRENCY = 2
MAX_FANOUT_CONCURRENCY = 1_000
"""Maximum concurrency that Lambda allows for a queue.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
DEFAULT_FANOUT_CONCURRENCY = 4
MIN_FANOUT_THRESHOLD = 100
"""Minimum of `fanout_threshold`. Fewer posts take less time than a message to the queue and the start of a Lambda."""
DEFAULT_FANOUT_THRESHOLD = 5_000
DEFAULT_CONNECTION_SHARDS = 1
MAX_CONNECTION_SHARDS = 64
"""A broadcast sends one message per shard, one after the other, before it continues with its batch. 64 messages take
about a second. 64 shards accept 64,000 writes per second."""
FAILURE_IDENTIFIERS = ("eventID", "SequenceNumber")
JANITORS = 1


class GatewayPostingArgs(TypedDict):
    """The inputs that decide how a `WebSocketGateway` posts to its connections."""

    posts_per_second: NotRequired[IntegerInput]
    """Posts per second to connections, of all Lambdas of the gateway together. It is divided equally among
    `broadcast_concurrency` + `fanout_concurrency` + 1 (the janitor) Lambdas, and must be at least that sum. The message
    and authenticate Lambdas post only to close clients that exceed their limits. Each of them may post at the same rate
    in addition. API Gateway's default quota is 10,000 requests per second per account and region, for these posts, all
    client messages and all APIs. Default: 9,000."""
    broadcast_concurrency: NotRequired[IntegerInput]
    """Broadcast Lambdas that run at once: the shards of the stream times the pipe's parallelization factor; 1 or more.
    It only divides `posts_per_second` and limits nothing itself. Default: 4."""
    fanout_concurrency: NotRequired[IntegerInput]
    """Maximum concurrency of the fan-out Lambda, 2 to 1,000, as Lambda allows for a queue. Default: 4."""
    fanout_threshold: NotRequired[IntegerInput]
    """Posts that one Lambda makes for one batch: connections times the frames of the batch. A larger broadcast is
    divided over the fan-out queue. 100 or more, because smaller parts take longer to send than to post.
    Default: 5,000."""
    connection_shards: NotRequired[IntegerInput]
    """Partitions of the connections table that hold the connections of one tenant, 1 to 64. DynamoDB accepts 1,000
    writes per second per partition, and a broadcast sends one message per shard. A new value applies to new
    connections; existing connections keep their partition. Default: 1."""
    failure_identifier: NotRequired[pulumi.Input[str]]
    """The identifier of a failed record that the broadcast Lambda returns: `eventID`, as EventBridge Pipes documents
    it, or `SequenceNumber`, as Lambda's event source mappings use it. If a pipe expects the other one, it retries the
    whole batch: some dashboards get a change twice, and none misses one. Default: `eventID`."""


@dataclass(frozen=True)
class GatewayPosting:
    """The checked inputs of `GatewayPostingArgs`, with defaults."""

    posts_per_lambda: pulumi.Output[int]
    """Posts per second of one Lambda."""
    fanout_concurrency: pulumi.Output[int]
    fanout_threshold: pulumi.Output[int]
    connection_shards: pulumi.Output[int]
    failure_identifier: pulumi.Output[str]

    @classmethod
    def check(cls, args: GatewayPostingArgs, field: FieldName) -> "GatewayPosting":
        """Check the inputs. `field` gives the name that an error shows for an input.

        Raises:
            ValueError: An input is unknown or not allowed, or `posts_per_second` leaves a Lambda less than 1.
        """
        _checks.check_fields(args, GatewayPostingArgs, field)
        given = cast("Mapping[str, Any]", args)

        def integer(name: str, default: int, minimum: int, maximum: int | None = None) -> pulumi.Output[int]:
            return _checks.integer(field(name), given.get(name, default), minimum, maximum)

        posts_per_second = integer("posts_per_second", DEFAULT_POSTS_PER_SECOND, 1)
        broadcast_concurrency = integer("broadcast_concurrency", DEFAULT_BROADCAST_CONCURRENCY, 1)
        fanout_concurrency = integer(
            "fanout_concurrency", DEFAULT_FANOUT_CONCURRENCY, MIN_FANOUT_CONCURRENCY, MAX_FANOUT_CONCURRENCY
        )

        def divide(known: Sequence[Any]) -> int:
            posts, broadcasts, fanouts = map(int, known)
            return divide_posts(posts, broadcasts, fanouts, field)

        plain = [
            given.get("posts_per_second", DEFAULT_POSTS_PER_SECOND),
            given.get("broadcast_concurrency", DEFAULT_BROADCAST_CONCURRENCY),
            given.get("fanout_concurrency", DEFAULT_FANOUT_CONCURRENCY),
        ]
        if _checks.is_known(plain):
            divide(plain)  # raises before any resource exists
        return cls(
            posts_per_lambda=_checks.check_input(
                pulumi.Output.all(posts_per_second, broadcast_concurrency, fanout_concurrency), divide
            ),
            fanout_concurrency=fanout_concurrency,
            fanout_threshold=integer("fanout_threshold", DEFAULT_FANOUT_THRESHOLD, MIN_FANOUT_THRESHOLD),
            connection_shards=integer("connection_shards", DEFAULT_CONNECTION_SHARDS, 1, MAX_CONNECTION_SHARDS),
            failure_identifier=_checks.one_of(
                field("failure_identifier"),
                args.get("failure_identifier", FAILURE_IDENTIFIERS[0]),
                FAILURE_IDENTIFIERS,
            ),
        )

    @property
    def authorize_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the authorizer, which chooses a new connection's shard."""
        return {"CONNECTION_SHARDS": self.connection_shards.apply(str)}

    @property
    def posting_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of every Lambda that posts."""
        return {"POSTS_PER_SECOND": self.posts_per_lambda.apply(str)}

    @property
    def fanout_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the Lambdas that send to the fan-out queue, besides `posting_environment`."""
        return {"FANOUT_THRESHOLD": self.fanout_threshold.apply(str)}

    @property
    def broadcast_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the broadcast Lambda, besides `fanout_environment`."""
        return {"FAILURE_IDENTIFIER": self.failure_identifier}


def divide_posts(
    posts_per_second: int, broadcast_concurrency: int, fanout_concurrency: int, field: FieldName = str
) -> int:
    """Return the posts per second of one Lambda if all Lambdas that may post at once do so.

    Raises:
        ValueError: The result is below 1. `field` gives the names that the error shows.
    """
    lambdas = broadcast_concurrency + fanout_concurrency + JANITORS
    if posts_per_second < lambdas:
        parts = (
            f"{field('broadcast_concurrency')} {broadcast_concurrency:,}"
            f" + {field('fanout_concurrency')} {fanout_concurrency:,} + 1 janitor"
        )
        raise ValueError(
            f"{field('posts_per_second')}: must be at least 1 for each Lambda that posts ({parts}), "
            f"got {posts_per_second}"
        )
    return posts_per_second // lambdas
