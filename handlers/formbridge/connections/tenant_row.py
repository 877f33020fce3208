"""A tenant's row in the connections table. Pure: no I/O, no clock.

The row contains the tenant's number of reserved connections, its number of shards and its token buckets.

Each reserved connection is counted in two attributes: in `connections` and in `period_{n}`. The number `n` identifies
the period of five minutes in which the client connected. Periods are counted from the epoch.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..runtime import keys

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

PERIOD_MS: Final = 5 * 60 * 1000
"""Length of a period in milliseconds: five minutes."""
PERIOD_PREFIX: Final = "period_"
"""Prefix of the attributes that count the connections that were opened in one period."""


@dataclass(frozen=True, slots=True)
class TenantRow:
    """A tenant's row."""

    tenant_id: str
    connections: int
    """Number of reserved connections."""
    periods: Mapping[int, int]
    """Number of reserved connections for each period. Periods are numbered from the epoch. A connection counts in the
    period in which it was opened."""
    shards: int = 1
    """Number of partitions that may hold rows of the tenant's connections. It never decreases, because a row is never
    moved to another partition."""

    @classmethod
    def from_row(cls, row: Mapping[str, AttributeValueTypeDef]) -> TenantRow:
        """Read a row as DynamoDB returns it."""
        return cls(
            keys.parse_tenant_partition(row["PK"].get("S", ""))[0],
            connections=read_integer(row, "connections"),
            periods={
                int(name.removeprefix(PERIOD_PREFIX)): read_integer(row, name)
                for name in row
                if name.startswith(PERIOD_PREFIX)
            },
            shards=read_shard_count(row),
        )

    @property
    def counted(self) -> int:
        """Number of reserved connections in all periods. It is equal to `connections` unless an attribute is lost."""
        return sum(self.periods.values())


@dataclass(frozen=True, slots=True)
class Shortage:
    """Result of taking tokens from a bucket that does not hold enough."""

    wait_us: int
    """Time until the bucket holds enough tokens, in microseconds, if nobody else takes one."""
    connections: int
    """Number of reserved connections of the tenant."""


def read_shard_count(row: Mapping[str, AttributeValueTypeDef]) -> int:
    """Return the number of shards in a tenant's row, or 1 if the row has no such attribute."""
    return read_integer(row, "shards") or 1


def read_integer(row: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    """Return an integer attribute of a row, or 0 if the row does not have it."""
    return int(row.get(name, {}).get("N", "0"))
