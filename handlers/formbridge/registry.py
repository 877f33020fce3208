"""The connections table: one row a connection, in the partition of its tenant, and one for the tenant itself."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from . import timestamps
from .connection import Connection, Refused
from .subscription_filter import SubscriptionFilter
from .tenants import SORT_KEY, Refusal, Tenant, Tenants, number, partition

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from .rate_limit import Rate

Row = Mapping[str, "AttributeValueTypeDef"]
_CONNECTION: Final = "CONN#"


@dataclass(frozen=True, slots=True)
class Registry:
    """The table as `WebSocketGateway` makes it."""

    client: DynamoDBClient
    table_name: str

    @property
    def tenants(self) -> Tenants:
        """The tenants' rows, in the same table."""
        return Tenants(self.client, self.table_name)

    def add(self, connection: Connection, max_connections: int) -> Refusal | None:
        """Write the row of a new connection, which gets nothing until it subscribes.

        What is returned says why it may not be: its tenant has `max_connections` already, or its token was revoked.
        """
        tenant_id, connected_at = connection.tenant_id, connection.connected_at
        refusal = self.tenants.reserve(tenant_id, connected_at, connection.issued_at, max_connections)
        if refusal is not None:
            return refusal
        try:
            self.client.put_item(
                TableName=self.table_name,
                Item={
                    **_key(tenant_id, connection.connection_id),
                    "subscribed": {"BOOL": False},
                    "connected_at": {"N": str(connected_at)},
                    "issued_at": {"N": str(connection.issued_at)},
                    "expires_at": {"N": str(connection.expires_at)},
                    "ttl": {"N": str(connection.ttl)},
                },
            )
        except (BotoCoreError, ClientError):
            # It may have been written all the same.
            self._delete(tenant_id, connection.connection_id)
            self.tenants.release(tenant_id, connected_at)
            raise
        return None

    def remove(self, tenant_id: str, connection_id: str) -> None:
        """Delete a connection's row; one that is gone already is fine."""
        if row := self._delete(tenant_id, connection_id):
            self.tenants.release(tenant_id, number(row, "connected_at"))

    def admit(self, tenant_id: str, connection_id: str, rate: Rate, now_ms: int) -> Connection | Refused | None:
        """Let a message of the connection through, or refuse it for coming too soon; None where it has no row.

        Most messages find the bucket full, and take one write, which brings the row along.
        """
        now_us = now_ms * 1000
        done, row = self._update(
            tenant_id,
            connection_id,
            "SET full_at = :next REMOVE refusals",
            "attribute_exists(PK) AND (attribute_not_exists(full_at) OR full_at <= :now)",
            {":next": {"N": str(now_us + rate.interval_us)}, ":now": {"N": str(now_us)}},
        )
        if not done and row:
            done, row = self._update(
                tenant_id,
                connection_id,
                "SET full_at = full_at + :interval",
                "full_at <= :latest",
                {":interval": {"N": str(rate.interval_us)}, ":latest": {"N": str(now_us + rate.tolerance_us)}},
            )
        if done or not row:
            return _connection(row) if row else None
        wait_ms = rate.wait_ms(number(row, "full_at"), now_us)
        _, row = self._update(
            tenant_id, connection_id, "ADD refusals :one", "attribute_exists(PK)", {":one": {"N": "1"}}
        )
        return Refused(_connection(row), wait_ms, number(row, "refusals")) if row else None

    def subscribe(self, tenant_id: str, connection_id: str, wanted: SubscriptionFilter | None) -> bool:
        """From now on the connection gets its tenant's updates, or those that it wants; False where it has no row."""
        values: Row = {":true": {"BOOL": True}, ":now": {"N": str(timestamps.now_ms())}}
        update = "SET subscribed = :true, subscribed_at = :now"
        if wanted is None:
            return self._change(tenant_id, connection_id, f"{update} REMOVE #filter", values)
        values = {**values, ":filter": {"S": wanted.text}}
        return self._change(tenant_id, connection_id, f"{update}, #filter = :filter", values)

    def unsubscribe(self, tenant_id: str, connection_id: str) -> bool:
        """From now on the connection gets no updates; False where it has no row."""
        values: Row = {":false": {"BOOL": False}}
        return self._change(tenant_id, connection_id, "SET subscribed = :false REMOVE #filter", values)

    def extend(self, connection: Connection, expires_at: int, issued_at: int) -> bool:
        """The connection has a new token, by which it lasts longer; False where it has no row."""
        values: Row = {":expires_at": {"N": str(expires_at)}, ":issued_at": {"N": str(issued_at)}}
        update = "SET expires_at = :expires_at, issued_at = :issued_at"
        return self._change(connection.tenant_id, connection.connection_id, update, values)

    def mark_behind(self, connection: Connection, since_ms: int) -> None:
        """Note that the connection missed a post; where its row is gone, so is the connection."""
        values: Row = {":since": {"N": str(since_ms)}}
        self._change(connection.tenant_id, connection.connection_id, "SET behind = :since", values)

    def clear_behind(self, connection: Connection) -> None:
        """The connection was told to resync. A mark that another broadcast set since then stays."""
        self._update(
            connection.tenant_id,
            connection.connection_id,
            "REMOVE behind",
            "behind = :seen",
            {":seen": {"N": str(connection.behind)}},
        )

    def connected(self, tenant_id: str) -> Iterator[Connection]:
        """The tenant's connections. Read consistently: a subscription counts once it is acknowledged."""
        pages = self.client.get_paginator("query").paginate(
            TableName=self.table_name,
            KeyConditionExpression="PK = :partition AND begins_with(SK, :connection)",
            FilterExpression="#ttl > :now",
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues={
                ":partition": {"S": partition(tenant_id)},
                ":connection": {"S": _CONNECTION},
                ":now": {"N": str(timestamps.now_ms() // 1000)},
            },
            ConsistentRead=True,
        )
        for page in pages:
            yield from map(_connection, page["Items"])

    def everything(self) -> Iterator[Connection | Tenant]:
        """Every row of every tenant. Read consistently: a token that was renewed counts."""
        for page in self.client.get_paginator("scan").paginate(TableName=self.table_name, ConsistentRead=True):
            for row in page["Items"]:
                yield Tenant.from_row(row) if row["SK"] == {"S": SORT_KEY} else _connection(row)

    def _delete(self, tenant_id: str, connection_id: str) -> Row:
        """Delete a connection's row; what stood in it."""
        key = _key(tenant_id, connection_id)
        return self.client.delete_item(TableName=self.table_name, Key=key, ReturnValues="ALL_OLD").get("Attributes", {})

    def _change(self, tenant_id: str, connection_id: str, update: str, values: Row) -> bool:
        """Change a connection's row; False where it has none."""
        return self._update(tenant_id, connection_id, update, "attribute_exists(PK)", values)[0]

    def _update(self, tenant_id: str, connection_id: str, update: str, condition: str, values: Row) -> tuple[bool, Row]:
        """Change a connection's row under a condition: whether that held, and the row; empty where there is none."""
        names: dict[str, Any] = {"ExpressionAttributeNames": {"#filter": "filter"}} if "#filter" in update else {}
        try:
            changed = self.client.update_item(
                TableName=self.table_name,
                Key=_key(tenant_id, connection_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeValues=values,
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
                **names,
            )
        except self.client.exceptions.ConditionalCheckFailedException as refused:
            return False, refused.response.get("Item", {})
        return True, changed["Attributes"]


def _key(tenant_id: str, connection_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": partition(tenant_id)}, "SK": {"S": f"{_CONNECTION}{connection_id}"}}


def _connection(row: Row) -> Connection:
    wanted = row.get("filter", {}).get("S")
    return Connection(
        tenant_id=row["PK"].get("S", "").removeprefix(partition("")),
        connection_id=row["SK"].get("S", "").removeprefix(_CONNECTION),
        connected_at=number(row, "connected_at"),
        expires_at=number(row, "expires_at"),
        issued_at=number(row, "issued_at"),
        subscribed=row.get("subscribed") == {"BOOL": True},
        filter=SubscriptionFilter.from_text(wanted) if wanted is not None else None,
        subscribed_at=number(row, "subscribed_at"),
        behind=number(row, "behind") if "behind" in row else None,
        ttl=number(row, "ttl"),
    )
