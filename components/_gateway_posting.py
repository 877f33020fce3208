"""Settings for the posts of a gateway: their rate, the concurrency of the Lambdas, and the fan-out."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict, cast

import pulumi

from . import _checks
from ._checks import FieldName, IntegerInput
from ._input_error import InputError

DEFAULT_POSTS_PER_SECOND = 9_000
"""Default of `posts_per_second`. API Gateway's default quota is 10,000 requests per second per account and region. The
default is lower, because the quota also covers the messages of clients.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
DEFAULT_BROADCAST_CONCURRENCY = 4
MIN_FANOUT_CONCURRENCY = 2
MAX_FANOUT_CONCURRENCY = 1_000
"""Maximum of `fanout_concurrency`. Lambda allows no higher concurrency for a queue.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
DEFAULT_FANOUT_CONCURRENCY = 4
MIN_FANOUT_THRESHOLD = 100
"""Minimum of `fanout_threshold`. To make fewer posts takes less time than to send a fan-out task and to start a Lambda
for it."""
DEFAULT_FANOUT_THRESHOLD = 5_000
DEFAULT_CONNECTION_SHARDS = 1
MAX_CONNECTION_SHARDS = 64
"""Maximum of `connection_shards`. 64 shards accept 64,000 writes per second.

If a tenant needs more posts than `fanout_threshold`, the broadcast Lambda sends one fan-out task per shard. It sends
them one after the other, before it continues with its batch. 64 tasks take about a second."""
FAILURE_IDENTIFIERS = ("eventID", "SequenceNumber")
JANITORS = 1


class GatewayPostingArgs(TypedDict):
    """The inputs that decide how a `WebSocketGateway` posts to its connections."""

    posts_per_second: NotRequired[IntegerInput]
    """Maximum number of posts per second to connections, for the broadcast Lambdas, the fan-out Lambdas and the janitor
    together. Each of these `broadcast_concurrency` + `fanout_concurrency` + 1 Lambdas gets an equal share. The share
    must be at least 1 post per second. The message and authenticate Lambdas post only to close the connections of
    clients that exceed their limits. Each of them may also use one share, in addition to the maximum. API Gateway's
    default quota is 10,000 requests per second per account and region. It covers the posts and the client messages of
    all APIs. Default: 9,000."""
    broadcast_concurrency: NotRequired[IntegerInput]
    """Number of broadcast Lambdas that run at the same time; 1 or more. It is the number of shards of the stream times
    the parallelization factor of the pipe. The gateway uses this number only to divide `posts_per_second`. It does not
    limit the concurrency. Default: 4."""
    fanout_concurrency: NotRequired[IntegerInput]
    """Maximum concurrency of the fan-out Lambda, 2 to 1,000: the range that Lambda allows for a queue. Default: 4."""
    fanout_threshold: NotRequired[IntegerInput]
    """Approximate maximum number of posts that the broadcast Lambda makes itself for one batch; 100 or more. Each
    connection of a tenant needs one post per frame. If a tenant needs more posts than the maximum, they are divided
    into fan-out tasks of about this size. Default: 5,000."""
    connection_shards: NotRequired[IntegerInput]
    """Number of shards of a tenant, 1 to 64. A shard is a partition of the connections table that holds a part of the
    tenant's connections. DynamoDB accepts 1,000 writes per second per shard. For a large tenant, a broadcast sends one
    or more fan-out tasks per shard. A new value applies to new connections. Existing connections keep their shard.
    Default: 1."""
    failure_identifier: NotRequired[pulumi.Input[str]]
    """The field of a stream record with which the broadcast Lambda identifies a failed record: `eventID`, which the
    documentation of EventBridge Pipes names, or `SequenceNumber`, which Lambda's event source mappings use. If the pipe
    expects the other field, it retries the whole batch. Some dashboards then get a change twice, but no dashboard
    misses a change. Default: `eventID`."""


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
        """Check the inputs. `field` returns the name that an error shows for an input.

        Raises:
            InputError: An input is unknown or not allowed, or the share of a Lambda is below 1 post per second.
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
        """Environment variables with which the authorizer chooses the shard of a new connection."""
        return {"CONNECTION_SHARDS": self.connection_shards.apply(str)}

    @property
    def posting_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of every Lambda that posts."""
        return {"POSTS_PER_SECOND": self.posts_per_lambda.apply(str)}

    @property
    def fanout_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables that broadcast and fan-out Lambdas need in addition to `posting_environment`."""
        return {"FANOUT_THRESHOLD": self.fanout_threshold.apply(str)}

    @property
    def broadcast_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables that the broadcast Lambda needs in addition to `fanout_environment`."""
        return {"FAILURE_IDENTIFIER": self.failure_identifier}


def divide_posts(
    posts_per_second: int, broadcast_concurrency: int, fanout_concurrency: int, field: FieldName = str
) -> int:
    """Return the share of one Lambda: `posts_per_second` divided by the number of Lambdas that share it.

    These Lambdas are the broadcast Lambdas, the fan-out Lambdas and the janitor. `field` returns the name that an error
    shows for an input.

    Raises:
        InputError: The share is below 1 post per second.
    """
    lambdas = broadcast_concurrency + fanout_concurrency + JANITORS
    if posts_per_second < lambdas:
        parts = (
            f"{field('broadcast_concurrency')} {broadcast_concurrency:,}"
            f" + {field('fanout_concurrency')} {fanout_concurrency:,} + 1 janitor"
        )
        raise InputError(
            field("posts_per_second"),
            f"must be at least 1 for each Lambda that posts ({parts}), got {posts_per_second}",
        )
    return posts_per_second // lambdas
