"""A gateway, declared from flat input names, and what its default inputs lead to."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from components import (
    GatewayAccessArgs,
    GatewayConcurrencyArgs,
    GatewayLimitsArgs,
    GatewayPostingArgs,
    WebSocketGateway,
    WebSocketGatewayArgs,
)
from tests.support.components.examples import AUDIENCE, ISSUER, TABLE_ARN
from tests.support.components.harness import Recording, kept_value, run
from tests.support.components.policies import allow
from tests.support.components.provider import ACCOUNT, REGION, Provider, api_id, arn, physical_name

if TYPE_CHECKING:
    from collections.abc import Mapping

GROUPS: dict[str, Any] = {
    "access": GatewayAccessArgs,
    "limits": GatewayLimitsArgs,
    "posting": GatewayPostingArgs,
    "concurrency": GatewayConcurrencyArgs,
}
GROUP_OF = {name: group for group, kind in GROUPS.items() for name in kind.__annotations__}

API = api_id("gateway-api")
EXECUTION_ARN = arn("execute-api", API)
CONNECTIONS = physical_name("gateway-connections")
CONNECTIONS_ARN = arn("dynamodb", f"table/{CONNECTIONS}")
REVOCATIONS = physical_name("gateway-revocations")
REVOCATIONS_ARN = arn("dynamodb", f"table/{REVOCATIONS}")
ENDPOINT = f"https://{API}.execute-api.{REGION}.amazonaws.com/live"
QUEUE = physical_name("gateway-fanout-queue")
QUEUE_ARN = arn("sqs", QUEUE)
LIMITS = {
    "MESSAGES_PER_SECOND": "10",
    "MESSAGE_BURST": "20",
    "TENANT_MESSAGES_PER_SECOND": "200",
    "TENANT_MESSAGE_BURST": "1000",
    "MAX_FILTER_LENGTH": "4096",
    "MAX_FILTERS_PER_TENANT": "100",
    "MAX_FRAME_BYTES": "32768",
    "MAX_CONNECTIONS_PER_USER": "20",
}
"""Default environment variables that limit the messages of one connection and of one tenant."""
TOKENS = {
    "ISSUER": ISSUER,
    "AUDIENCES": AUDIENCE,
    "CLOCK_TOLERANCE_SECONDS": "30",
    "TENANT_CLAIM": "custom:tenant_id",
    "TENANT_ID_PATTERN": "t_[A-Za-z0-9_-]{1,64}",
    "USER_HASH_KEY": kept_value("gateway-user-hash-key", "value"),
}
"""Default environment variables of the Lambdas that verify tokens."""
POSTING_ENVIRONMENT = {
    "CONNECTIONS_TABLE_NAME": CONNECTIONS,
    "MANAGEMENT_ENDPOINT": ENDPOINT,
    "POSTS_PER_SECOND": "1000",
}
"""Default environment variables of every Lambda that posts."""
FANOUT_ENVIRONMENT = {
    **POSTING_ENVIRONMENT,
    "FANOUT_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{QUEUE}",
    "FANOUT_THRESHOLD": "5000",
}
"""Default environment variables of the Lambdas that post and send to the fan-out queue."""
MAY_POST = allow(
    ["execute-api:ManageConnections"],
    f"{EXECUTION_ARN}/live/POST/@connections/*",
    f"{EXECUTION_ARN}/live/DELETE/@connections/*",
)
MAY_FIND_CONNECTIONS = allow(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN)


def gateway_args(inputs: Mapping[str, object]) -> WebSocketGatewayArgs:
    """Return a gateway's inputs, each in its group, with an issuer and an audience."""
    args: dict[str, Any] = {"access": {"issuer": ISSUER, "audience": AUDIENCE}}
    for name, value in inputs.items():
        group = GROUP_OF.get(name)
        if group is None:
            args[name] = value
        else:
            args.setdefault(group, {})[name] = value
    return cast("WebSocketGatewayArgs", args)


REQUIRED = gateway_args({"table_arn": TABLE_ARN})


def full_name(name: str) -> str:
    """Return the name that an error shows for an input."""
    return f"{GROUP_OF[name]}.{name}" if name in GROUP_OF else name


def declare(args: WebSocketGatewayArgs, provider: Provider | None = None) -> Recording:
    """Declare the component `gateway`."""
    return run(lambda: WebSocketGateway("gateway", args), provider=provider)


def environment(recording: Recording, function: str) -> dict[str, Any]:
    """Return the environment variables of a Lambda of the gateway."""
    return recording.inputs(f"gateway-{function}-function")["environment"]["variables"]


def function_name(function: str) -> str:
    """Return the name of a Lambda of the gateway."""
    return physical_name(f"gateway-{function}-function")
