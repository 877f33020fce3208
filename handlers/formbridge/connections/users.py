"""The users' rows in the connections table: reservations of connections per user of a tenant.

A connection is reserved in its user's row before its own row is written, and released after its own row was deleted. A
crash between two writes leaves a member without a row, which the janitor removes (docs/adr/0031).
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..runtime import keys
from .user_row import Member

if TYPE_CHECKING:
    from collections.abc import Iterable

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from .connection import Reservation


@dataclass(frozen=True, slots=True)
class Users:
    """Reads and writes of the users' rows. Users are keyed hashes."""

    client: DynamoDBClient
    table_name: str
    """Name of the connections table."""

    def reserve(self, tenant_id: str, reservation: Reservation, ttl: int, limit: int) -> bool:
        """Reserve a connection, unless its user has reached the limit. Return whether it is reserved.

        A connection that is reserved already stays so. A connection without a user needs no reservation.

        Args:
            tenant_id: The tenant.
            reservation: The connection.
            ttl: When the connection's row may be deleted, in epoch seconds. The user's row stays as long.
            limit: Maximum number of connections of the user.
        """
        if not reservation.user:
            return True
        member = str(Member.of(reservation))
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id, reservation.user),
                UpdateExpression="ADD connections :members SET #ttl = :ttl",
                ConditionExpression=(
                    "attribute_not_exists(connections) OR size(connections) < :limit OR contains(connections, :member)"
                ),
                ExpressionAttributeNames={"#ttl": "ttl"},
                ExpressionAttributeValues={
                    ":members": {"SS": [member]},
                    ":member": {"S": member},
                    ":limit": {"N": str(limit)},
                    ":ttl": {"N": str(ttl)},
                },
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return False
        return True

    def release(self, tenant_id: str, reservations: Iterable[Reservation]) -> None:
        """Release the reservations of connections whose rows were deleted, with one write per user."""
        members: defaultdict[str, set[Member]] = defaultdict(set)
        for reservation in reservations:
            members[reservation.user].add(Member.of(reservation))
        for user, ended in members.items():
            if user:
                self.remove(tenant_id, user, ended)

    def remove(self, tenant_id: str, user: str, members: Iterable[Member]) -> None:
        """Remove members from a user's row. Do nothing if the user has no row."""
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id, user),
                UpdateExpression="DELETE connections :members",
                ConditionExpression="attribute_exists(connections)",
                ExpressionAttributeValues={":members": {"SS": sorted(map(str, members))}},
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return

    def is_full(self, tenant_id: str, user: str, limit: int) -> bool:
        """Return whether a user has reached the limit. A connection without a user has no limit."""
        if not user:
            return False
        found = self.client.get_item(
            TableName=self.table_name, Key=_build_key(tenant_id, user), ConsistentRead=True
        ).get("Item", {})
        return len(found.get("connections", {}).get("SS", ())) >= limit


def _build_key(tenant_id: str, user: str) -> dict[str, AttributeValueTypeDef]:
    return {"PK": {"S": keys.tenant_partition(tenant_id)}, "SK": {"S": keys.user_sort_key(user)}}
