"""One row a tenant in the connections table: how many connections it has, in which partitions, and which tokens count.

The number is reserved before a connection's row is written and released after it was deleted, each by one conditional
write to one item: however many connect at a time, no more than the limit get in. What a crash in between leaves
reserved is given back by itself: reservations are also counted by the quarter of an hour they were made in, and once
no connection of a quarter can be open any more, what is left of it is a leak (docs/adr/0013).

A connection's row stands in one of the tenant's partitions, its shard. The tenant's row tells how many partitions there
are to read, and tells it before a row is written there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..runtime import keys
from .tenant_row import QUARTER_MS, QUARTER_PREFIX, read_integer, read_shard_count

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

Refusal = Literal["too_many_connections", "revoked"]


@dataclass(frozen=True, slots=True)
class Tenants:
    """The tenants' rows."""

    client: DynamoDBClient
    table_name: str

    def reserve(self, tenant_id: str, connected_at: int, issued_at: int, limit: int, shard: int = 0) -> Refusal | None:
        """Count one connection more, at `connected_at` (epoch milliseconds), by a token of `issued_at` (epoch seconds).

        What is returned says why it may not be. Once it is counted, whoever reads the tenant's connections knows of the
        shard that its row will stand in.
        """
        known = " AND shards > :shard" if shard else ""
        values: dict[str, AttributeValueTypeDef] = {
            ":one": {"N": "1"},
            ":limit": {"N": str(limit)},
            ":issued_at": {"N": str(issued_at)},
        }
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_key(tenant_id),
                UpdateExpression="ADD connections :one, #quarter :one",
                ConditionExpression=(
                    "(attribute_not_exists(connections) OR connections < :limit)"
                    f" AND (attribute_not_exists(revoked_at) OR revoked_at <= :issued_at){known}"
                ),
                ExpressionAttributeNames={"#quarter": _quarter(connected_at // QUARTER_MS)},
                ExpressionAttributeValues={**values, ":shard": {"N": str(shard)}} if shard else values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as refused:
            held = refused.response.get("Item", {})
            if issued_at < read_integer(held, "revoked_at"):
                return "revoked"
            if read_shard_count(held) > shard or read_integer(held, "connections") >= limit:
                return "too_many_connections"
        else:
            return None
        self._open_up(tenant_id, shard)
        return self.reserve(tenant_id, connected_at, issued_at, limit, shard)

    def _open_up(self, tenant_id: str, shard: int) -> None:
        """From now on a row may stand in the shard: once for each, as their number never falls."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_key(tenant_id),
                UpdateExpression="SET shards = :shards",
                ConditionExpression="attribute_not_exists(shards) OR shards < :shards",
                ExpressionAttributeValues={":shards": {"N": str(shard + 1)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def release(self, tenant_id: str, connected_at: Iterable[int]) -> None:
        """Count these connections no longer; where a quarter was given back as a whole, they were with it."""
        for quarter, count in Counter(moment // QUARTER_MS for moment in connected_at).items():
            try:
                self.client.update_item(
                    TableName=self.table_name,
                    Key=_key(tenant_id),
                    UpdateExpression="ADD connections :less, #quarter :less",
                    ConditionExpression="attribute_exists(#quarter)",
                    ExpressionAttributeNames={"#quarter": _quarter(quarter)},
                    ExpressionAttributeValues={":less": {"N": str(-count)}},
                )
            except self.client.exceptions.ConditionalCheckFailedException:
                continue

    def reclaim(self, tenant_id: str, quarter: int, left: int) -> None:
        """Forget a quarter and what is reserved for it, unless that has changed."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_key(tenant_id),
                UpdateExpression="SET connections = connections - :left REMOVE #quarter",
                ConditionExpression="#quarter = :left",
                ExpressionAttributeNames={"#quarter": _quarter(quarter)},
                ExpressionAttributeValues={":left": {"N": str(left)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def revoke(self, tenant_id: str, issued_before: int) -> None:
        """From now on refuse the tenant's tokens that were issued before a moment, in epoch seconds."""
        self.client.update_item(
            TableName=self.table_name,
            Key=_key(tenant_id),
            UpdateExpression="SET revoked_at = :moment",
            ExpressionAttributeValues={":moment": {"N": str(issued_before)}},
        )


def _key(tenant_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": keys.tenant_partition(tenant_id)}, "SK": {"S": keys.TENANT_SORT_KEY}}


def _quarter(number: int) -> str:
    return f"{QUARTER_PREFIX}{number}"
