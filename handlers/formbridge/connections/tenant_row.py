"""A tenant's row in the connections table: its number of connections, shards and revocation. Pure.

A connection is counted in two attributes: `connections`, and `quarter_{n}`, where `n` is the number of quarters of an
hour from the epoch until it connected.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..runtime import keys

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

QUARTER_MS: Final = 15 * 60 * 1000
"""A quarter of an hour in milliseconds."""
MAX_CONNECTION_MS: Final = 130 * 60 * 1000
"""Longest life of a connection: API Gateway closes it after two hours, and ten minutes are added for delays.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
QUARTER_PREFIX: Final = "quarter_"
"""Prefix of the attributes that count the connections that were opened in one quarter of an hour."""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant's row."""

    tenant_id: str
    connections: int
    """Number of reserved connections."""
    revoked_at: int
    """Time of the revocation in epoch seconds. Tokens that were issued earlier are refused. 0: no token is revoked."""
    quarters: Mapping[int, int]
    """Number of reserved connections by the quarter of an hour in which they were opened, counted from the epoch."""
    shards: int = 1
    """Number of partitions that may hold rows of the tenant's connections. It never decreases, because a row is never
    moved to another partition."""

    @classmethod
    def from_row(cls, row: Mapping[str, AttributeValueTypeDef]) -> TenantRow:
        """Read a row as DynamoDB returns it."""
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
        """Yield the leaked reservations: a quarter whose connections have all ended, and its reserved number."""
        for quarter, reserved in self.quarters.items():
            if (quarter + 1) * QUARTER_MS + MAX_CONNECTION_MS <= now_ms:
                yield quarter, reserved


def read_shard_count(row: Mapping[str, AttributeValueTypeDef]) -> int:
    """Return the number of partitions that a tenant's row names, or 1 if it names none."""
    return read_integer(row, "shards") or 1


def read_integer(row: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    """Return an integer attribute of a row, or 0 if the row does not have it."""
    return int(row.get(name, {}).get("N", "0"))
