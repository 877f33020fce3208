"""How a gateway posts to its connections: how fast, with how many Lambdas at once, and from when through the queue."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pulumi

from . import _checks

if TYPE_CHECKING:
    from ._gateway_inputs import WebSocketGatewayArgs

DEFAULT_POSTS_PER_SECOND = 9_000
"""API Gateway takes 10,000 requests a second of an account in a region, clients' messages and posts together.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
DEFAULT_BROADCAST_CONCURRENCY = 4
MIN_FANOUT_CONCURRENCY = 2
MAX_FANOUT_CONCURRENCY = 1_000
"""https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-scaling.html"""
DEFAULT_FANOUT_CONCURRENCY = 4
MIN_FANOUT_THRESHOLD = 100
"""What is handed over goes in messages of as many posts: below, a message and a Lambda's run take longer than its
posts do."""
DEFAULT_FANOUT_THRESHOLD = 5_000
DEFAULT_CONNECTION_SHARDS = 1
MAX_CONNECTION_SHARDS = 64
"""A broadcast hands over one message a shard, one after the other, before it goes on with its stream: with these it
takes about a second. They are also 64,000 writes a second."""
FAILURE_IDENTIFIERS = ("eventID", "SequenceNumber")


@dataclass(frozen=True)
class Posting:
    """How changes are posted."""

    posts_per_second: pulumi.Output[int]
    """Of one Lambda."""
    fanout_concurrency: pulumi.Output[int]
    fanout_threshold: pulumi.Output[int]
    connection_shards: pulumi.Output[int]
    failure_identifier: pulumi.Output[str]

    @classmethod
    def of(cls, args: "WebSocketGatewayArgs") -> "Posting":
        posts = args.get("posts_per_second", DEFAULT_POSTS_PER_SECOND)
        broadcasts = args.get("broadcast_concurrency", DEFAULT_BROADCAST_CONCURRENCY)
        fanouts = args.get("fanout_concurrency", DEFAULT_FANOUT_CONCURRENCY)
        fanout_concurrency = _checks.whole_number(
            "fanout_concurrency", fanouts, MIN_FANOUT_CONCURRENCY, MAX_FANOUT_CONCURRENCY
        )
        together = pulumi.Output.all(
            _checks.whole_number("posts_per_second", posts, 1),
            _checks.whole_number("broadcast_concurrency", broadcasts, 1),
            fanout_concurrency,
        )
        if _checks.is_known([posts, broadcasts, fanouts]):
            _share_of([posts, broadcasts, fanouts])  # at once
        return cls(
            posts_per_second=_checks.checked(together, _share_of),
            fanout_concurrency=fanout_concurrency,
            fanout_threshold=_checks.whole_number(
                "fanout_threshold", args.get("fanout_threshold", DEFAULT_FANOUT_THRESHOLD), MIN_FANOUT_THRESHOLD
            ),
            connection_shards=_checks.whole_number(
                "connection_shards",
                args.get("connection_shards", DEFAULT_CONNECTION_SHARDS),
                1,
                MAX_CONNECTION_SHARDS,
            ),
            failure_identifier=_checks.one_of(
                "failure_identifier", args.get("failure_identifier", FAILURE_IDENTIFIERS[0]), FAILURE_IDENTIFIERS
            ),
        )


def share(posts: tuple[str, int], broadcasts: tuple[str, int], fanouts: tuple[str, int]) -> int:
    """How many of the posts a second are one Lambda's, where all post that may at once. Each number has its field's
    name before it.

    Raises:
        ValueError: it is less than one.
    """
    lambdas = broadcasts[1] + fanouts[1] + 1
    if posts[1] < lambdas:
        those = f"{broadcasts[0]} {broadcasts[1]:,} + {fanouts[0]} {fanouts[1]:,} + 1 janitor"
        raise ValueError(f"{posts[0]}: must be one or more for each Lambda that posts ({those}), got {posts[1]}")
    return posts[1] // lambdas


def _share_of(known: Sequence[Any]) -> int:
    posts, broadcasts, fanouts = map(int, known)
    return share(("posts_per_second", posts), ("broadcast_concurrency", broadcasts), ("fanout_concurrency", fanouts))
