"""What a `WebSocketGateway` takes: its inputs, their defaults and their checks."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi

from . import _checks, _urls
from ._checks import WholeNumber
from ._function import DEFAULT_LOG_RETENTION_DAYS
from ._oidc import DEFAULT_TENANT_CLAIM, jwks_url_of
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._posting import Posting
from ._tags import Tags

DEFAULT_RATE_LIMIT = 1_000
DEFAULT_BURST_LIMIT = 2_000
MAX_CONNECTION_SECONDS = 2 * 3600
"""API Gateway closes a WebSocket after two hours.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
DEFAULT_CONNECTION_TTL_SECONDS = MAX_CONNECTION_SECONDS + 600

MAX_ORIGINS_LENGTH = 2_000
"""The environment of a Lambda has 4 KB in all.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

DEFAULT_MAX_CONNECTIONS_PER_TENANT = 5_000
MAX_MESSAGES_PER_SECOND = 1_000
DEFAULT_MESSAGES_PER_SECOND = 10
MAX_MESSAGE_BURST = 10_000
DEFAULT_MESSAGE_BURST = 20
MAX_FILTER_LENGTH = 4_096
"""As `formbridge.v1` has it."""
MIN_FRAME_BYTES = 1_024
MAX_FRAME_BYTES = 128 * 1024
"""API Gateway takes no longer message, by the page above; it bills each begun 32 KB of one."""
DEFAULT_MAX_FRAME_BYTES = 32 * 1024


class WebSocketGatewayArgs(TypedDict):
    """What a `WebSocketGateway` takes."""

    issuer: pulumi.Input[str]
    """Who signs the tokens: an OIDC issuer's https URL, as it stands in `iss`."""
    audience: pulumi.Input[str]
    """What `aud` of a token must be."""
    table_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the table that snapshots and resumes read, a `StreamTable`. Default: none. What is posted is then all
    that a client gets: a snapshot is empty, and a cursor is too old to resume from."""
    jwks_url: NotRequired[pulumi.Input[str] | None]
    """Where the issuer publishes its keys. Default: `{issuer}/.well-known/jwks.json`."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The claim that holds the tenant's id, or a list of them. Default: `custom:tenant_id`."""
    allowed_origins: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """The pages (`scheme://host[:port]`: no path, lower case, no default port) that may connect from a browser, at most
    2,000 characters in all. Default: every page that holds a token."""
    token_in_query: NotRequired[pulumi.Input[bool]]
    """Whether `?token=…` is taken at connect, for a client that can send its token in no header. A query ends in the
    logs of proxies and in browsers' histories, and whoever reads these has the token. Default: false."""
    max_connections_per_tenant: NotRequired[WholeNumber]
    """Connections that a tenant may have at a time; at least 1. Default: 5,000."""
    messages_per_second: NotRequired[WholeNumber]
    """Messages a second that one connection may send for long, from 1 to 1,000: what its token bucket is filled with.
    Default: 10."""
    message_burst: NotRequired[WholeNumber]
    """Messages that one connection may send at once, from 1 to 10,000: what its token bucket holds. Default: 20."""
    max_filter_length: NotRequired[WholeNumber]
    """Characters of a subscription's filter, as JSON; from 1 to 4,096. Default: 4,096."""
    max_frame_bytes: NotRequired[WholeNumber]
    """Bytes of a client's frame, from 1,024 to 131,072, the most that API Gateway takes. Default: 32,768, which it
    bills as one message."""
    connection_ttl_seconds: NotRequired[WholeNumber]
    """Seconds after which the row of a connection expires; at least 7,200, as API Gateway keeps a connection for two
    hours. Default: 7,800."""
    posts_per_second: NotRequired[WholeNumber]
    """Posts a second to connections, of all Lambdas of the gateway together, at least one for each that may run at
    once. Each gets an equal share: this, divided by `broadcast_concurrency` + `fanout_concurrency` + 1, the janitor.
    The message and authenticate Lambdas, which close flooding clients, have the same share each and are not counted
    in. API Gateway's quota for an account and region is 10,000 requests a second unless it was raised, which these
    posts share with every message and every API there. Default: 9,000."""
    broadcast_concurrency: NotRequired[WholeNumber]
    """Broadcast Lambdas that run at once: the shards of the stream, times the pipe's parallelization factor; at least
    1. It divides `posts_per_second`, and limits nothing itself. Default: 4."""
    fanout_concurrency: NotRequired[WholeNumber]
    """Fan-out Lambdas that may run at once, from 2 to 1,000, as Lambda limits them for a queue. Default: 4."""
    fanout_threshold: NotRequired[WholeNumber]
    """Posts that one Lambda makes for one batch: connections, times the frames that the batch takes. What would be more
    goes over the fan-out queue. At least 100, since handing over fewer takes longer than posting them.
    Default: 5,000."""
    connection_shards: NotRequired[WholeNumber]
    """Partitions of the connections table over which the connections of a tenant are spread: DynamoDB takes 1,000
    writes a second to one. From 1 to 64, since a broadcast hands over one message a shard before it goes on. Another
    number is for connections to come; those that are there stay where they are. Default: 1."""
    failure_identifier: NotRequired[pulumi.Input[str]]
    """What the broadcast Lambda names a record by that it fails on: its `eventID`, as EventBridge Pipes documents it,
    or its `SequenceNumber`, as Lambda's own event source mappings want it. Where a pipe wants the other, it sends the
    whole batch again: some dashboards get a change twice, and none loses one. Default: `eventID`."""
    rate_limit: NotRequired[WholeNumber]
    """Messages a second to each route, over all connections; at least 1. The account's quota for a region is 10,000
    unless it was raised. Default: 1,000."""
    burst_limit: NotRequired[WholeNumber]
    """Messages at once to each route, over all connections; at least 1. The account's quota is 5,000.
    Default: 2,000."""
    log_retention_days: NotRequired[WholeNumber]
    """Days that CloudWatch keeps the logs; a number that CloudWatch knows, such as 14, 30, 90 or 365. Default: 14."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that hears of the first work of the fan-out queue that failed ten times. Default: none,
    the alarm only shows."""
    package_for: NotRequired[str]
    """The machine that runs the Lambdas: `lambda`, or `host` for an emulator on this one. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


@dataclass(frozen=True)
class Tokens:
    """Which tokens are taken."""

    issuer: pulumi.Output[str]
    audience: pulumi.Output[str]
    jwks_url: pulumi.Output[str]
    tenant_claim: pulumi.Output[str]

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "Tokens":
        issuer = _urls.https_url("issuer", args["issuer"])
        jwks_url = _checks.optional(_urls.jwks_url, "jwks_url", args.get("jwks_url"))
        return cls(
            issuer=issuer,
            audience=_checks.text("audience", args["audience"]),
            jwks_url=jwks_url if jwks_url is not None else jwks_url_of(issuer),
            tenant_claim=_checks.text("tenant_claim", args.get("tenant_claim", DEFAULT_TENANT_CLAIM)),
        )

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """As the Lambdas that verify tokens read it."""
        return {
            "ISSUER": self.issuer,
            "AUDIENCE": self.audience,
            "JWKS_URL": self.jwks_url,
            "TENANT_CLAIM": self.tenant_claim,
        }


@dataclass(frozen=True)
class Limits:
    """What one connection may send."""

    messages_per_second: pulumi.Output[int]
    message_burst: pulumi.Output[int]
    max_filter_length: pulumi.Output[int]
    max_frame_bytes: pulumi.Output[int]

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "Limits":
        return cls(
            messages_per_second=_checks.whole_number(
                "messages_per_second",
                args.get("messages_per_second", DEFAULT_MESSAGES_PER_SECOND),
                1,
                MAX_MESSAGES_PER_SECOND,
            ),
            message_burst=_checks.whole_number(
                "message_burst", args.get("message_burst", DEFAULT_MESSAGE_BURST), 1, MAX_MESSAGE_BURST
            ),
            max_filter_length=_checks.whole_number(
                "max_filter_length", args.get("max_filter_length", MAX_FILTER_LENGTH), 1, MAX_FILTER_LENGTH
            ),
            max_frame_bytes=_checks.whole_number(
                "max_frame_bytes",
                args.get("max_frame_bytes", DEFAULT_MAX_FRAME_BYTES),
                MIN_FRAME_BYTES,
                MAX_FRAME_BYTES,
            ),
        )

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """As the Lambdas that answer frames read it."""
        return {
            "MESSAGES_PER_SECOND": self.messages_per_second.apply(str),
            "MESSAGE_BURST": self.message_burst.apply(str),
            "MAX_FILTER_LENGTH": self.max_filter_length.apply(str),
            "MAX_FRAME_BYTES": self.max_frame_bytes.apply(str),
        }


@dataclass(frozen=True)
class Inputs:
    """A gateway's inputs, checked, with their defaults."""

    tokens: Tokens
    limits: Limits
    posting: Posting
    table_arn: pulumi.Output[str] | None
    allowed_origins: pulumi.Output[str]
    """With spaces between."""
    token_in_query: pulumi.Output[bool]
    max_connections_per_tenant: pulumi.Output[int]
    connection_ttl_seconds: pulumi.Output[int]
    rate_limit: pulumi.Output[int]
    burst_limit: pulumi.Output[int]
    log_retention_days: pulumi.Output[int]
    alarm_topic_arn: pulumi.Output[str] | None
    package_for: str
    tags: Tags | None

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "Inputs":
        return cls(
            tokens=Tokens.of(args),
            limits=Limits.of(args),
            posting=Posting.of(args),
            table_arn=_checks.optional(_checks.table_arn, "table_arn", args.get("table_arn")),
            allowed_origins=_origins(args),
            token_in_query=_checks.boolean("token_in_query", args.get("token_in_query", False)),
            max_connections_per_tenant=_checks.whole_number(
                "max_connections_per_tenant",
                args.get("max_connections_per_tenant", DEFAULT_MAX_CONNECTIONS_PER_TENANT),
                1,
            ),
            connection_ttl_seconds=_checks.whole_number(
                "connection_ttl_seconds",
                args.get("connection_ttl_seconds", DEFAULT_CONNECTION_TTL_SECONDS),
                MAX_CONNECTION_SECONDS,
            ),
            rate_limit=_checks.whole_number("rate_limit", args.get("rate_limit", DEFAULT_RATE_LIMIT), 1),
            burst_limit=_checks.whole_number("burst_limit", args.get("burst_limit", DEFAULT_BURST_LIMIT), 1),
            log_retention_days=_checks.log_retention(
                "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
            ),
            alarm_topic_arn=_checks.optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn")),
            package_for=check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR)),
            tags=args.get("tags"),
        )


def _origins(args: WebSocketGatewayArgs) -> pulumi.Output[str]:
    given = args.get("allowed_origins", [])
    origins = _checks.each(_urls.origin, "allowed_origins", given)
    _checks.checked(given, _joined)  # at once, where they are plain
    return origins.apply(_joined)


def _joined(origins: Sequence[Any]) -> str:
    text = " ".join(origins)
    if len(text) > MAX_ORIGINS_LENGTH:
        raise ValueError(f"allowed_origins: must be at most {MAX_ORIGINS_LENGTH:,} characters, got {len(text):,}")
    return text
