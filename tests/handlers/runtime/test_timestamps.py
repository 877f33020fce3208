from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.runtime import timestamps

YEAR_9999_MS = int(datetime(9999, 12, 31, tzinfo=UTC).timestamp() * 1000)


def test_epoch_milliseconds_become_iso_8601_in_utc_with_milliseconds() -> None:
    assert timestamps.to_iso(1790000000123) == "2026-09-21T14:13:20.123Z"


def test_whole_seconds_keep_their_milliseconds() -> None:
    assert timestamps.to_iso(1790000000000) == "2026-09-21T14:13:20.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-22T20:00:00.123Z",
        "2026-11-22T20:00:00.123+00:00",
        "2026-11-22T20:00:00.123",
        "2026-11-22T20:00:00.123999Z",
        "2026-11-22T22:00:00.123+02:00",
        "2026-11-22T14:30:00.123-05:30",
        "2026-11-22 20:00:00.123Z",
        "20261122T200000.123Z",
    ],
)
def test_any_iso_8601_time_becomes_the_same_text(text: str) -> None:
    assert timestamps.normalise(text) == "2026-11-22T20:00:00.123Z"


def test_a_date_is_its_midnight() -> None:
    assert timestamps.normalise("2026-11-22") == "2026-11-22T00:00:00.000Z"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "yesterday",
        "1790000000",
        "2026-13-01T00:00:00Z",
        "2026-11-22T20:00:00Zulu",
        "0001-01-01T00:00:00+14:00",
        "9999-12-31T23:59:59-14:00",
        "٢٠٢٦-11-22",
        "\ud800",
    ],
)
def test_what_is_no_time_of_the_years_1_to_9999_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - Python's own texts differ from one version to the next
        timestamps.normalise(text)


@given(st.text(alphabet=st.characters()))
def test_no_text_at_all_raises_anything_but_a_value_error(text: str) -> None:
    try:
        normal = timestamps.normalise(text)
    except ValueError:
        return
    assert timestamps.normalise(normal) == normal


@given(st.integers(0, YEAR_9999_MS))
def test_what_to_iso_writes_is_normal_already(epoch_ms: int) -> None:
    assert timestamps.normalise(timestamps.to_iso(epoch_ms)) == timestamps.to_iso(epoch_ms)


@given(st.integers(0, YEAR_9999_MS), st.integers(0, YEAR_9999_MS))
def test_times_sort_as_texts(a: int, b: int) -> None:
    assert (a < b) == (timestamps.to_iso(a) < timestamps.to_iso(b))


@given(
    st.datetimes(datetime(2, 1, 1), datetime(9998, 1, 1)),  # noqa: DTZ001 - the zone is the other argument
    st.integers(-23 * 60, 23 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes))),
)
def test_the_offset_of_a_time_does_not_matter(moment: datetime, zone: timezone) -> None:
    there = moment.replace(tzinfo=UTC).astimezone(zone)
    assert timestamps.normalise(there.isoformat()) == timestamps.normalise(moment.isoformat())
