"""A pipe's dead-letter queue → the fan-out queue: the tenants whose records were given up are told to resync."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.broadcast.fanout_queue import FanoutQueue, Work
from formbridge.broadcast.stream_range import Stream, investigate
from formbridge.runtime import environment, metrics
from formbridge.runtime.aws import client
from formbridge.runtime.dead_letter_queue import DeadLetters
from formbridge.runtime.logs import correlation, log, log_failures

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@cache
def stream() -> Stream:
    return Stream(client("dynamodbstreams"))


@cache
def sqs() -> SQSClient:
    return client("sqs")


def tell_a_person(dead_letter: str, message_id: str, problem: str) -> None:
    """Say what is the matter to the alarms' topic, if any, and keep the dead letter with it, which makes an alarm.

    In this order: what fails is tried again, and each try would keep one more.
    """
    if topic_arn := environment.optional_text("ALARM_TOPIC_ARN"):
        client("sns").publish(TopicArn=topic_arn, Subject="Records that no tenant could be told of", Message=problem)
    DeadLetters(sqs(), environment.text("DEAD_LETTER_QUEUE_URL")).pass_on(dead_letter, message_id, problem)


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    for record in event["Records"]:
        found = investigate(record["body"], stream())
        if found.tenants:
            queue = FanoutQueue(sqs, environment.text("FANOUT_QUEUE_URL"))
            queue.send([Work(tenant_id, None) for tenant_id in sorted(found.tenants)])
        if found.problem is not None:
            tell_a_person(record["body"], record["messageId"], found.problem)
        ids = {**correlation(event, context), "message_id": record["messageId"]}
        log("given up", {**ids, "tenants": sorted(found.tenants), "problem": found.problem})
        metrics.emit({"DeadLetters": 1, "UnreadableDeadLetters": int(found.problem is not None)})
