"""The tenants' rows in the connections table: reservations of connections, and revocations.

A connection is reserved in its tenant's row before its own row is written, and released after its own row was deleted.
Each reservation and each release is one conditional write to one item, so the number of connections never exceeds the
limit, however many clients connect at the same time.

A crash between two writes can leave a reservation without a row. This is a leak, and the janitor reclaims it. To find
leaks, reservations are also counted by the quarter of an hour in which they were made. Once no connection of a quarter
can still be open, all remaining reservations of the quarter are leaks (docs/adr/0013).

The rows of a tenant's connections are spread over the tenant's shards. Each shard is one partition of the table. The
tenant's row contains the number of shards to read. This number is increased before a row is written to a new shard.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..runtime import keys
from .tenant_row import QUARTER_MS, QUARTER_PREFIX, read_integer, read_shard_count

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Refusal = Literal["too_many_connections", "revoked"]
"""Why a connection is refused: the tenant has reached its limit, or the token was revoked."""


@dataclass(frozen=True, slots=True)
class Tenants:
    """Reads and writes of the tenants' rows."""

    client: DynamoDBClient
    table_name: str
    """Name of the connections table."""

    def reserve(self, tenant_id: str, connected_at: int, issued_at: int, limit: int, shard: int = 0) -> Refusal | None:
        """Reserve a connection, unless the tenant has reached its limit or the token was revoked.

        After a successful reservation, every reader of the tenant's connections also reads `shard`.

        Args:
            tenant_id: The tenant.
            connected_at: When the client connected, in epoch milliseconds.
            issued_at: When the client's token was issued, in epoch seconds.
            limit: Maximum number of connections of the tenant.
            shard: The shard that the connection's row will be written to.

        Returns:
            The reason for a refusal, or None if the connection was reserved.
        """
        shard_condition = " AND shards > :shard" if shard else ""
        values: dict[str, AttributeValueTypeDef] = {
            ":one": {"N": "1"},
            ":limit": {"N": str(limit)},
            ":issued_at": {"N": str(issued_at)},
        }
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression="ADD connections :one, #quarter :one",
                ConditionExpression=(
                    "(attribute_not_exists(connections) OR connections < :limit)"
                    f" AND (attribute_not_exists(revoked_at) OR revoked_at <= :issued_at){shard_condition}"
                ),
                ExpressionAttributeNames={"#quarter": _name_quarter(connected_at // QUARTER_MS)},
                ExpressionAttributeValues={**values, ":shard": {"N": str(shard)}} if shard else values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as error:
            row = error.response.get("Item", {})
            if issued_at < read_integer(row, "revoked_at"):
                return "revoked"
            if read_shard_count(row) > shard or read_integer(row, "connections") >= limit:
                return "too_many_connections"
        else:
            return None
        # Only the condition on the number of shards failed: increase the number and try again.
        self._add_shard(tenant_id, shard)
        return self.reserve(tenant_id, connected_at, issued_at, limit, shard)

    def _add_shard(self, tenant_id: str, shard: int) -> None:
        """Increase the tenant's number of shards so that it includes `shard`. The number never decreases."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression="SET shards = :shards",
                ConditionExpression="attribute_not_exists(shards) OR shards < :shards",
                ExpressionAttributeValues={":shards": {"N": str(shard + 1)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def release(self, tenant_id: str, connected_at: Iterable[int]) -> None:
        """Release the reservations of connections whose rows were deleted.

        A quarter that the janitor has reclaimed is skipped, because its reservations are already released.

        Args:
            tenant_id: The tenant.
            connected_at: When each of the connections was opened, in epoch milliseconds.
        """
        for quarter, count in Counter(moment // QUARTER_MS for moment in connected_at).items():
            try:
                self.client.update_item(
                    TableName=self.table_name,
                    Key=_build_key(tenant_id),
                    UpdateExpression="ADD connections :less, #quarter :less",
                    ConditionExpression="attribute_exists(#quarter)",
                    ExpressionAttributeNames={"#quarter": _name_quarter(quarter)},
                    ExpressionAttributeValues={":less": {"N": str(-count)}},
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                continue

    def reclaim(self, tenant_id: str, quarter: int, left: int) -> None:
        """Release all reservations of a quarter and remove the attribute that counts them.

        Do nothing if the number of reservations has changed since the row was read.

        Args:
            tenant_id: The tenant.
            quarter: Number of the quarter of an hour, counted from the epoch.
            left: Number of reservations of the quarter when the row was read.
        """
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression="SET connections = connections - :left REMOVE #quarter",
                ConditionExpression="#quarter = :left",
                ExpressionAttributeNames={"#quarter": _name_quarter(quarter)},
                ExpressionAttributeValues={":left": {"N": str(left)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def read_epoch(self, tenant_id: str, history: str, now_ms: int) -> int:
        """Return the epoch of a tenant's history: the time of its last replacement, in epoch milliseconds.

        If the tenant's row names another history, the table was replaced, for example by one that was restored from a
        backup. The epoch is then raised.

        Args:
            tenant_id: The tenant.
            history: Identifies the history of the submissions table. Empty: unknown.
            now_ms: Current time in epoch milliseconds.
        """
        found = self.client.get_item(TableName=self.table_name, Key=_build_key(tenant_id), ConsistentRead=True)
        row = found.get("Item", {})
        if not history or row.get("history") == {"S": history}:
            return read_integer(row, "epoch")
        # The first history of a tenant replaces none. Clients have no cursors yet.
        if "history" in row:
            # Raise the epoch first. If the second write fails, the next request raises the epoch again.
            self.raise_epoch(tenant_id, now_ms)
        # Do not write the epoch here. A broadcast may have raised it since the row was read.
        updated = self.client.update_item(
            TableName=self.table_name,
            Key=_build_key(tenant_id),
            UpdateExpression="SET history = :history",
            ExpressionAttributeValues={":history": {"S": history}},
            ReturnValues="ALL_NEW",
        )
        return read_integer(updated["Attributes"], "epoch")

    def raise_epoch(self, tenant_id: str, now_ms: int) -> None:
        """Record that the tenant's history is replaced now: the views of all its clients then start anew.

        The epoch never decreases, even if the clocks of two Lambdas differ.
        """
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression="SET epoch = :now",
                ConditionExpression="attribute_not_exists(epoch) OR epoch < :now",
                ExpressionAttributeValues={":now": {"N": str(now_ms)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def revoke(self, tenant_id: str, issued_before: int) -> None:
        """Refuse new connections with tokens that were issued before `issued_before`, in epoch seconds."""
        self.client.update_item(
            TableName=self.table_name,
            Key=_build_key(tenant_id),
            UpdateExpression="SET revoked_at = :moment",
            ExpressionAttributeValues={":moment": {"N": str(issued_before)}},
        )


def _build_key(tenant_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": keys.tenant_partition(tenant_id)}, "SK": {"S": keys.TENANT_SORT_KEY}}


def _name_quarter(number: int) -> str:
    """Return the name of the attribute that counts the connections of a quarter."""
    return f"{QUARTER_PREFIX}{number}"
