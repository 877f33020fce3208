"""A user's row in the connections table. Pure: no I/O, no clock.

The row holds the set of the user's reserved connections. A set, unlike a number, stays right when a write is repeated,
and each of its members can be compared with the connections' rows by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from ..runtime import keys
from .tenant_row import PERIOD_MS

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from .connection import Reservation


class Member(NamedTuple):
    """A reserved connection in a user's row."""

    period: int
    """Number of the period in which the client connected, counted from the epoch."""
    connection_id: str

    @classmethod
    def of(cls, reservation: Reservation) -> Member:
        """Return the member of a reservation."""
        return cls(reservation.connected_at // PERIOD_MS, reservation.connection_id)

    @classmethod
    def parse(cls, text: str) -> Member:
        """Read a member that `str` returned."""
        period, _, connection_id = text.partition("#")
        return cls(int(period), connection_id)

    def __str__(self) -> str:
        """Return the member as the row has it."""
        return f"{self.period}#{self.connection_id}"


@dataclass(frozen=True, slots=True)
class UserRow:
    """The row of a user of a tenant."""

    tenant_id: str
    user: str
    """Keyed hash of the user."""
    members: frozenset[Member]
    """The reserved connections."""

    @classmethod
    def from_row(cls, row: Mapping[str, AttributeValueTypeDef]) -> UserRow:
        """Read a row as DynamoDB returns it."""
        return cls(
            keys.parse_tenant_partition(row["PK"].get("S", ""))[0],
            keys.parse_user_sort_key(row["SK"].get("S", "")),
            frozenset(map(Member.parse, row.get("connections", {}).get("SS", ()))),
        )
