from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from formbridge.submissions import SubmissionsTable
from tests.handlers.builders import NOW, image, iso, submission
from tests.handlers.region import SUBMISSIONS

if TYPE_CHECKING:
    from tests.handlers.clock import Clock
    from tests.handlers.region import Region

NOW_S = NOW // 1000


@pytest.fixture
def table(region: Region, clock: Clock) -> SubmissionsTable:
    return SubmissionsTable(region.dynamodb, SUBMISSIONS)


def test_the_newest_come_newest_first(region: Region, table: SubmissionsTable) -> None:
    held = [submission(f"s{n}", updated_at=iso(n)) for n in range(5)]
    region.put(*held)
    assert table.newest("t_acme", 3) == held[:1:-1]


def test_what_changed_since_comes_in_order(region: Region, table: SubmissionsTable) -> None:
    held = [submission(f"s{n}", updated_at=iso(n)) for n in range(5)]
    region.put(*held)
    page = table.changed_since("t_acme", f"{iso(1)}#s1", 10)
    assert (page.submissions, page.more) == (held[2:], False)


def test_the_time_alone_is_before_every_submission_of_that_time(region: Region, table: SubmissionsTable) -> None:
    region.put(submission("s1", updated_at=iso(0)), submission("s2", updated_at=iso(-1)))
    assert [found.submission_id for found in table.changed_since("t_acme", iso(0), 10).submissions] == ["s1"]


@pytest.mark.parametrize(("limit", "more"), [(4, True), (5, False), (6, False)])
def test_a_page_tells_whether_others_follow(region: Region, table: SubmissionsTable, limit: int, more: bool) -> None:
    held = [submission(f"s{n}", updated_at=iso(n)) for n in range(5)]
    region.put(*held)
    page = table.changed_since("t_acme", iso(-1), limit)
    assert (page.submissions, page.more) == (held[:limit], more)


def test_what_has_expired_is_left_out_and_others_take_its_place(region: Region, table: SubmissionsTable) -> None:
    expired = [submission(f"x{n}", updated_at=iso(n), expires_at=NOW_S) for n in range(6)]
    held = [submission(f"s{n}", updated_at=iso(n), expires_at=NOW_S + 1) for n in range(3)]
    region.put(*expired, *held)
    assert table.newest("t_acme", 2) == held[:0:-1]
    page = table.changed_since("t_acme", iso(-1), 2)
    assert (page.submissions, page.more) == (held[:2], True)
    page = table.changed_since("t_acme", iso(-1), 3)
    assert (page.submissions, page.more) == (held, False)


def test_another_tenants_submissions_are_not_read(region: Region, table: SubmissionsTable) -> None:
    region.put(submission("s1", tenant_id="t_acme2"), submission("s2", tenant_id="t_acm"))
    assert table.newest("t_acme", 10) == []
    assert table.changed_since("t_acme", iso(-1), 10).submissions == []


def test_what_else_the_table_holds_is_not_read(region: Region, table: SubmissionsTable) -> None:
    region.dynamodb.put_item(TableName=SUBMISSIONS, Item={"PK": {"S": "FORM#contact"}, "SK": {"S": "META"}})
    assert table.newest("t_acme", 10) == []


def test_a_broken_item_is_logged_and_hides_no_other(
    region: Region, table: SubmissionsTable, caplog: pytest.LogCaptureFixture
) -> None:
    whole = submission("s2")
    region.put(whole)
    region.dynamodb.put_item(TableName=SUBMISSIONS, Item={**image(submission("s1")), "version": {"S": "1"}})
    assert table.newest("t_acme", 10) == [whole]
    (logged,) = caplog.records
    assert (logged.levelname, logged.message) == ("ERROR", "malformed item")
    assert vars(logged)["reason"] == "version: must be of DynamoDB type N"
