"""A tenant's row of subscription filters in the connections table. Pure: no I/O, no clock.

Each entry is the id of a filter and its cost, such as `3ae6865d96cf:2`. Equal filters have equal entries. The costs
tell a broadcast how much work the filters are before it has read the connections.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..runtime import keys

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from ..wire.subscription_filter import SubscriptionFilter


@dataclass(frozen=True, slots=True)
class FiltersRow:
    """A tenant's row of subscription filters."""

    tenant_id: str
    entries: frozenset[str]
    """The recorded filters, as `build_entry` returns them."""

    @classmethod
    def from_row(cls, row: Mapping[str, AttributeValueTypeDef]) -> FiltersRow:
        """Read a row as DynamoDB returns it."""
        return cls(keys.parse_tenant_partition(row["PK"].get("S", ""))[0], read_entries(row))


def build_entry(subscription_filter: SubscriptionFilter) -> str:
    """Return the entry of a filter in its tenant's row: its id and its cost."""
    return f"{subscription_filter.id}:{subscription_filter.cost}"


def read_entries(row: Mapping[str, AttributeValueTypeDef]) -> frozenset[str]:
    """Return the entries of a row."""
    return frozenset(row.get("filters", {}).get("SS", ()))


def read_costs(row: Mapping[str, AttributeValueTypeDef]) -> Sequence[int]:
    """Return the costs of the recorded filters, in ascending order."""
    return tuple(sorted(int(entry.partition(":")[2]) for entry in read_entries(row)))
