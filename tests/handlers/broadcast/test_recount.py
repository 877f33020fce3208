"""The recount finds every error of a tenant's number, and corrects nothing that is none.

A seeded world has connections that come and go, writes that are lost and repeated, and sweeps that read one row after
the other while all of that goes on.
"""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

import pytest

from formbridge.broadcast import recount
from formbridge.broadcast.recount import CONNECT_MS, RELEASE_MS, Correction, Count, Recount, TenantPeriod, find_error
from formbridge.connections.tenant_row import PERIOD_MS, TenantRow
from tests.support.handlers.builders import NOW

if TYPE_CHECKING:
    from collections.abc import Callable

PERIOD: Final = NOW // PERIOD_MS
CLOSED_MS: Final = (PERIOD + 1) * PERIOD_MS + CONNECT_MS
"""When no row of NOW's period can be added any more."""
KEY: Final = TenantPeriod("t_acme", PERIOD)


def tenant(reserved: int, tenant_id: str = "t_acme", period: int = PERIOD) -> TenantRow:
    return TenantRow(tenant_id, reserved, periods={period: reserved})


def find(counting: Recount, reserved: int, rows: int, started_at: int, ended_at: int | None = None) -> list[Correction]:
    """What a sweep corrects that finds these numbers for NOW's period."""
    ended_at = started_at if ended_at is None else ended_at
    return list(counting.find_corrections([tenant(reserved)], Counter({KEY: rows}), started_at, ended_at))


# --- One period -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("earlier", "later", "error"),
    [
        ((5, 3), (5, 3), 2),
        ((5, 3), (4, 2), 1),
        ((5, 3), (3, 1), 0),
        ((3, 5), (3, 5), -2),
        ((3, 5), (2, 4), -1),
        ((3, 5), (1, 3), 0),
        ((4, 5), (6, 5), 1),
        ((5, 4), (3, 4), 0),
        ((3, 5), (5, 5), 0),
        ((-1, 0), (-1, 0), -1),
    ],
)
def test_an_error_is_what_two_sweeps_prove(earlier: tuple[int, int], later: tuple[int, int], error: int) -> None:
    assert find_error(Count(*earlier, NOW), Count(*later, NOW)) == error


def test_a_difference_is_corrected_after_a_minute_and_again_if_that_fails() -> None:
    counting = Recount()
    assert find(counting, 5, 3, CLOSED_MS, CLOSED_MS + 1_000) == []
    assert find(counting, 5, 3, CLOSED_MS + 60_000) == []
    assert find(counting, 5, 3, CLOSED_MS + 1_000 + RELEASE_MS) == [Correction(KEY, 5, -2)]
    assert find(counting, 5, 3, CLOSED_MS + 2 * RELEASE_MS + 1_000) == [Correction(KEY, 5, -2)]


def test_what_is_missing_is_added_once_even_if_a_sweep_read_the_number_before() -> None:
    counting = Recount()
    found = [find(counting, 3, 5, CLOSED_MS + sweep * RELEASE_MS) for sweep in range(4)]
    assert found == [[], [Correction(KEY, 3, 2)], [], [Correction(KEY, 3, 2)]]


def test_a_difference_that_was_gone_in_between_begins_anew() -> None:
    counting = Recount()
    assert find(counting, 4, 3, CLOSED_MS) == []
    assert find(counting, 3, 3, CLOSED_MS + RELEASE_MS) == []
    assert find(counting, 4, 3, CLOSED_MS + 2 * RELEASE_MS) == []


def test_two_sweeps_that_prove_nothing_are_compared_with_the_next_one() -> None:
    """Two connections ended in between: the difference may have been theirs."""
    counting = Recount()
    assert find(counting, 5, 3, CLOSED_MS) == []
    assert find(counting, 3, 1, CLOSED_MS + RELEASE_MS) == []
    assert find(counting, 3, 1, CLOSED_MS + 2 * RELEASE_MS) == [Correction(KEY, 3, -2)]


def test_a_period_to_which_a_row_may_be_added_is_left_alone() -> None:
    counting = Recount()
    assert find(counting, 5, 3, CLOSED_MS - 1 - RELEASE_MS) == []
    assert find(counting, 5, 3, CLOSED_MS - 1) == []
    assert find(counting, 0, 0, CLOSED_MS - 1) == []


def test_a_closed_period_whose_connections_have_ended_is_forgotten_at_once() -> None:
    assert find(Recount(), 0, 0, CLOSED_MS) == [Correction(KEY, 0, 0)]
    assert find(Recount(), 2, 2, CLOSED_MS) == []


def test_rows_that_no_tenant_counts_are_counted() -> None:
    counting = Recount()
    found = [
        list(counting.find_corrections([], Counter({KEY: 2}), started_at, started_at))
        for started_at in (CLOSED_MS, CLOSED_MS + RELEASE_MS)
    ]
    assert found == [[], [Correction(KEY, 0, 2)]]


def test_each_tenant_and_period_is_compared_with_its_own_rows() -> None:
    counting = Recount()
    tenants = [tenant(1), tenant(2, "t_globex"), tenant(3, "t_initech", PERIOD - 1)]
    rows = Counter({KEY: 1, TenantPeriod("t_globex", PERIOD): 1, TenantPeriod("t_initech", PERIOD - 1): 3})
    for started_at in (CLOSED_MS, CLOSED_MS + RELEASE_MS):
        found = list(counting.find_corrections(tenants, rows, started_at, started_at))
    assert found == [Correction(TenantPeriod("t_globex", PERIOD), 2, -1)]


def test_a_total_that_is_not_the_sum_is_found_after_every_period_is_right() -> None:
    counting = Recount()
    wrong = replace(tenant(2), connections=7)
    rows = Counter({KEY: 3})
    list(counting.find_corrections([wrong], rows, CLOSED_MS, CLOSED_MS))
    assert list(counting.find_wrong_totals([wrong])) == []
    list(counting.find_corrections([wrong], Counter({KEY: 2}), CLOSED_MS, CLOSED_MS))
    assert list(counting.find_wrong_totals([wrong, tenant(3, "t_globex")])) == [wrong]


# --- All of it at once ------------------------------------------------------------------------------------------


@dataclass
class World:
    """A tenant's row and rows, and everything that may happen to them."""

    chance: random.Random
    now_ms: int = PERIOD * PERIOD_MS
    rows: dict[int, int] = field(default_factory=dict[int, int])
    """Period of each connection that has a row."""
    reserved: Counter[int] = field(default_factory=Counter[int])
    """The number of each period, in the tenant's row."""
    adding: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Period, and when it was reserved, of connections that are reserved and have no row yet."""
    releasing: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    """Period, and when its row was deleted, of connections that are not released yet."""
    connections: int = 0
    faults: bool = True

    def __post_init__(self) -> None:
        self.recounts = [Recount(), Recount()]
        """Two execution environments of the janitor. The second one runs seldom."""

    def error(self, period: int) -> int:
        """How much a period counts too many."""
        rows = sum(1 for each in self.rows.values() if each == period)
        on_the_way = [each for each, _ in (*self.adding, *self.releasing)].count(period)
        return self.reserved[period] - rows - on_the_way

    def happens(self) -> None:
        """One write of a Lambda."""
        match self.chance.choice(("reserve", "add", "add", "delete", "release", "release")):
            case "reserve":
                period = self.now_ms // PERIOD_MS
                self.reserved[period] += 1 + self._strikes()
                self.adding.append((period, self.now_ms))
            case "add" if self.adding:
                period, _ = self.adding.pop(self.chance.randrange(len(self.adding)))
                if not self._strikes():
                    self.connections += 1
                    self.rows[self.connections] = period
            case "delete" if self.rows:
                period = self.rows.pop(self.chance.choice([*self.rows]))
                if not self._strikes():
                    self.releasing.append((period, self.now_ms))
            case "release" if self.releasing:
                period, _ = self.releasing.pop(self.chance.randrange(len(self.releasing)))
                self.reserved[period] -= 1 + self._strikes()
            case _:
                pass

    def _strikes(self) -> bool:
        """Whether a Lambda dies before its next write, or a write is repeated."""
        return self.faults and self.chance.random() < 0.1

    def pass_time(self, milliseconds: int) -> None:
        """What a Lambda has begun it ends in its time."""
        self.now_ms += milliseconds
        for period, since in [*self.adding]:
            if self.now_ms - since >= CONNECT_MS:
                self.adding.remove((period, since))
                self.connections += 1
                self.rows[self.connections] = period
        for period, since in [*self.releasing]:
            if self.now_ms - since >= 60_000:
                self.releasing.remove((period, since))
                self.reserved[period] -= 1

    def sweep(self) -> None:
        """Read row by row, the tenant's own somewhere among them, while everything goes on."""
        started_at = self.now_ms
        found: Counter[TenantPeriod] = Counter()
        row: TenantRow | None = None
        unread = self.chance.sample([None, *self.rows], len(self.rows) + 1)
        for each in unread:
            if each is None:
                row = TenantRow("t_acme", self.reserved.total(), dict(self.reserved))
            elif each in self.rows:
                found[TenantPeriod("t_acme", self.rows[each])] += 1
            self._meanwhile()
        assert row is not None
        counting = self.recounts[self.chance.random() < 0.2]
        for correction in counting.find_corrections([row], found, started_at, self.now_ms):
            self._meanwhile()
            self.correct(correction)

    def _meanwhile(self) -> None:
        if self.chance.random() < 0.3:
            self.happens()
            self.pass_time(self.chance.choice((0, 10, 1_000)))

    def correct(self, correction: Correction) -> None:
        period = correction.key.period
        if self.reserved[period] != correction.reserved:
            return
        before = self.error(period)
        self.reserved[period] += correction.change
        after = self.error(period)
        assert 0 <= after <= before or before <= after <= 0, f"{before} became {after} in period {period}"

    def live(self, minutes: int) -> None:
        for _ in range(minutes):
            for _ in range(self.chance.randint(0, 12)):
                self.happens()
                self.pass_time(self.chance.choice((0, 10, 1_000)))
            self.sweep()
            self.pass_time(max(0, 60_000 - self.chance.choice((0, 0, 5_000))))

    def settle(self) -> None:
        """Nothing happens for as long as a leak may last: a period, and a few minutes."""
        self.pass_time(PERIOD_MS + CONNECT_MS)
        self.chance = random.Random(1)
        for _ in range(4):
            rows = Counter(TenantPeriod("t_acme", period) for period in self.rows.values())
            row = TenantRow("t_acme", self.reserved.total(), dict(self.reserved))
            for correction in self.recounts[0].find_corrections([row], rows, self.now_ms, self.now_ms):
                self.correct(correction)
            self.pass_time(60_000)


def history(number: int) -> World:
    """A history, always the same for the same number."""
    world = World(random.Random(number))
    world.live(minutes=20)
    return world


HISTORIES: Final = 300


@pytest.mark.no_cover
def test_no_correction_makes_an_error_and_in_the_end_there_is_none() -> None:
    errors = 0
    for number in range(HISTORIES):
        world = history(number)
        errors += sum(abs(world.error(period)) for period in world.reserved)
        world.settle()
        assert {period: world.error(period) for period in world.reserved if world.error(period)} == {}, number
    assert errors > HISTORIES, "hardly anything went wrong"


def not_waiting_for_releases(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recount, "RELEASE_MS", 0)


def not_waiting_for_rows(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(recount, "CONNECT_MS", -2 * PERIOD_MS)


def believing_one_sweep(patch: pytest.MonkeyPatch) -> None:
    def difference(_earlier: Count, later: Count) -> int:
        return later.reserved - later.rows

    patch.setattr(recount, "find_error", difference)


@pytest.mark.parametrize("mutation", [not_waiting_for_releases, not_waiting_for_rows, believing_one_sweep])
def test_a_guard_that_is_left_out_is_noticed(
    monkeypatch: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mutation(monkeypatch)
    with pytest.raises(AssertionError, match="became"):
        list(map(history, range(HISTORIES)))
