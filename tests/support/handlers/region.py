"""AWS in memory: the tables as the components make them, and the queues."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from formbridge.revocations.revocation import FOREVER, Kind, Revocation, Target
from formbridge.revocations.table import build_revocation_key
from tests.support.handlers.builders import image

if TYPE_CHECKING:
    from collections.abc import Callable, Generator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef
    from mypy_boto3_sqs import SQSClient

    from formbridge.submissions.submission import Submission

SUBMISSIONS = "submissions"
CONNECTIONS = "connections"
REVOCATIONS = "revocations"


def put_revocation(dynamodb: DynamoDBClient, table: str, target: Target, revocation: Revocation) -> None:
    """Write a revocation as `python -m tools revoke` leaves it."""
    times: dict[str, AttributeValueTypeDef] = {name: {"N": str(at)} for name, at in asdict(revocation).items()}
    dynamodb.put_item(TableName=table, Item={**build_revocation_key(target), "target": {"S": target.key}, **times})


@dataclass(frozen=True)
class Region:
    """What the handlers find in AWS."""

    dynamodb: DynamoDBClient
    sqs: SQSClient
    queue_url: str
    """Of the dead-letter queue."""
    fanout_queue_url: str

    def put(self, *held: Submission) -> None:
        for submission in held:
            self.dynamodb.put_item(TableName=SUBMISSIONS, Item=image(submission))

    def clear(self) -> None:
        """Empty the tables and the queues."""
        for table in (SUBMISSIONS, CONNECTIONS, REVOCATIONS):
            for item in self.dynamodb.scan(TableName=table)["Items"]:
                self.dynamodb.delete_item(TableName=table, Key={"PK": item["PK"], "SK": item["SK"]})
        self.dead_letters()
        self.handed_over()

    def item(self, submission_id: str, tenant_id: str = "t_acme") -> dict[str, AttributeValueTypeDef] | None:
        return self._get(SUBMISSIONS, f"SUB#{tenant_id}#{submission_id}", "META")

    def connection(self, tenant_id: str, connection_id: str, shard: int = 0) -> dict[str, AttributeValueTypeDef] | None:
        partition = f"TENANT#{tenant_id}#{shard}" if shard else f"TENANT#{tenant_id}"
        return self._get(CONNECTIONS, partition, f"CONN#{connection_id}")

    def tenant(self, tenant_id: str) -> dict[str, AttributeValueTypeDef] | None:
        return self._get(CONNECTIONS, f"TENANT#{tenant_id}", "TENANT")

    def user(self, tenant_id: str, user: str) -> dict[str, AttributeValueTypeDef] | None:
        return self._get(CONNECTIONS, f"TENANT#{tenant_id}", f"USER#{user}")

    def revoke(self, target: Target, revocation: Revocation) -> None:
        put_revocation(self.dynamodb, REVOCATIONS, target, revocation)

    def revoke_tenant(self, tenant_id: str, signed_in_before: int) -> None:
        self.revoke(Target(Kind.TENANT, tenant_id), Revocation(signed_in_before, FOREVER))

    def _get(self, table: str, partition: str, sort: str) -> dict[str, AttributeValueTypeDef] | None:
        return self.dynamodb.get_item(TableName=table, Key={"PK": {"S": partition}, "SK": {"S": sort}}).get("Item")

    @contextmanager
    def on(self, event: str, act: Callable[..., None]) -> Generator[None]:
        """Let `act` see, or disturb, what is asked of `dynamodb`; `event` is one of botocore's."""
        events = self.dynamodb.meta.events
        events.register(event, act)
        try:
            yield
        finally:
            events.unregister(event, act)

    def dead_letters(self) -> list[str]:
        """Take what is in the dead-letter queue: the bodies of at most ten messages."""
        return self._take(self.queue_url)

    def handed_over(self) -> list[str]:
        """Take what is in the fan-out queue: the bodies of at most ten messages."""
        return self._take(self.fanout_queue_url)

    def _take(self, queue_url: str) -> list[str]:
        messages = self.sqs.receive_message(QueueUrl=queue_url, MaxNumberOfMessages=10).get("Messages", [])
        for message in messages:
            self.sqs.delete_message(QueueUrl=queue_url, ReceiptHandle=message.get("ReceiptHandle", ""))
        return [message.get("Body", "") for message in messages]


INDEXED = (
    "tenant_id",
    "submission_id",
    "form_id",
    "status",
    "version",
    "incarnation",
    "submitted_at",
    "updated_at",
    "ttl",
)
"""What GSI1 holds beside the keys."""


def make_submissions_table(dynamodb: DynamoDBClient) -> None:
    """As components/stream_table.py makes it."""
    dynamodb.create_table(
        TableName=SUBMISSIONS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "GSI1PK", "GSI1SK")
        ],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "GSI1",
                "KeySchema": [
                    {"AttributeName": "GSI1PK", "KeyType": "HASH"},
                    {"AttributeName": "GSI1SK", "KeyType": "RANGE"},
                ],
                "Projection": {
                    "ProjectionType": "INCLUDE",
                    "NonKeyAttributes": list(INDEXED),
                },
            }
        ],
    )


def make_connections_table(dynamodb: DynamoDBClient) -> None:
    """As components/websocket_gateway.py makes it."""
    dynamodb.create_table(
        TableName=CONNECTIONS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK")],
    )


def make_revocations_table(dynamodb: DynamoDBClient) -> None:
    """As components/websocket_gateway.py makes it."""
    dynamodb.create_table(
        TableName=REVOCATIONS,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=[{"AttributeName": "PK", "KeyType": "HASH"}, {"AttributeName": "SK", "KeyType": "RANGE"}],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name in ("PK", "SK", "target")],
        GlobalSecondaryIndexes=[
            {
                "IndexName": "REVOCATIONS",
                "KeySchema": [{"AttributeName": "target", "KeyType": "HASH"}],
                "Projection": {"ProjectionType": "ALL"},
            }
        ],
    )
