"""The connections table: one row a connection, in the partition of its tenant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import timestamps
from .connection import Connection

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


@dataclass(frozen=True, slots=True)
class Registry:
    """The table as `WebSocketGateway` makes it."""

    client: DynamoDBClient
    table_name: str

    def add(self, connection: Connection, ttl_seconds: int) -> None:
        """Write the row of a new connection, which gets nothing until it subscribes.

        The row goes after `ttl_seconds`: never before API Gateway closes the connection, which it does after two hours.
        """
        ttl = connection.connected_at // 1000 + ttl_seconds
        self.client.put_item(
            TableName=self.table_name,
            Item={
                **_key(connection.tenant_id, connection.connection_id),
                "subscribed": {"BOOL": False},
                "connected_at": {"N": str(connection.connected_at)},
                "expires_at": {"N": str(connection.expires_at)},
                "ttl": {"N": str(ttl)},
            },
        )

    def remove(self, tenant_id: str, connection_id: str) -> None:
        """Delete a connection's row; one that is gone already is fine."""
        self.client.delete_item(TableName=self.table_name, Key=_key(tenant_id, connection_id))

    def subscribe(self, tenant_id: str, connection_id: str) -> bool:
        """From now on the connection gets its tenant's updates; False where it has no row."""
        return self._set_subscribed(tenant_id, connection_id, subscribed=True)

    def unsubscribe(self, tenant_id: str, connection_id: str) -> bool:
        """From now on the connection gets no updates; False where it has no row."""
        return self._set_subscribed(tenant_id, connection_id, subscribed=False)

    def is_subscribed(self, tenant_id: str, connection_id: str) -> bool | None:
        """Whether the connection has subscribed; None where it has no row."""
        row = self.client.get_item(
            TableName=self.table_name,
            Key=_key(tenant_id, connection_id),
            ProjectionExpression="subscribed",
            ConsistentRead=True,
        )
        return row["Item"].get("subscribed") == {"BOOL": True} if "Item" in row else None

    def subscribed(self, tenant_id: str) -> Iterator[Connection]:
        """The tenant's subscribed connections. Read consistently: a subscription counts once it is acknowledged."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table_name,
            KeyConditionExpression="PK = :partition",
            FilterExpression="subscribed = :true AND #ttl > :now",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={
                ":partition": {"S": f"TENANT#{tenant_id}"},
                ":true": {"BOOL": True},
                ":now": {"N": str(timestamps.now_ms() // 1000)},
            },
            ConsistentRead=True,
        )
        for page in pages:
            for row in page["Items"]:
                yield _connection(tenant_id, row)

    def mark_behind(self, connection: Connection, since_ms: int) -> None:
        """Note that the connection missed a post; where its row is gone, so is the connection."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_key(connection.tenant_id, connection.connection_id),
                UpdateExpression="SET behind = :since",
                ConditionExpression="attribute_exists(PK)",
                ExpressionAttributeValues={":since": {"N": str(since_ms)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def clear_behind(self, connection: Connection) -> None:
        """The connection was told to resync. A mark that another broadcast set since then stays."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_key(connection.tenant_id, connection.connection_id),
                UpdateExpression="REMOVE behind",
                ConditionExpression="behind = :seen",
                ExpressionAttributeValues={":seen": {"N": str(connection.behind)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def _set_subscribed(self, tenant_id: str, connection_id: str, *, subscribed: bool) -> bool:
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_key(tenant_id, connection_id),
                UpdateExpression="SET subscribed = :subscribed",
                ConditionExpression="attribute_exists(PK)",
                ExpressionAttributeValues={":subscribed": {"BOOL": subscribed}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True


def _key(tenant_id: str, connection_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": f"CONN#{connection_id}"}}


def _connection(tenant_id: str, row: dict[str, AttributeValueTypeDef]) -> Connection:
    behind = row.get("behind", {}).get("N")
    return Connection(
        tenant_id=tenant_id,
        connection_id=row["SK"].get("S", "").removeprefix("CONN#"),
        connected_at=int(row["connected_at"].get("N", "0")),
        expires_at=int(row["expires_at"].get("N", "0")),
        behind=int(behind) if behind is not None else None,
    )
