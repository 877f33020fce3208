from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.session.replay import AFTER_NEWEST
from formbridge.submissions.event import SubmissionEvent
from formbridge.submissions.submission import Submission
from formbridge.submissions.table import SaveResult, SubmissionsTable, WriteConflict
from tests.support.handlers.builders import NOW, image, iso, partial, received, submission, updated
from tests.support.handlers.region import SUBMISSIONS

if TYPE_CHECKING:
    from tests.support.handlers.region import Region

BEFORE = iso(-1)
"""A position before all submissions of these tests."""


@pytest.fixture
def table(region: Region) -> SubmissionsTable:
    return SubmissionsTable(region.dynamodb, SUBMISSIONS)


def test_the_newest_come_newest_first(region: Region, table: SubmissionsTable) -> None:
    held = [submission(f"s{n}", updated_at=iso(n)) for n in range(5)]
    region.put(*held)
    assert table.read("t_acme", AFTER_NEWEST, 10, newest_first=True).submissions == held[::-1]
    assert table.read("t_acme", f"{iso(3)}#s3", 10, newest_first=True).submissions == held[2::-1]


def test_what_changed_since_comes_in_order(region: Region, table: SubmissionsTable) -> None:
    held = [submission(f"s{n}", updated_at=iso(n)) for n in range(5)]
    region.put(*held)
    assert table.read("t_acme", f"{iso(1)}#s1", 10).submissions == held[2:]


def test_the_time_alone_is_before_every_submission_of_that_time(region: Region, table: SubmissionsTable) -> None:
    region.put(submission("s1", updated_at=iso(0)), submission("s2", updated_at=iso(-1)))
    assert [found.submission_id for found in table.read("t_acme", iso(0), 10).submissions] == ["s1"]
    assert [found.submission_id for found in table.read("t_acme", iso(0), 10, newest_first=True).submissions] == ["s2"]


@pytest.mark.parametrize("newest_first", [False, True])
def test_a_page_that_was_the_last_says_so(region: Region, table: SubmissionsTable, newest_first: bool) -> None:
    held = [submission(f"s{n}", updated_at=iso(n)) for n in range(5)]
    region.put(*held)
    start = AFTER_NEWEST if newest_first else BEFORE
    assert table.read("t_acme", start, 6, newest_first=newest_first).reached is None
    cut = table.read("t_acme", start, 4, newest_first=newest_first)
    assert cut.reached == cut.submissions[-1].position


@pytest.mark.parametrize("newest_first", [False, True])
def test_the_pages_of_a_reading_are_all_submissions_once_each(
    region: Region, table: SubmissionsTable, newest_first: bool
) -> None:
    held = [submission(f"s{n}", updated_at=iso(n // 3)) for n in range(8)]
    region.put(*held)
    for limit in range(1, 10):
        position: str | None = AFTER_NEWEST if newest_first else BEFORE
        found: list[Submission] = []
        while position is not None:
            submissions, position = table.read("t_acme", position, limit, newest_first=newest_first)
            assert len(submissions) <= limit
            found += submissions
        assert found == (held[::-1] if newest_first else held)


def test_another_tenants_submissions_are_not_read(region: Region, table: SubmissionsTable) -> None:
    region.put(submission("s1", tenant_id="t_acme2"), submission("s2", tenant_id="t_acm"))
    assert table.read("t_acme", AFTER_NEWEST, 10, newest_first=True) == ([], None)
    assert table.read("t_acme", BEFORE, 10) == ([], None)


def test_what_else_the_table_holds_is_not_read(region: Region, table: SubmissionsTable) -> None:
    region.dynamodb.put_item(TableName=SUBMISSIONS, Item={"PK": {"S": "FORM#contact"}, "SK": {"S": "META"}})
    assert table.read("t_acme", BEFORE, 10) == ([], None)


def test_a_broken_item_is_logged_and_hides_no_other(
    region: Region, table: SubmissionsTable, caplog: pytest.LogCaptureFixture
) -> None:
    whole = submission("s2", updated_at=iso(2))
    region.put(whole)
    region.dynamodb.put_item(TableName=SUBMISSIONS, Item={**image(submission("s1")), "version": {"S": "1"}})
    assert table.read("t_acme", BEFORE, 10).submissions == [whole]
    (logged,) = caplog.records
    assert (logged.levelname, logged.message) == ("ERROR", "malformed item")
    assert vars(logged)["reason"] == "version: must be of DynamoDB type N"


def test_a_page_of_broken_items_is_no_end(region: Region, table: SubmissionsTable) -> None:
    region.dynamodb.put_item(TableName=SUBMISSIONS, Item={**image(submission("s1")), "version": {"S": "1"}})
    whole = submission("s2", updated_at=iso(2))
    region.put(whole)
    assert table.read("t_acme", BEFORE, 1) == ([], f"{iso(0)}#s1")
    assert table.read("t_acme", f"{iso(0)}#s1", 2).submissions == [whole]


# --- Writes of events -----------------------------------------------------------------------------------------


def save(table: SubmissionsTable, *events: dict[str, Any]) -> None:
    for event in events:
        table.save(SubmissionEvent.parse(event, NOW, 300_000), NOW)


def held(region: Region) -> Submission:
    return Submission.from_item(region.item("s1") or {})


def test_an_update_is_one_write_and_one_that_finds_another_row_is_two(region: Region, table: SubmissionsTable) -> None:
    writes: list[object] = []

    def count(**request: Any) -> None:
        writes.append(request)

    with region.on("before-call.dynamodb.UpdateItem", count):
        save(table, received(), updated(updated_at=iso(2)))
        assert len(writes) == 2
        save(table, partial(form_id="survey", status="late", updated_at=iso(1)))
        assert len(writes) == 3
        save(table, partial(payload="late", updated_at=iso(1)))
        assert len(writes) == 4
        save(table, partial(status="early", submission_id="s2"))
        assert len(writes) == 6


def test_a_write_that_meets_another_starts_again_from_what_that_left(region: Region, table: SubmissionsTable) -> None:
    early = partial(status="approved", payload="early", updated_at=iso(1))
    others = [partial(payload=number, updated_at=iso(2 + number)) for number in range(3)]
    meeting: list[bool] = []

    def meet(**_: object) -> None:
        if others and not meeting:
            meeting.append(True)
            save(table, others.pop(0))
            meeting.pop()

    save(table, received(payload="old"))
    with region.on("before-call.dynamodb.UpdateItem", meet):
        save(table, early)
    assert others == []
    assert (held(region).status, held(region).version) == ("approved", 5)
    assert (region.item("s1") or {})["payload"] == {"S": "2"}


def test_an_event_that_meets_others_again_and_again_is_raised(region: Region, table: SubmissionsTable) -> None:
    moments = itertools.count(2)
    meeting: list[bool] = []

    def meet(**_: object) -> None:
        if not meeting:
            meeting.append(True)
            save(table, partial(payload="other", updated_at=iso(next(moments))))
            meeting.pop()

    save(table, received())
    with (
        region.on("before-call.dynamodb.UpdateItem", meet),
        pytest.raises(WriteConflict, match=r"^10 writes failed for submission 's1'$"),
    ):
        save(table, partial(status="approved", payload="p", updated_at=iso(1)))


# --- Deletions by an operator ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "events",
    [[received()], [partial(payload="early")], [received(), updated()]],
    ids=["received", "pending", "updated"],
)
def test_a_deletion_leaves_the_row_that_a_deletion_event_leaves(
    region: Region, table: SubmissionsTable, events: list[dict[str, Any]]
) -> None:
    save(table, *events, partial(status="deleted"))
    expected = region.item("s1")
    region.clear()

    save(table, *events)
    assert table.delete("t_acme", "s1", NOW) is SaveResult.WRITTEN
    assert region.item("s1") == expected
    assert "payload" not in (expected or {})


def test_a_deletion_creates_no_row(region: Region, table: SubmissionsTable) -> None:
    save(table, received(tenant_id="t_other"))
    assert table.delete("t_acme", "s1", NOW) is SaveResult.ABSENT
    assert region.item("s1") is None
    assert "payload" in (region.item("s1", "t_other") or {})


def test_a_second_deletion_changes_nothing(region: Region, table: SubmissionsTable) -> None:
    save(table, received())
    table.delete("t_acme", "s1", NOW)
    once = region.item("s1")
    assert table.delete("t_acme", "s1", NOW + 1) is SaveResult.STALE
    assert region.item("s1") == once


def test_a_deletion_removes_the_payload_of_a_deleted_submission(region: Region, table: SubmissionsTable) -> None:
    save(table, received(), partial(status="deleted"))
    left_over = {**(region.item("s1") or {}), "payload": {"S": "left over"}}
    region.dynamodb.put_item(TableName=SUBMISSIONS, Item=left_over)
    assert table.delete("t_acme", "s1", NOW) is SaveResult.WRITTEN
    assert "payload" not in (region.item("s1") or {})
    assert held(region).version == 3
