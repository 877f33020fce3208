"""The limits that a gateway enforces on its tenants, connections and messages."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict, cast

import pulumi

from . import _checks
from ._checks import FieldName, IntegerInput

if TYPE_CHECKING:
    from collections.abc import Mapping

DEFAULT_MAX_CONNECTIONS_PER_TENANT = 5_000
DEFAULT_MESSAGES_PER_SECOND = 10
MAX_MESSAGES_PER_SECOND = 1_000
DEFAULT_MESSAGE_BURST = 20
MAX_MESSAGE_BURST = 10_000
MAX_FILTER_LENGTH = 4_096
"""Maximum number of characters of a subscription filter in the protocol `formbridge.v1`."""
DEFAULT_MAX_FILTERS_PER_TENANT = 100
MAX_FILTERS_PER_TENANT = 1_000
"""Limit of `max_filters_per_tenant`. Each `subscribe` with a filter writes the item with all filters of its tenant.
With 1,000 filters, the item has about 17 KB, and DynamoDB bills a write by the size of the item."""
MIN_FRAME_BYTES = 1_024
MAX_FRAME_BYTES = 128 * 1024
"""Maximum size of a message in API Gateway. API Gateway bills each started 32 KB as one message.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
DEFAULT_MAX_FRAME_BYTES = 32 * 1024
MAX_CONNECTION_SECONDS = 2 * 3600
"""Seconds after which API Gateway closes a WebSocket. Source: the page that `MAX_FRAME_BYTES` names."""
DEFAULT_CONNECTION_TTL_SECONDS = MAX_CONNECTION_SECONDS + 600
DEFAULT_RATE_LIMIT = 1_000
DEFAULT_BURST_LIMIT = 2_000


class GatewayLimitsArgs(TypedDict):
    """The limits of a `WebSocketGateway`."""

    max_connections_per_tenant: NotRequired[IntegerInput]
    """Maximum number of open connections per tenant; 1 or more. Default: 5,000."""
    messages_per_second: NotRequired[IntegerInput]
    """Messages per second that one connection may send on average, 1 to 1,000. This is the rate at which the token
    bucket of the connection fills. Default: 10."""
    message_burst: NotRequired[IntegerInput]
    """Number of messages that one connection may send at once, 1 to 10,000. This is the size of its token bucket.
    Default: 20."""
    max_filter_length: NotRequired[IntegerInput]
    """Maximum number of characters of a subscription filter as JSON, 1 to 4,096. Default: 4,096."""
    max_filters_per_tenant: NotRequired[IntegerInput]
    """Maximum number of distinct subscription filters of all connections of a tenant, 1 to 1,000. A further one is
    refused with `too_many_filters`. A broadcast matches each change with each of them. Default: 100."""
    max_frame_bytes: NotRequired[IntegerInput]
    """Maximum size of a frame from a client, in bytes, 1,024 to 131,072. API Gateway accepts no larger frame, and it
    bills each started 32,768 bytes as one message. Default: 32,768."""
    connection_ttl_seconds: NotRequired[IntegerInput]
    """Seconds after which the row of a connection expires; 7,200 or more. A row must not expire before its connection
    ends, and API Gateway keeps a connection for up to two hours. Default: 7,800."""
    rate_limit: NotRequired[IntegerInput]
    """Maximum number of messages per second to each route of the API, from all connections together; 1 or more. The
    default quota of an account is 10,000 messages per second per region. Default: 1,000."""
    burst_limit: NotRequired[IntegerInput]
    """Maximum number of messages at once to each route of the API, from all connections together; 1 or more. The
    default quota of an account is 5,000 messages per region. Default: 2,000."""


@dataclass(frozen=True)
class GatewayLimits:
    """The checked inputs of `GatewayLimitsArgs`, with defaults."""

    max_connections_per_tenant: pulumi.Output[int]
    messages_per_second: pulumi.Output[int]
    message_burst: pulumi.Output[int]
    max_filter_length: pulumi.Output[int]
    max_filters_per_tenant: pulumi.Output[int]
    max_frame_bytes: pulumi.Output[int]
    connection_ttl_seconds: pulumi.Output[int]
    rate_limit: pulumi.Output[int]
    burst_limit: pulumi.Output[int]

    @classmethod
    def check(cls, args: GatewayLimitsArgs, field: FieldName) -> "GatewayLimits":
        """Check the inputs. `field` returns the name that an error shows for an input.

        Raises:
            ValueError: An input is unknown or not allowed.
        """
        _checks.check_fields(args, GatewayLimitsArgs, field)
        given = cast("Mapping[str, Any]", args)

        def integer(name: str, default: int, minimum: int, maximum: int | None = None) -> pulumi.Output[int]:
            return _checks.integer(field(name), given.get(name, default), minimum, maximum)

        return cls(
            max_connections_per_tenant=integer("max_connections_per_tenant", DEFAULT_MAX_CONNECTIONS_PER_TENANT, 1),
            messages_per_second=integer("messages_per_second", DEFAULT_MESSAGES_PER_SECOND, 1, MAX_MESSAGES_PER_SECOND),
            message_burst=integer("message_burst", DEFAULT_MESSAGE_BURST, 1, MAX_MESSAGE_BURST),
            max_filter_length=integer("max_filter_length", MAX_FILTER_LENGTH, 1, MAX_FILTER_LENGTH),
            max_filters_per_tenant=integer(
                "max_filters_per_tenant", DEFAULT_MAX_FILTERS_PER_TENANT, 1, MAX_FILTERS_PER_TENANT
            ),
            max_frame_bytes=integer("max_frame_bytes", DEFAULT_MAX_FRAME_BYTES, MIN_FRAME_BYTES, MAX_FRAME_BYTES),
            connection_ttl_seconds=integer(
                "connection_ttl_seconds", DEFAULT_CONNECTION_TTL_SECONDS, MAX_CONNECTION_SECONDS
            ),
            rate_limit=integer("rate_limit", DEFAULT_RATE_LIMIT, 1),
            burst_limit=integer("burst_limit", DEFAULT_BURST_LIMIT, 1),
        )

    @property
    def connect_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the connect Lambda."""
        return {
            "CONNECTION_TTL_SECONDS": self.connection_ttl_seconds.apply(str),
            "MAX_CONNECTIONS_PER_TENANT": self.max_connections_per_tenant.apply(str),
        }

    @property
    def message_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the Lambdas that reply to frames."""
        return {
            "MESSAGES_PER_SECOND": self.messages_per_second.apply(str),
            "MESSAGE_BURST": self.message_burst.apply(str),
            "MAX_FILTER_LENGTH": self.max_filter_length.apply(str),
            "MAX_FILTERS_PER_TENANT": self.max_filters_per_tenant.apply(str),
            "MAX_FRAME_BYTES": self.max_frame_bytes.apply(str),
        }
