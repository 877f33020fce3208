"""A tenant's row in the connections table. Pure: no I/O, no clock.

The row contains the tenant's number of reserved connections, its number of shards and its revocation.

Each reserved connection is counted in two attributes: in `connections` and in `quarter_{n}`. The number `n` identifies
the quarter of an hour in which the client connected. Quarters are counted from the epoch.
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
"""Maximum lifetime of a connection in milliseconds: two hours, after which API Gateway closes it, and ten minutes for
delays.
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
    """Number of reserved connections for each quarter of an hour. Quarters are numbered from the epoch. A connection
    counts in the quarter in which it was opened."""
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
        """Find the quarters with leaked reservations.

        All connections of such a quarter have ended, so all its remaining reservations are leaks.

        Yields:
            The number of the quarter, and the number of its remaining reservations.
        """
        for quarter, reserved in self.quarters.items():
            if (quarter + 1) * QUARTER_MS + MAX_CONNECTION_MS <= now_ms:
                yield quarter, reserved


def read_shard_count(row: Mapping[str, AttributeValueTypeDef]) -> int:
    """Return the number of shards in a tenant's row, or 1 if the row has no such attribute."""
    return read_integer(row, "shards") or 1


def read_integer(row: Mapping[str, AttributeValueTypeDef], name: str) -> int:
    """Return an integer attribute of a row, or 0 if the row does not have it."""
    return int(row.get(name, {}).get("N", "0"))
