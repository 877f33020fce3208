from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from formbridge.submissions import index_lag
from formbridge.submissions.table import SubmissionsTable
from tests.support.handlers.builders import NOW, submission
from tests.support.handlers.region import SUBMISSIONS

if TYPE_CHECKING:
    import pytest

    from tests.support.handlers.region import Region


def test_one_event_of_a_thousand_is_measured() -> None:
    ids = [str(uuid.UUID(int=number)) for number in range(200_000)]
    assert 150 <= sum(map(index_lag.is_sampled, ids)) <= 250


def test_a_write_that_the_index_shows_has_hardly_a_lag(region: Region) -> None:
    table = SubmissionsTable(region.dynamodb, SUBMISSIONS)
    region.put(submission())
    assert table.is_indexed("t_acme", "s1", NOW)
    assert index_lag.measure_index_lag(table, "t_acme", "s1", NOW) < index_lag.MAX_LAG_MS


def test_the_lag_is_the_time_until_the_index_shows_the_write(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    table = SubmissionsTable(region.dynamodb, SUBMISSIONS)
    waits: list[float] = []

    def sleep(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            region.put(submission())

    monkeypatch.setattr(index_lag.time, "sleep", sleep)
    monkeypatch.setattr(index_lag.clock, "monotonic_seconds", lambda: sum(waits))
    assert index_lag.measure_index_lag(table, "t_acme", "s1", NOW) == 150


def test_a_measurement_ends(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    table = SubmissionsTable(region.dynamodb, SUBMISSIONS)
    moments = iter(range(10))

    def sleep(_seconds: float) -> None:
        """Take no time."""

    monkeypatch.setattr(index_lag.time, "sleep", sleep)
    monkeypatch.setattr(index_lag.clock, "monotonic_seconds", lambda: float(next(moments)))
    assert index_lag.measure_index_lag(table, "t_acme", "s2", NOW) == index_lag.MAX_LAG_MS
