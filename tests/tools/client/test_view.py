"""What a view holds: the highest version, in whatever order and however often the updates come."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.tools.frames import NOW, update, versions
from tools.client import Update, View


def test_the_highest_version_wins() -> None:
    view = View()

    assert view.apply(update("modify", 2, status="approved"), NOW)
    assert not view.apply(update("insert", 1, status="processing"), NOW)
    assert view.get_submissions(NOW)["s1"]["status"] == "approved"
    assert view.apply(update("modify", 3, status="completed"), NOW)
    assert view.get_submissions(NOW)["s1"]["status"] == "completed"


def test_a_duplicate_changes_nothing() -> None:
    view = View()

    assert view.apply(update("insert", 1), NOW)
    assert not view.apply(update("insert", 1), NOW)


@pytest.mark.parametrize("event", ["leave", "remove"])
@pytest.mark.parametrize("late", [1, 2])
def test_what_is_gone_wins_a_tie_and_does_not_come_back(event: str, late: int) -> None:
    view = View()
    view.apply(update("modify", 2), NOW)

    assert view.apply(update(event, 2), NOW)
    assert not view.apply(update("modify", late), NOW)
    assert view.get_submissions(NOW) == {}


def test_what_is_deleted_is_not_shown_and_does_not_come_back() -> None:
    view = View()
    view.apply(update("insert", 1), NOW)

    assert view.apply(update("modify", 2, status="deleted"), NOW)
    assert not view.apply(update("insert", 1), NOW)
    assert view.get_submissions(NOW) == {}


def test_what_left_comes_back_with_a_later_version() -> None:
    view = View()
    view.apply(update("leave", 2), NOW)

    assert view.apply(update("modify", 3), NOW)
    assert versions(view) == {"s1": 3}


def test_what_has_expired_is_not_shown() -> None:
    view = View()
    view.apply(update("insert", 1, expires_at=1_001), NOW)

    assert versions(view, 1_000.9) == {"s1": 1}
    assert versions(view, 1_001) == {}


def test_what_arrives_expired_is_ignored() -> None:
    view = View()
    view.apply(update("insert", 1), NOW)

    assert not view.apply(update("remove", 5, expires_at=1_000), NOW)
    assert versions(view) == {"s1": 1}


@pytest.mark.parametrize("looked", [True, False])
@pytest.mark.parametrize(
    "last",
    [
        update("modify", 2, status="deleted", expires_at=1_010),
        update("remove", 2, expires_at=1_010),
        update("leave", 2),
        update("leave", 2, expires_at=1_010),
    ],
)
def test_a_version_is_remembered_until_its_submission_has_expired(last: Update, looked: bool) -> None:
    view = View()
    view.apply(update("insert", 1, expires_at=1_010), NOW)
    view.apply(last, NOW)

    assert not view.apply(update("insert", 1), 1_009)
    if looked:
        view.get_submissions(1_010)
    # The row is gone, and the submission began again.
    assert view.apply(update("insert", 1), 1_010)
    assert versions(view, 1_010) == {"s1": 1}


@pytest.mark.parametrize("event", ["leave", "remove"])
def test_a_version_that_went_without_an_expiry_is_remembered_for_a_day(event: str) -> None:
    view = View()
    view.apply(update(event, 7), NOW)

    assert not view.apply(update("insert", 1), NOW + 24 * 3600 - 1)
    assert view.apply(update("insert", 1), NOW + 24 * 3600)


def test_a_cleared_view_has_forgotten_versions_too() -> None:
    view = View()
    view.apply(update("remove", 7), NOW)
    view.clear()

    assert view.apply(update("insert", 1), NOW)


@pytest.mark.parametrize("last", [update("leave", 2), update("remove", 2), update("modify", 2, status="deleted")])
def test_what_goes_unseen_is_told_where_an_earlier_run_may_have_shown_it(last: Update) -> None:
    resumed, begun = View(is_resumed=True), View()

    assert resumed.apply(last, NOW)
    assert not resumed.apply(last, NOW)
    assert not begun.apply(last, NOW)
    resumed.clear()
    assert not resumed.apply(last, NOW)


KINDS: list[dict[str, Any]] = [{}, {"status": "deleted"}, {"expires_at": NOW - 1}, {"expires_at": NOW + 1}]


@st.composite
def updates(draw: st.DrawFn) -> list[Update]:
    """Of two submissions, with duplicates. All of a version tell of the same data, or that it is gone."""
    kinds = draw(st.lists(st.sampled_from(KINDS), min_size=6, max_size=6))
    numbers = draw(st.lists(st.integers(0, 5)))
    return [
        update("leave", number // 2, "ab"[number % 2])
        if (event := draw(st.sampled_from(["insert", "modify", "leave", "remove"]))) == "leave"
        else update(event, number // 2, "ab"[number % 2], **kinds[number])
        for number in numbers
    ]


@given(updates(), st.data())
def test_order_and_number_make_no_difference(received: list[Update], data: st.DataObject) -> None:
    more = data.draw(st.lists(st.sampled_from(received))) if received else []
    shuffled = data.draw(st.permutations(received + more))
    one, other = View(), View()
    for each in received:
        one.apply(each, NOW)
    for each in shuffled:
        other.apply(each, NOW)

    assert versions(one) == versions(other)


@given(updates())
def test_what_is_shown_is_the_newest_that_counts(received: list[Update]) -> None:
    view = View()
    for each in received:
        view.apply(each, NOW)

    expected: dict[str, int] = {}
    for submission_id in "ab":
        counting = [
            each
            for each in received
            if each["data"]["submission_id"] == submission_id and each["data"].get("expires_at", 9_999) > NOW
        ]
        newest = max((each["data"]["version"] for each in counting), default=-1)
        last = [each for each in counting if each["data"]["version"] == newest]
        if last and all(
            each["event"] in ("insert", "modify") and each["data"].get("status") != "deleted" for each in last
        ):
            expected[submission_id] = newest
    assert versions(view) == expected


@given(updates())
def test_an_update_is_told_when_it_changes_what_is_shown_and_only_then(received: list[Update]) -> None:
    view = View()
    for each in received:
        before = versions(view)
        assert view.apply(each, NOW) == (versions(view) != before)


# --- Incarnations ---------------------------------------------------------------------------------------------


def test_an_incarnation_counts_before_a_version() -> None:
    view = View()
    view.apply(update("modify", 4, incarnation=7), NOW)
    view.apply(update("remove", 4, incarnation=7), NOW)

    assert view.apply(update("insert", 1, incarnation=8), NOW)
    assert not view.apply(update("modify", 9, incarnation=7), NOW)
    assert not view.apply(update("remove", 9), NOW)
    assert versions(view) == {"s1": 1}


@given(st.permutations([(0, 9), (7, 3), (7, 4), (8, 1), (8, 2)]))
def test_of_all_incarnations_the_newest_state_is_shown_in_whatever_order_they_come(
    states: list[tuple[int, int]],
) -> None:
    view = View()
    for incarnation, version in states:
        view.apply(update("modify", version, incarnation=incarnation), NOW)

    assert view.list_held(NOW) == [("s1", 8, 2)]


# --- What a comparison finds ----------------------------------------------------------------------------------


def holding(version: int, incarnation: int = 7) -> View:
    view = View()
    view.apply(update("modify", version, incarnation=incarnation), NOW)
    return view


def test_what_is_held_is_what_is_shown() -> None:
    view = holding(4)
    view.apply(update("insert", 1, "s2"), NOW)
    view.apply(update("insert", 1, "gone"), NOW)
    view.apply(update("leave", 2, "gone"), NOW)
    view.apply(update("modify", 2, "deleted", status="deleted"), NOW)
    view.apply(update("insert", 1, "expired", expires_at=NOW + 1), NOW)

    assert view.list_held(NOW + 1) == [("s1", 7, 4), ("s2", 0, 1)]


@pytest.mark.parametrize(
    "found",
    [
        update("modify", 3, incarnation=7),
        update("modify", 9, incarnation=6),
        update("modify", 9),
        update("modify", 4, incarnation=7),
        update("modify", 5, incarnation=7),
    ],
    ids=["older version", "older incarnation", "another program's", "same version", "newer version"],
)
def test_what_was_sent_is_replaced_by_what_is_there_whatever_its_version(found: Update) -> None:
    view = holding(4)

    assert view.replace(found, ("s1", 7, 4), NOW)
    assert view.get_submissions(NOW) == {"s1": found["data"]}


@pytest.mark.parametrize(
    "found",
    [
        update("remove", 4, incarnation=7),
        update("leave", 3, incarnation=7),
        update("leave", 9, incarnation=6),
        update("modify", 3, incarnation=7, status="deleted"),
    ],
)
def test_what_is_not_there_is_no_longer_shown_whatever_its_version(found: Update) -> None:
    view = holding(4)

    assert view.replace(found, ("s1", 7, 4), NOW)
    assert view.get_submissions(NOW) == {}


@pytest.mark.parametrize(
    "since",
    [
        update("modify", 5, incarnation=7),
        update("insert", 1, incarnation=8),
        update("leave", 4, incarnation=7),
        update("modify", 5, incarnation=7, status="deleted"),
    ],
)
def test_what_changed_since_it_was_sent_is_compared_as_usual(since: Update) -> None:
    view = holding(4)
    view.apply(since, NOW)
    before = view.get_submissions(NOW)

    assert not view.replace(update("modify", 3, incarnation=7), ("s1", 7, 4), NOW)
    assert view.get_submissions(NOW) == before
    assert view.replace(update("insert", 1, incarnation=9), ("s1", 7, 4), NOW)
    assert view.list_held(NOW) == [("s1", 9, 1)]


def test_what_was_cleared_since_it_was_sent_is_compared_as_usual() -> None:
    view = holding(4)
    view.clear()
    view.apply(update("modify", 4, incarnation=8), NOW)

    assert not view.replace(update("modify", 3, incarnation=7), ("s1", 7, 4), NOW)
    assert view.list_held(NOW) == [("s1", 8, 4)]
