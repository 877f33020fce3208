"""What each principal of the program does on AWS: each line is one request that must be allowed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.components.provider import ACCOUNT, api_id, arn, bucket_name, distribution_id, physical_name
from tests.support.program.permissions import Request, role_arn

if TYPE_CHECKING:
    from collections.abc import Mapping

TABLE: Final = arn("dynamodb", f"table/{physical_name('submissions-table')}")
STREAM: Final = f"{TABLE}/stream/2026-11-22T20:00:00.000"
CONNECTIONS: Final = arn("dynamodb", f"table/{physical_name('gateway-connections')}")
REVOCATIONS: Final = arn("dynamodb", f"table/{physical_name('gateway-revocations')}")
INGEST_DEAD_LETTERS: Final = arn("sqs", physical_name("ingest-dead-letters"))
FANOUT_QUEUE: Final = arn("sqs", physical_name("gateway-fanout-queue"))
UNREAD_DEAD_LETTERS: Final = arn("sqs", physical_name("recovery-dead-letters"))
PIPE_DEAD_LETTERS: Final = arn("sqs", physical_name("realtime-dead-letters"))
RULE: Final = arn("events", f"rule/{physical_name('ingest-bus')}/{physical_name('ingest-rule')}")
JANITOR_RULE: Final = arn("events", f"rule/{physical_name('gateway-janitor-rule')}")
API: Final = arn("execute-api", api_id("gateway-api"))
AUTHORIZER: Final = f"{API}/authorizers/{api_id('gateway-authorizer')}"
PAGE: Final = f"arn:aws:s3:::{bucket_name('dashboard-bucket')}/index.html"
DISTRIBUTION: Final = f"arn:aws:cloudfront::{ACCOUNT}:distribution/{distribution_id('dashboard-distribution')}"
THE_PIPE: Final = arn("pipes", f"pipe/{physical_name('realtime-pipe')}")
ALARM_TOPIC: Final = arn("sns", physical_name("alarms-topic"))
CONNECTION: Final = "@connections/WvEZxeGsIAMCKqA="
POSTS: Final = [("execute-api:ManageConnections", f"{API}/live/{method}/{CONNECTION}") for method in ("POST", "DELETE")]
"""Posting to a connection, and closing it."""
PROBE: Final = ("execute-api:ManageConnections", f"{API}/live/GET/{CONNECTION}")
"""Asking whether a connection is open."""

CALLS: Final[Mapping[str, list[tuple[str, str]]]] = {
    "ingest-persist": [
        ("dynamodb:UpdateItem", TABLE),
        ("dynamodb:Query", f"{TABLE}/index/GSI1"),
        # Lambda itself sends there too, as the function's role: what failed three times.
        ("sqs:SendMessage", INGEST_DEAD_LETTERS),
    ],
    "gateway-authorize": [],
    "gateway-connect": [
        ("dynamodb:PutItem", CONNECTIONS),
        ("dynamodb:DeleteItem", CONNECTIONS),
        ("dynamodb:UpdateItem", CONNECTIONS),
        ("dynamodb:BatchGetItem", REVOCATIONS),
        # A client that sends too many frames with the action `$connect` is closed, and one that has no row.
        ("dynamodb:GetItem", CONNECTIONS),
        *POSTS,
    ],
    "gateway-message": [
        ("dynamodb:GetItem", CONNECTIONS),
        ("dynamodb:UpdateItem", CONNECTIONS),
        ("dynamodb:DeleteItem", CONNECTIONS),
        *POSTS,
        ("dynamodb:Query", f"{TABLE}/index/GSI1"),
        ("dynamodb:BatchGetItem", TABLE),
    ],
    "gateway-authenticate": [
        ("dynamodb:BatchGetItem", REVOCATIONS),
        ("dynamodb:GetItem", CONNECTIONS),
        ("dynamodb:UpdateItem", CONNECTIONS),
        ("dynamodb:DeleteItem", CONNECTIONS),
        *POSTS,
    ],
    "gateway-broadcast": [
        ("dynamodb:Query", CONNECTIONS),
        ("dynamodb:UpdateItem", CONNECTIONS),
        ("dynamodb:DeleteItem", CONNECTIONS),
        *POSTS,
        ("sqs:SendMessage", FANOUT_QUEUE),
    ],
    "gateway-fanout": [
        ("dynamodb:Query", CONNECTIONS),
        ("dynamodb:UpdateItem", CONNECTIONS),
        ("dynamodb:DeleteItem", CONNECTIONS),
        *POSTS,
        ("sqs:SendMessage", FANOUT_QUEUE),
    ],
    "gateway-janitor": [
        ("dynamodb:Scan", CONNECTIONS),
        ("dynamodb:Scan", f"{REVOCATIONS}/index/REVOCATIONS"),
        ("dynamodb:UpdateItem", CONNECTIONS),
        ("dynamodb:DeleteItem", CONNECTIONS),
        *POSTS,
        PROBE,
    ],
    "recovery-resync": [
        ("dynamodb:GetShardIterator", STREAM),
        ("dynamodb:GetRecords", STREAM),
        ("sqs:SendMessage", FANOUT_QUEUE),
        ("sqs:SendMessage", UNREAD_DEAD_LETTERS),
        ("sns:Publish", ALARM_TOPIC),
    ],
}
"""By Lambda: the calls that its handler makes. `tests/handlers/test_aws_calls.py` holds them against what it does."""

WORKED_OFF: Final = {"gateway-fanout": FANOUT_QUEUE, "recovery-resync": PIPE_DEAD_LETTERS}
"""The queues that Lambda reads, as the role of the function that it invokes with what it finds.
https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html"""

PIPE: Final = [
    *((f"dynamodb:{action}", STREAM) for action in ("DescribeStream", "GetRecords", "GetShardIterator", "ListStreams")),
    ("lambda:InvokeFunction", arn("lambda", f"function:{physical_name('gateway-broadcast-function')}")),
    ("sqs:SendMessage", PIPE_DEAD_LETTERS),
]
"""What EventBridge Pipes does as the pipe's role.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-pipes-permissions.html"""


def _logs(group: str, stream: str) -> list[tuple[str, str]]:
    """What it takes to write to a log group's stream."""
    path = f"log-group:{physical_name(group)}:log-stream:{stream}"
    return [(action, arn("logs", path)) for action in ("logs:CreateLogStream", "logs:PutLogEvents")]


def _by_roles() -> dict[str, list[tuple[str, str]]]:
    lambdas = {name: [*calls, *_logs(f"{name}-logs", "2026/11/22/[$LATEST]1a2b3c")] for name, calls in CALLS.items()}
    for name, queue in WORKED_OFF.items():
        lambdas[name] += [
            (f"sqs:{action}", queue) for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")
        ]
    # API Gateway writes a stage's access log as the account's role.
    return {**lambdas, "realtime": PIPE, "api-gateway": _logs("gateway-access-logs", "1a2b3c")}


def _invoke(function: str, service: str, source_arn: str) -> Request:
    target = arn("lambda", f"function:{physical_name(f'{function}-function')}")
    return Request(service, "lambda:InvokeFunction", target, {"aws:SourceArn": source_arn})


def _assume(role: str, service: str, **context: str) -> Request:
    return Request(service, "sts:AssumeRole", role_arn(role), {f"aws:{key}": value for key, value in context.items()})


NEEDS: Final = {
    **{
        f"{name} {action} {resource.split(':', 5)[5]}": Request(role_arn(name), action, resource)
        for name, calls in _by_roles().items()
        for action, resource in calls
    },
    **{
        f"lambda.amazonaws.com assumes {name}": _assume(name, "lambda.amazonaws.com", SourceAccount=ACCOUNT)
        for name in CALLS
    },
    "pipes.amazonaws.com assumes realtime": _assume(
        "realtime", "pipes.amazonaws.com", SourceAccount=ACCOUNT, SourceArn=THE_PIPE
    ),
    "apigateway.amazonaws.com assumes api-gateway": _assume("api-gateway", "apigateway.amazonaws.com"),
    "the rule invokes persist": _invoke("ingest-persist", "events.amazonaws.com", RULE),
    "the rule sends what it could not deliver": Request(
        "events.amazonaws.com", "sqs:SendMessage", INGEST_DEAD_LETTERS, {"aws:SourceArn": RULE}
    ),
    "the authorizer invokes authorize": _invoke("gateway-authorize", "apigateway.amazonaws.com", AUTHORIZER),
    **{
        f"the route {route} invokes {name}": _invoke(
            f"gateway-{name}", "apigateway.amazonaws.com", f"{API}/live/{route}"
        )
        for route, name in {
            "$connect": "connect",
            "$disconnect": "connect",
            "$default": "message",
            "authenticate": "authenticate",
        }.items()
    },
    "the schedule invokes the janitor": _invoke("gateway-janitor", "events.amazonaws.com", JANITOR_RULE),
    "the distribution reads the page": Request(
        "cloudfront.amazonaws.com", "s3:GetObject", PAGE, {"AWS:SourceArn": DISTRIBUTION}
    ),
    "an alarm publishes": Request(
        "cloudwatch.amazonaws.com", "sns:Publish", ALARM_TOPIC, {"aws:SourceAccount": ACCOUNT}
    ),
}
"""Every request of the running program, by what it is for."""
