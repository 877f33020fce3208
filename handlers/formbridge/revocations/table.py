"""The revocations table: the revocation of each target, and an audit item for each change. This module only reads.

`python -m tools` writes the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..runtime import batch_read, keys
from .revocation import Revocation, Revocations, Target, list_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from ..access.principal import Principal


@dataclass(frozen=True, slots=True)
class RevocationsTable:
    """The revocations table that `WebSocketGateway` creates."""

    client: DynamoDBClient
    """The DynamoDB client."""
    table_name: str
    """Name of the table."""

    def find(self, tenant_id: str, principal: Principal) -> Revocations:
        """Return the revocations that apply to a connection, with strongly consistent reads.

        Raises:
            ItemsUnread: DynamoDB did not return all items, so it is not known whether the connection is revoked.
        """
        wanted = [build_revocation_key(target) for target in list_targets(tenant_id, principal)]
        return _parse_revocations(batch_read.read_items(self.client, self.table_name, wanted))

    def read_all(self) -> Revocations:
        """Return all revocations.

        The index contains no audit items. Its reads are eventually consistent, so the newest revocation may be missing.
        """
        items: list[Mapping[str, AttributeValueTypeDef]] = []
        start: dict[str, Any] = {}
        while True:
            page = self.client.scan(TableName=self.table_name, IndexName=keys.REVOCATIONS_INDEX, **start)
            items += page["Items"]
            if "LastEvaluatedKey" not in page:
                return _parse_revocations(items)
            start = {"ExclusiveStartKey": page["LastEvaluatedKey"]}


def build_revocation_key(target: Target) -> dict[str, AttributeValueTypeDef]:
    """Return the key of a target's revocation."""
    return {"PK": {"S": target.key}, "SK": {"S": keys.REVOCATION_SORT_KEY}}


def parse_revocation(item: Mapping[str, AttributeValueTypeDef]) -> Revocation:
    """Read a revocation from its item. An item without attributes is a revocation that refuses nothing."""

    def read(name: str) -> int:
        return int(item.get(name, {}).get("N", "0"))

    return Revocation(read("signed_in_before"), read("revoked_until"), read("blocked_until"))


def _parse_revocations(items: Iterable[Mapping[str, AttributeValueTypeDef]]) -> Revocations:
    return Revocations({Target.from_key(item["PK"].get("S", "")): parse_revocation(item) for item in items})
