"""Lambda of a pipe's dead-letter queue.

A dead letter of a pipe names stream records that the pipe could not deliver. For each tenant with such a record, this
Lambda sends a fan-out task that posts a `resync` to the tenant's connections.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.broadcast.fanout_queue import FanoutQueue
from formbridge.broadcast.fanout_task import FanoutTask
from formbridge.broadcast.stream_range import StreamReader, find_affected_tenants
from formbridge.runtime import environment, metrics
from formbridge.runtime.aws import client
from formbridge.runtime.dead_letter_queue import DeadLetterQueue
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_sqs import SQSClient


@cache
def stream() -> StreamReader:
    """Return a reader of DynamoDB streams."""
    return StreamReader(client("dynamodbstreams"))


@cache
def sqs() -> SQSClient:
    """Return the SQS client of this Lambda."""
    return client("sqs")


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    """Process the dead letters of an SQS event."""
    for record in event["Records"]:
        found = find_affected_tenants(record["body"], stream())
        if found.tenant_ids:
            queue = FanoutQueue(sqs, environment.string("FANOUT_QUEUE_URL"))
            queue.send([FanoutTask(tenant_id, None) for tenant_id in sorted(found.tenant_ids)])
        if found.problem is not None:
            alert_operator(record["body"], record["messageId"], found.problem)
        ids = {**correlation_ids(event, context), "message_id": record["messageId"]}
        log("dead letter processed", {**ids, "tenants": sorted(found.tenant_ids), "problem": found.problem})
        metrics.emit({"DeadLetters": 1, "UnreadableDeadLetters": int(found.problem is not None)})


def alert_operator(dead_letter: str, message_id: str, problem: str) -> None:
    """Publish the problem to the alarm topic, if there is one, and keep the dead letter.

    The dead letter is kept in the dead-letter queue of this Lambda, which has an alarm.

    The problem is published first. If publishing fails, SQS delivers the dead letter again. In the other order, each
    repetition would keep one more copy of the dead letter.
    """
    if topic_arn := environment.optional_string("ALARM_TOPIC_ARN"):
        client("sns").publish(TopicArn=topic_arn, Subject="Stream records of unknown tenants", Message=problem)
    DeadLetterQueue(sqs(), environment.string("DEAD_LETTER_QUEUE_URL")).forward(dead_letter, message_id, problem)
