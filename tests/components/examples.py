"""One example of each component, with its required inputs and those that a test asks for."""

from __future__ import annotations

from collections.abc import Callable

import pulumi

from components import (
    ApiGatewayLogRole,
    RealtimePipe,
    StreamTable,
    SubmissionIngest,
    TenantIdentity,
    WebSocketGateway,
)
from components._function import HandlerFunction

from .provider import arn

TABLE_ARN = arn("dynamodb", "table/submissions")
STREAM_ARN = f"{TABLE_ARN}/stream/2026-11-22T20:00:00.000"
FUNCTION_ARN = arn("lambda", "function:broadcast")
ISSUER = "https://login.example.com/realms/forms"
AUDIENCE = "dashboards"

EXAMPLES: dict[str, Callable[[dict[str, str]], pulumi.ComponentResource]] = {
    "submissions": lambda tags: StreamTable("submissions", {"tags": tags}),
    "ingest": lambda tags: SubmissionIngest("ingest", {"table_arn": TABLE_ARN, "tags": tags}),
    "identity": lambda tags: TenantIdentity("identity", {"tags": tags}),
    "api-gateway": lambda tags: ApiGatewayLogRole("api-gateway", {"tags": tags}),
    "gateway": lambda tags: WebSocketGateway(
        "gateway", {"table_arn": TABLE_ARN, "issuer": ISSUER, "audience": AUDIENCE, "tags": tags}
    ),
    "realtime": lambda tags: RealtimePipe(
        "realtime", {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN, "tags": tags}
    ),
    "worker": lambda tags: HandlerFunction("worker", "connect", environment={}, statements=[], tags=tags),
}
"""By the name that each gives its component; each takes the tags."""
