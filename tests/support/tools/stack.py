"""A stack in moto, as far as the privacy tools use it: the submissions table, the dead-letter queue and the bus."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from formbridge.submissions.event import SubmissionEvent
from formbridge.submissions.table import SubmissionsTable
from tests.support.handlers.builders import NOW, TENANT_IDS
from tests.support.handlers.region import SUBMISSIONS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

BUS = "forms"


@dataclass(frozen=True)
class Stack:
    """The resources, and what a test does with them as the Lambdas do."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    events: EventBridgeClient
    queue_url: str
    sent: list[str] = field(default_factory=list[str])
    """The ids of the messages, in the order in which they were sent."""

    @property
    def table(self) -> SubmissionsTable:
        return SubmissionsTable(self.dynamodb, SUBMISSIONS)

    @property
    def options(self) -> dict[str, str]:
        """The options of `erase` that name the resources."""
        return {"--table": SUBMISSIONS, "--queue": self.queue_url, "--bus": BUS}

    def save(self, *events: dict[str, Any]) -> None:
        """Store events as the persist Lambda does."""
        for event in events:
            self.table.save(SubmissionEvent.parse(event, NOW, 300_000, TENANT_IDS), NOW)

    def item(self, submission_id: str, tenant_id: str = "t_acme") -> dict[str, AttributeValueTypeDef]:
        key: dict[str, AttributeValueTypeDef] = {"PK": {"S": f"SUB#{tenant_id}#{submission_id}"}, "SK": {"S": "META"}}
        return self.dynamodb.get_item(TableName=SUBMISSIONS, Key=key).get("Item", {})

    def items(self) -> list[dict[str, AttributeValueTypeDef]]:
        return self.dynamodb.scan(TableName=SUBMISSIONS)["Items"]

    def send(self, *bodies: Mapping[str, Any] | str) -> None:
        """Send messages to the dead-letter queue."""
        for body in bodies:
            text = body if isinstance(body, str) else json.dumps(body)
            self.sent.append(self.sqs.send_message(QueueUrl=self.queue_url, MessageBody=text)["MessageId"])

    def visible(self) -> list[str]:
        """The ids of the messages that the next reader receives, in the order in which they were sent."""
        found: set[str] = set()
        while messages := self.sqs.receive_message(
            QueueUrl=self.queue_url, MaxNumberOfMessages=10, VisibilityTimeout=60
        ).get("Messages"):
            found |= {message.get("MessageId", "") for message in messages}
        return [message_id for message_id in self.sent if message_id in found]
