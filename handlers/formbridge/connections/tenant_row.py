"""A tenant's row in the connections table: its number of connections, its shards and its revocation."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..runtime import keys

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

QUARTER_MS: Final = 15 * 60 * 1000
MAX_CONNECTION_MS: Final = 130 * 60 * 1000
"""API Gateway closes a connection after two hours; ten minutes for what is still under way then.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
QUARTER_PREFIX: Final = "quarter_"
"""Prefix of the attributes that count the connections of a quarter of an hour."""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant's row."""

    tenant_id: str
    connections: int
    """How many are reserved."""
    revoked_at: int
    """Tokens issued before are refused, in epoch seconds; 0: none is."""
    quarters: Mapping[int, int]
    """By the number of a quarter of an hour since the epoch: how many reserved then are left."""
    shards: int = 1
    """In how many partitions its connections' rows may stand. It never falls: what was written there stays there."""

    @classmethod
    def from_row(cls, row: Mapping[str, AttributeValueTypeDef]) -> TenantRow:
        return cls(
            keys.parse_tenant_partition(row["PK"].get("S", ""))[0],
            connections=read_integer(row, "connections"),
            revoked_at=read_integer(row, "revoked_at"),
            quarters={
                int(name.removeprefix(QUARTER_PREFIX)): read_integer(row, name)
                for name in row
                if name.startswith(QUARTER_PREFIX)
            },
            shards=read_shard_count(row),
        )

    def find_leaks(self, now_ms: int) -> Iterator[tuple[int, int]]:
        """The quarters whose connections have all ended, and what is still reserved for each."""
        for quarter, left in self.quarters.items():
            if (quarter + 1) * QUARTER_MS + MAX_CONNECTION_MS <= now_ms:
                yield quarter, left


def read_shard_count(row: Mapping[str, AttributeValueTypeDef]) -> int:
    """Return the number of partitions that a tenant's row names; 1 before a row was written to a second one."""
    return read_integer(row, "shards") or 1


def read_integer(row: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    """Return an integer attribute of a row; 0 if the row does not have it."""
    return int(row.get(name, {}).get("N", "0"))
