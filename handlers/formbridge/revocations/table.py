"""The revocations table: the revocation of each target, and an audit item for each change. This module only reads.

`python -m tools` writes the table.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from ..runtime import keys
from .revocation import Revocation, Revocations, Target, list_targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from ..access.principal import Principal

MAX_READS: Final = 5
"""Maximum number of requests for the items of one connection. DynamoDB may return a part of them only."""


class RevocationsUnknown(Exception):
    """DynamoDB did not return all items, so it is not known whether a connection is revoked."""


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
            RevocationsUnknown: DynamoDB did not return all items.
        """
        wanted: Any = [build_revocation_key(target) for target in list_targets(tenant_id, principal)]
        items: list[Mapping[str, AttributeValueTypeDef]] = []
        for _ in range(MAX_READS):
            answer = self.client.batch_get_item(
                RequestItems={self.table_name: {"Keys": wanted, "ConsistentRead": True}}
            )
            items += answer["Responses"].get(self.table_name, [])
            wanted = answer["UnprocessedKeys"].get(self.table_name, {"Keys": []})["Keys"]
            if not wanted:
                return _parse_revocations(items)
        raise RevocationsUnknown(f"{len(wanted)} items of the revocations table were not returned")

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
