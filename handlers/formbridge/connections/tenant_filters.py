"""The tenants' rows of subscription filters in the connections table, which limit the distinct filters of a tenant.

A broadcast matches each change with each distinct filter of the tenant's connections. A filter is recorded in the
tenant's row before it is written to a connection's row, with one conditional write. Nothing is removed when a
connection ends or changes its filter. Instead, the janitor compares the row with the connections once per minute.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..runtime import keys
from .filters_row import build_entry

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from ..wire.subscription_filter import SubscriptionFilter

TTL_SECONDS: Final = 2 * 3600 + 600
"""Seconds after the last `subscribe` with a filter until the row may be deleted. API Gateway has closed the connection
by then, because it keeps a connection for at most two hours."""


_ADD: Final = "ADD filters :entries SET #ttl = :ttl"
"""Update that adds entries and extends the life of the row."""


@dataclass(frozen=True, slots=True)
class TenantFilters:
    """Writes of the tenants' rows of subscription filters."""

    client: DynamoDBClient
    table_name: str
    """Name of the connections table."""

    def record(self, tenant_id: str, subscription_filter: SubscriptionFilter, limit: int, now_ms: int) -> bool:
        """Record a filter, unless the tenant has reached its limit. Return whether the filter is recorded.

        Args:
            tenant_id: The tenant.
            subscription_filter: The filter.
            limit: Maximum number of distinct filters of the tenant.
            now_ms: Current time in epoch milliseconds.
        """
        entry = build_entry(subscription_filter)
        condition = "attribute_not_exists(filters) OR contains(filters, :entry) OR size(filters) < :limit"
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression=_ADD,
                ConditionExpression=condition,
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    **_build_values([entry], now_ms),
                    ":entry": {"S": entry},
                    ":limit": {"N": str(limit)},
                },
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def restore(self, tenant_id: str, entries: Collection[str], now_ms: int) -> None:
        """Record filters that connections have although they are not recorded, whatever the limit.

        The janitor may remove a filter at the moment in which a connection subscribes with it.
        """
        self.client.update_item(
            TableName=self.table_name,
            Key=_build_key(tenant_id),
            UpdateExpression=_ADD,
            ExpressionAttributeNames={"#ttl": "ttl"},
            ExpressionAttributeValues=_build_values(entries, now_ms),
        )

    def remove(self, tenant_id: str, entries: Collection[str]) -> None:
        """Remove filters that no connection has any more. Do nothing if the tenant has no recorded filters."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id),
                UpdateExpression="DELETE filters :entries",
                # Without the condition, a row that DynamoDB has deleted would come back without a `ttl`.
                ConditionExpression="attribute_exists(filters)",
                ExpressionAttributeValues={":entries": {"SS": sorted(entries)}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return


def _build_key(tenant_id: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": keys.tenant_partition(tenant_id)}, "SK": {"S": keys.FILTERS_SORT_KEY}}


def _build_values(entries: Iterable[str], now_ms: int) -> dict[str, AttributeValueTypeDef]:
    """Return the values of `_ADD`."""
    return {":entries": {"SS": sorted(entries)}, ":ttl": {"N": str(now_ms // 1000 + TTL_SECONDS)}}
