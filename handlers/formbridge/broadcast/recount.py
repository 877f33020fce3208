"""The recount, which compares the number of reserved connections of each tenant with the rows. Pure.

A crash between two writes can leave a reservation without a row, and a repeated write can count twice. Both are errors
of the number. A difference between the number and the rows can also come from a connection that ends at that moment,
because a sweep reads the rows one after the other. Therefore a period is corrected only by an amount that two sweeps
together prove (docs/adr/0023).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final, NamedTuple

from ..connections.tenant_row import PERIOD_MS

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterable, Iterator, Mapping

    from ..connections.connection import Connection
    from ..connections.tenant_row import TenantRow
    from ..connections.user_row import UserRow

CONNECT_MS: Final = 60_000
"""Time after the end of a period, in milliseconds, after which no row is added to the period. A connect Lambda runs for
at most ten seconds."""
RELEASE_MS: Final = 60_000
"""Maximum time between the deletion of a row and the release of its reservation, in milliseconds. One Lambda makes both
writes, and none of these Lambdas runs longer than a minute. `python -m tools revoke` releases every ten seconds."""


class TenantPeriod(NamedTuple):
    """A period of one tenant."""

    tenant_id: str
    period: int
    """Number of the period, counted from the epoch."""


@dataclass(frozen=True, slots=True)
class Count:
    """The connections of one period, as one sweep counted them in two ways."""

    reserved: int
    """Number of reserved connections in the tenant's row."""
    rows: int
    """Number of rows."""
    counted_at: int
    """When the sweep had read all rows, in epoch milliseconds."""

    @property
    def is_correct(self) -> bool:
        """Whether both numbers are the same."""
        return self.reserved == self.rows


@dataclass(frozen=True, slots=True)
class Correction:
    """A correction of the number of reserved connections of one period."""

    key: TenantPeriod
    reserved: int
    """The number that was read. If it has changed since then, nothing is corrected."""
    change: int
    """What to add to the number."""


def find_error(earlier: Count, later: Count) -> int:
    """Return how much a closed period counts too many; a negative number says how many are missing.

    The result may be smaller than the error, but never larger, and it never has the wrong sign. In a closed period,
    rows are only deleted. Therefore `earlier.rows` is at least the number of rows at any later time, and `later.rows`
    is at most the number of rows at any earlier time.

    Args:
        earlier: What a sweep counted that ended at least `RELEASE_MS` before the later sweep began.
        later: What the later sweep counted.
    """
    # All rows that were deleted before the earlier sweep ended are released. So each reservation that `later` read
    # belongs to a row that the earlier sweep counted, or to no row.
    if later.reserved > earlier.rows:
        return later.reserved - earlier.rows
    # A row that the later sweep counted was reserved all the time.
    return min(0, max(earlier.reserved, later.reserved) - later.rows)


@dataclass(slots=True)
class Recount:
    """The recount of one janitor. It remembers the differences of earlier sweeps.

    A janitor in a new execution environment starts without them. Its first correction is then two sweeps later.
    """

    _earlier: dict[TenantPeriod, Count] = field(default_factory=dict[TenantPeriod, Count])
    """For each period with a difference, what the first of the sweeps that are compared counted."""

    def find_corrections(
        self, tenants: Iterable[TenantRow], rows: Counter[TenantPeriod], started_at: int, ended_at: int
    ) -> Iterator[Correction]:
        """Compare a sweep with earlier sweeps.

        Args:
            tenants: All rows of tenants.
            rows: Number of connections' rows by period.
            started_at: When the sweep began to read, in epoch milliseconds.
            ended_at: When the sweep had read all rows, in epoch milliseconds.

        Yields:
            The corrections of the periods that are wrong, and a correction by 0 for each closed period whose
            connections have all ended.
        """
        counts = _count_closed_periods(tenants, rows, started_at, ended_at)
        earlier, self._earlier = self._earlier, {}
        for key, later in counts.items():
            if later.is_correct:
                if not later.rows:
                    yield Correction(key, 0, 0)
            elif (first := earlier.get(key)) is None:
                self._earlier[key] = later
            elif started_at - first.counted_at < RELEASE_MS:
                self._earlier[key] = first
            else:
                error = find_error(first, later)
                if error:
                    yield Correction(key, later.reserved, -error)
                # The correction raises the number, unless it fails. The next sweep must not add the same amount again.
                self._earlier[key] = replace(later, reserved=later.reserved + max(0, -error))

    def find_wrong_totals(self, tenants: Iterable[TenantRow]) -> Iterator[TenantRow]:
        """Yield the tenants whose number is not the sum of their periods.

        All writes change both by the same amount, so they differ only if an attribute is lost: an earlier version of
        this program counted in attributes with another name. A tenant is yielded after all its periods are correct.
        Until then its number is too high rather than too low.
        """
        differing = {key.tenant_id for key in self._earlier}
        for tenant in tenants:
            if tenant.connections != tenant.counted and tenant.tenant_id not in differing:
                yield tenant


def find_ended_members(
    users: Iterable[UserRow], connections: Iterable[Connection], started_at: int
) -> Iterator[UserRow]:
    """Yield the users whose rows name connections that have ended, each with these connections only.

    In a closed period, rows are only deleted. A sweep reads every row that exists from its beginning to its end. So a
    member of a closed period without a row has ended, and one sweep proves it.

    Args:
        users: All rows of users.
        connections: All rows of connections.
        started_at: When the sweep began to read, in epoch milliseconds.
    """
    first_open = (started_at - CONNECT_MS) // PERIOD_MS
    open_connections = {(connection.tenant_id, connection.connection_id) for connection in connections}
    for user in users:
        ended = frozenset(
            member
            for member in user.members
            if member.period < first_open and (user.tenant_id, member.connection_id) not in open_connections
        )
        if ended:
            yield replace(user, members=ended)


def _count_closed_periods(
    tenants: Iterable[TenantRow], rows: Counter[TenantPeriod], started_at: int, ended_at: int
) -> Mapping[TenantPeriod, Count]:
    """Return the counts of all periods to which no row is added any more."""
    reserved = {
        TenantPeriod(tenant.tenant_id, period): number
        for tenant in tenants
        for period, number in tenant.periods.items()
    }
    first_open = (started_at - CONNECT_MS) // PERIOD_MS
    return {
        key: Count(reserved.get(key, 0), rows[key], ended_at)
        for key in reserved.keys() | rows.keys()
        if key.period < first_open
    }
