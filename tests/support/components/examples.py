"""One example of each component, with its required inputs and those that a test asks for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from components import (
    AlarmTopic,
    ApiGatewayLogRole,
    DashboardPage,
    DashboardSite,
    DataKey,
    DeadLetterResync,
    RealtimePipe,
    StreamTable,
    SubmissionIngest,
    TenantIdentity,
    WebSocketGateway,
)
from components._function import HandlerFunction
from tests.support.components.provider import ACCOUNT, REGION, arn

if TYPE_CHECKING:
    import pulumi

TABLE_ARN = arn("dynamodb", "table/submissions")
STREAM_ARN = f"{TABLE_ARN}/stream/2026-11-22T20:00:00.000"
FUNCTION_ARN = arn("lambda", "function:broadcast")
DEAD_LETTERS_ARN = arn("sqs", "realtime-dead-letters")
FANOUT_QUEUE_ARN = arn("sqs", "gateway-fanout-queue")
FANOUT_QUEUE_URL = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/gateway-fanout-queue"
ISSUER = "https://login.example.com/realms/forms"
AUDIENCE = "dashboards"
BUCKET_NAME = "site-bucket-0123456"
PAGE_URL = "https://d111111abcdef8.cloudfront.net/"
WEBSOCKET_URL = "wss://abcdefghij.execute-api.eu-west-1.amazonaws.com/live"


class Example(Protocol):
    """Makes a component with its required inputs."""

    def __call__(
        self, name: str, tags: dict[str, str], opts: pulumi.ResourceOptions | None = None
    ) -> pulumi.ComponentResource: ...


EXAMPLES: dict[str, Example] = {
    "submissions": lambda name, tags, opts=None: StreamTable(name, {"tags": tags}, opts),
    "ingest": lambda name, tags, opts=None: SubmissionIngest(name, {"table_arn": TABLE_ARN, "tags": tags}, opts),
    "identity": lambda name, tags, opts=None: TenantIdentity(name, {"callback_urls": [PAGE_URL], "tags": tags}, opts),
    "api-gateway": lambda name, tags, opts=None: ApiGatewayLogRole(name, {"tags": tags}, opts),
    "gateway": lambda name, tags, opts=None: WebSocketGateway(
        name, {"table_arn": TABLE_ARN, "access": {"issuer": ISSUER, "audience": AUDIENCE}, "tags": tags}, opts
    ),
    "realtime": lambda name, tags, opts=None: RealtimePipe(
        name, {"stream_arn": STREAM_ARN, "function_arn": FUNCTION_ARN, "tags": tags}, opts
    ),
    "recovery": lambda name, tags, opts=None: DeadLetterResync(
        name,
        {
            "dead_letter_queue_arn": DEAD_LETTERS_ARN,
            "stream_arn": STREAM_ARN,
            "fanout_queue_url": FANOUT_QUEUE_URL,
            "fanout_queue_arn": FANOUT_QUEUE_ARN,
            "tags": tags,
        },
        opts,
    ),
    "site": lambda name, tags, opts=None: DashboardSite(name, {"tags": tags}, opts),
    "page": lambda name, tags, opts=None: DashboardPage(
        name,
        {
            "bucket_name": BUCKET_NAME,
            "websocket_url": WEBSOCKET_URL,
            "sign_in": {"issuer": ISSUER, "client_id": AUDIENCE},
            "tags": tags,
        },
        opts,
    ),
    "data": lambda name, tags, opts=None: DataKey(name, {"tags": tags}, opts),
    "alarms": lambda name, tags, opts=None: AlarmTopic(name, {"email": "ada@example.com", "tags": tags}, opts),
    "worker": lambda name, tags, opts=None: HandlerFunction(
        name, "connect", environment={}, statements=[], tags=tags, opts=opts
    ),
}
"""By the name that the tests give the component."""


def example(name: str, tags: dict[str, str], opts: pulumi.ResourceOptions | None = None) -> pulumi.ComponentResource:
    """The example of that name, under that name."""
    return EXAMPLES[name](name, tags, opts)
