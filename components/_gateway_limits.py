"""The limits that a gateway enforces on its tenants, connections and messages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

import pulumi

from . import _checks
from ._checks import FieldName, IntegerInput
from ._websocket_api import Throttle

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MAX_CONNECTIONS_PER_TENANT = 5_000
DEFAULT_MAX_CONNECTIONS_PER_USER = 20
MAX_CONNECTIONS_PER_USER = 1_000
"""Maximum of `max_connections_per_user`. One item holds the connections of a user, and DynamoDB bills each started
kilobyte of an item that is written: a user with 1,000 connections costs about 30 units per connect."""
DEFAULT_MESSAGES_PER_SECOND = 10
MAX_MESSAGES_PER_SECOND = 1_000
DEFAULT_MESSAGE_BURST = 20
MAX_MESSAGE_BURST = 10_000
DEFAULT_TENANT_MESSAGES_PER_SECOND = 200
"""Default of `tenant_messages_per_second`: a fifteenth of what the stage takes on `$default` (`DEFAULT_RATE_LIMIT`).

A full tenant needs less. Its 5,000 connections send a `sync` every 300 seconds and a `subscribe` every two hours: 17
messages per second. When they all connect again, 50 per second (`DEFAULT_TENANT_CONNECTS_PER_SECOND`) send `subscribe`,
a `sync` half a minute later, and two `reconcile`: 200 messages per second."""
DEFAULT_TENANT_MESSAGE_BURST = 1_000
"""Default of `tenant_message_burst`: `subscribe` and `reconcile` of the 500 connections that a tenant may open at once
(`DEFAULT_TENANT_CONNECT_BURST`). It is a third of the stage's burst."""
DEFAULT_TENANT_CONNECTS_PER_SECOND = 50
"""Default of `tenant_connects_per_second`: a tenth of the account's quota of new connections, 500 per second.

5,000 clients that lost their connections are all back after (5,000 - 500) / 50 = 90 seconds. Until then each makes an
attempt every 15 seconds on average: at most 333 attempts per second, which is less than the quota. So other tenants can
still connect, and no client waits for longer than its own backoff once there are tokens."""
DEFAULT_TENANT_CONNECT_BURST = 500
"""Default of `tenant_connect_burst`: what the account's quota allows in one second."""
MAX_TENANT_RATE = 10_000
"""Maximum of the rates of a tenant: the account's quota of requests per second.
https://docs.aws.amazon.com/apigateway/latest/developerguide/limits.html"""
MAX_TENANT_BURST = 100_000
MAX_FILTER_LENGTH = 4_096
"""Maximum number of characters of a subscription filter in the protocol `formbridge.v1`."""
DEFAULT_MAX_FILTERS_PER_TENANT = 100
MAX_FILTERS_PER_TENANT = 1_000
"""Limit of `max_filters_per_tenant`. Each `subscribe` with a filter writes the item with all filters of its tenant.
With 1,000 filters, the item has about 17 KB, and DynamoDB bills a write by the size of the item."""
MIN_FRAME_BYTES = 1_024
MAX_FRAME_BYTES = 32 * 1024
"""Maximum size of a WebSocket frame in API Gateway, which closes the connection of a client that sends a larger one.
A message may have 128 KB in several frames, but a client in a browser cannot choose how its messages are split.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
DEFAULT_MAX_FRAME_BYTES = MAX_FRAME_BYTES
MAX_CONNECTION_SECONDS = 2 * 3600
"""Seconds after which API Gateway closes a WebSocket. Source: the page that `MAX_FRAME_BYTES` names."""
DEFAULT_CONNECTION_TTL_SECONDS = MAX_CONNECTION_SECONDS + 600
DEFAULT_RATE_LIMIT = 3_000
DEFAULT_BURST_LIMIT = 3_000
DEFAULT_CONNECT_RATE_LIMIT = 500
DEFAULT_CONNECT_BURST_LIMIT = 500
DEFAULT_DISCONNECT_RATE_LIMIT = 500
DEFAULT_DISCONNECT_BURST_LIMIT = 2_000
DEFAULT_AUTHENTICATE_RATE_LIMIT = 250
DEFAULT_AUTHENTICATE_BURST_LIMIT = 500


class GatewayLimitsArgs(TypedDict):
    """The limits of a `WebSocketGateway`."""

    max_connections_per_tenant: NotRequired[IntegerInput]
    """Maximum number of open connections per tenant; 1 or more. Default: 5,000."""
    max_connections_per_user: NotRequired[IntegerInput]
    """Maximum number of open connections of one user of a tenant, 1 to 1,000. All clients that connect with tokens of
    the same `sub` are one user. Default: 20."""
    messages_per_second: NotRequired[IntegerInput]
    """Messages per second that one connection may send on average, 1 to 1,000. This is the rate at which the token
    bucket of the connection fills. Default: 10."""
    message_burst: NotRequired[IntegerInput]
    """Number of messages that one connection may send at once, 1 to 10,000. This is the size of its token bucket.
    Default: 20."""
    tenant_messages_per_second: NotRequired[IntegerInput]
    """Messages per second that all connections of one tenant together may send on average, 1 to 10,000. A connection
    whose message exceeds it is held back until the tenant's connections can send again. Default: 200, a fifteenth
    of `rate_limit`. A tenant with 5,000 connections sends 17 messages per second."""
    tenant_message_burst: NotRequired[IntegerInput]
    """Number of messages that all connections of one tenant together may send at once, 1 to 100,000. Default: 1,000."""
    tenant_connects_per_second: NotRequired[IntegerInput]
    """New connections per second of one tenant on average, 1 to 10,000. A handshake that exceeds it gets the status
    429. Default: 50, a tenth of the default quota of an account. After an outage, 5,000 clients are back within 90
    seconds."""
    tenant_connect_burst: NotRequired[IntegerInput]
    """Number of connections that one tenant may open at once, 1 to 100,000. Default: 500."""
    max_filter_length: NotRequired[IntegerInput]
    """Maximum number of characters of a subscription filter as JSON, 1 to 4,096. Default: 4,096."""
    max_filters_per_tenant: NotRequired[IntegerInput]
    """Maximum number of distinct subscription filters of all connections of a tenant, 1 to 1,000. A further one is
    refused with `too_many_filters`. A broadcast matches each change with each of them. Default: 100."""
    max_frame_bytes: NotRequired[IntegerInput]
    """Maximum size of a frame from a client, in bytes, 1,024 to 32,768. API Gateway closes a connection that sends a
    larger frame. Default: 32,768."""
    connection_ttl_seconds: NotRequired[IntegerInput]
    """Seconds after which the row of a connection expires; 7,200 or more. A row must not expire before its connection
    ends, and API Gateway keeps a connection for up to two hours. Default: 7,800."""
    rate_limit: NotRequired[IntegerInput]
    """Maximum number of messages per second to the route `$default`, from all connections together; 1 or more. All
    requests of clients except `authenticate` take this route. The default quota of an account is 10,000 requests per
    second per region. It covers all routes of all APIs, and the posts. Default: 3,000."""
    burst_limit: NotRequired[IntegerInput]
    """Maximum number of messages at once to the route `$default`, from all connections together; 1 or more. The default
    quota of an account is 5,000 requests per region. Default: 3,000."""
    connect_rate_limit: NotRequired[IntegerInput]
    """Maximum number of handshakes per second, from all tenants together; 1 or more. Default: 500, the default quota of
    new connections of an account per region."""
    connect_burst_limit: NotRequired[IntegerInput]
    """Maximum number of handshakes at once, from all tenants together; 1 or more. Default: 500."""
    disconnect_rate_limit: NotRequired[IntegerInput]
    """Maximum number of events per second that tell the gateway that a connection has ended; 1 or more. The row of a
    connection whose event is lost stays until the janitor probes the connection, about ten minutes later. Default: 500,
    because no more connections can end than begin."""
    disconnect_burst_limit: NotRequired[IntegerInput]
    """Maximum number of such events at once; 1 or more. Connections often end together. Default: 2,000."""
    authenticate_rate_limit: NotRequired[IntegerInput]
    """Maximum number of `authenticate` requests per second, from all connections together; 1 or more. Default: 250.
    864,000 connections, which `rate_limit` allows, send 240 per second if a token lives for an hour."""
    authenticate_burst_limit: NotRequired[IntegerInput]
    """Maximum number of `authenticate` requests at once, from all connections together; 1 or more. Default: 500."""


@dataclass(frozen=True)
class GatewayLimits:
    """The checked inputs of `GatewayLimitsArgs`, with defaults."""

    max_connections_per_tenant: pulumi.Output[int]
    max_connections_per_user: pulumi.Output[int]
    messages_per_second: pulumi.Output[int]
    message_burst: pulumi.Output[int]
    tenant_messages_per_second: pulumi.Output[int]
    tenant_message_burst: pulumi.Output[int]
    tenant_connects_per_second: pulumi.Output[int]
    tenant_connect_burst: pulumi.Output[int]
    max_filter_length: pulumi.Output[int]
    max_filters_per_tenant: pulumi.Output[int]
    max_frame_bytes: pulumi.Output[int]
    connection_ttl_seconds: pulumi.Output[int]
    default_throttle: Throttle
    """Throttle of the route `$default`, and of every route that has none."""
    connect_throttle: Throttle
    disconnect_throttle: Throttle
    authenticate_throttle: Throttle

    @classmethod
    def check(cls, args: GatewayLimitsArgs, field: FieldName) -> "GatewayLimits":
        """Check the inputs. `field` returns the name that an error shows for an input.

        Raises:
            InputError: An input is unknown or not allowed.
        """
        _checks.check_fields(args, GatewayLimitsArgs, field)
        given = cast("Mapping[str, Any]", args)

        def integer(name: str, default: int, minimum: int, maximum: int | None = None) -> pulumi.Output[int]:
            return _checks.integer(field(name), given.get(name, default), minimum, maximum)

        def throttle(prefix: str, rate: int, burst: int) -> Throttle:
            return Throttle(integer(f"{prefix}rate_limit", rate, 1), integer(f"{prefix}burst_limit", burst, 1))

        return cls(
            max_connections_per_tenant=integer("max_connections_per_tenant", DEFAULT_MAX_CONNECTIONS_PER_TENANT, 1),
            max_connections_per_user=integer(
                "max_connections_per_user", DEFAULT_MAX_CONNECTIONS_PER_USER, 1, MAX_CONNECTIONS_PER_USER
            ),
            messages_per_second=integer("messages_per_second", DEFAULT_MESSAGES_PER_SECOND, 1, MAX_MESSAGES_PER_SECOND),
            message_burst=integer("message_burst", DEFAULT_MESSAGE_BURST, 1, MAX_MESSAGE_BURST),
            tenant_messages_per_second=integer(
                "tenant_messages_per_second", DEFAULT_TENANT_MESSAGES_PER_SECOND, 1, MAX_TENANT_RATE
            ),
            tenant_message_burst=integer("tenant_message_burst", DEFAULT_TENANT_MESSAGE_BURST, 1, MAX_TENANT_BURST),
            tenant_connects_per_second=integer(
                "tenant_connects_per_second", DEFAULT_TENANT_CONNECTS_PER_SECOND, 1, MAX_TENANT_RATE
            ),
            tenant_connect_burst=integer("tenant_connect_burst", DEFAULT_TENANT_CONNECT_BURST, 1, MAX_TENANT_BURST),
            max_filter_length=integer("max_filter_length", MAX_FILTER_LENGTH, 1, MAX_FILTER_LENGTH),
            max_filters_per_tenant=integer(
                "max_filters_per_tenant", DEFAULT_MAX_FILTERS_PER_TENANT, 1, MAX_FILTERS_PER_TENANT
            ),
            max_frame_bytes=integer("max_frame_bytes", DEFAULT_MAX_FRAME_BYTES, MIN_FRAME_BYTES, MAX_FRAME_BYTES),
            connection_ttl_seconds=integer(
                "connection_ttl_seconds", DEFAULT_CONNECTION_TTL_SECONDS, MAX_CONNECTION_SECONDS
            ),
            default_throttle=throttle("", DEFAULT_RATE_LIMIT, DEFAULT_BURST_LIMIT),
            connect_throttle=throttle("connect_", DEFAULT_CONNECT_RATE_LIMIT, DEFAULT_CONNECT_BURST_LIMIT),
            disconnect_throttle=throttle("disconnect_", DEFAULT_DISCONNECT_RATE_LIMIT, DEFAULT_DISCONNECT_BURST_LIMIT),
            authenticate_throttle=throttle(
                "authenticate_", DEFAULT_AUTHENTICATE_RATE_LIMIT, DEFAULT_AUTHENTICATE_BURST_LIMIT
            ),
        )

    @property
    def connect_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the connect Lambda, which also replies to frames named like its routes."""
        return {
            **self.message_environment,
            "TENANT_CONNECTS_PER_SECOND": self.tenant_connects_per_second.apply(str),
            "TENANT_CONNECT_BURST": self.tenant_connect_burst.apply(str),
            "CONNECTION_TTL_SECONDS": self.connection_ttl_seconds.apply(str),
            "MAX_CONNECTIONS_PER_TENANT": self.max_connections_per_tenant.apply(str),
        }

    @property
    def message_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the Lambdas that reply to frames."""
        return {
            "MESSAGES_PER_SECOND": self.messages_per_second.apply(str),
            "MESSAGE_BURST": self.message_burst.apply(str),
            "TENANT_MESSAGES_PER_SECOND": self.tenant_messages_per_second.apply(str),
            "TENANT_MESSAGE_BURST": self.tenant_message_burst.apply(str),
            "MAX_FILTER_LENGTH": self.max_filter_length.apply(str),
            "MAX_FILTERS_PER_TENANT": self.max_filters_per_tenant.apply(str),
            "MAX_FRAME_BYTES": self.max_frame_bytes.apply(str),
            "MAX_CONNECTIONS_PER_USER": self.max_connections_per_user.apply(str),
        }
