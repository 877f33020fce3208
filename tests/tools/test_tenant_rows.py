"""Reads of all rows of a tenant, under moto."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from formbridge.submissions.table import SubmissionsTable
from tests.support.handlers.builders import NOW, image, iso, partial, received, submission
from tests.support.handlers.region import SUBMISSIONS
from tools import tenant_rows
from tools.tenant_rows import TenantRows, has_content

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from formbridge.submissions.table import Item
    from tests.support.tools.stack import Stack


@pytest.fixture
def rows(stack: Stack, monkeypatch: pytest.MonkeyPatch) -> TenantRows:
    monkeypatch.setattr(tenant_rows, "PAGE_SIZE", 3)
    monkeypatch.setattr(tenant_rows, "BACKOFF_SECONDS", 0.001)
    return TenantRows(stack.dynamodb, SUBMISSIONS, "t_acme")


def put(stack: Stack, *numbers: int, tenant_id: str = "t_acme") -> None:
    """Put rows; the number of a row is the time of its last change."""
    for number in numbers:
        held = submission(f"s{number}", tenant_id=tenant_id, updated_at=iso(number))
        stack.dynamodb.put_item(TableName=SUBMISSIONS, Item={**image(held), "payload": {"S": f"{number}"}})


def ids(pages: Iterable[Sequence[Item]]) -> list[str]:
    return [row["submission_id"].get("S", "") for page in pages for row in page]


def test_the_pages_are_all_rows_of_the_tenant_in_order(stack: Stack, rows: TenantRows) -> None:
    put(stack, *range(8))
    put(stack, 3, 9, tenant_id="t_acme2")

    assert [len(page) for page in rows.list_pages()] == [3, 3, 2]
    assert ids(rows.list_pages()) == [f"s{number}" for number in range(8)]
    assert ids(rows.list_pages(newest_first=True)) == [f"s{number}" for number in reversed(range(8))]
    assert ids(rows.list_pages(f"{iso(5)}#s5")) == ["s6", "s7"]


def test_tombstones_and_pending_rows_are_among_them(stack: Stack, rows: TenantRows) -> None:
    stack.save(received(), partial(status="deleted"), partial(submission_id="s2", payload="early"))

    assert sorted(ids(rows.list_pages())) == ["s1", "s2"]


def test_a_tenant_without_rows_has_no_page(rows: TenantRows) -> None:
    assert list(rows.list_pages()) == []


def test_a_row_that_is_erased_during_a_read_from_the_newest_is_not_read_again(stack: Stack, rows: TenantRows) -> None:
    put(stack, *range(8))
    table = SubmissionsTable(stack.dynamodb, SUBMISSIONS)
    read: list[str] = []
    for page in rows.list_pages(newest_first=True):
        for submission_id in ids([page]):
            read.append(submission_id)
            table.delete("t_acme", submission_id, NOW + 1000)

    assert read == [f"s{number}" for number in reversed(range(8))]


def test_rows_are_read_whole_and_in_order(stack: Stack, rows: TenantRows) -> None:
    put(stack, *range(3))
    (page,) = rows.list_pages()
    stack.dynamodb.delete_item(TableName=SUBMISSIONS, Key={name: page[1][name] for name in ("PK", "SK")})

    assert [row["payload"] for row in rows.read(page)] == [{"S": "0"}, {"S": "2"}]
    assert rows.read([]) == []


def test_rows_that_an_answer_leaves_out_are_requested_again(
    stack: Stack, rows: TenantRows, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(stack, *range(3))
    batch_get_item, requested = stack.dynamodb.batch_get_item, list[int]()

    def answer_partly(**request: Any) -> Any:
        keys: list[Item] = request["RequestItems"][SUBMISSIONS]["Keys"]
        requested.append(len(keys))
        size = 0 if len(requested) in (1, 2, 4) else 1
        found = batch_get_item(RequestItems={SUBMISSIONS: {"Keys": keys[:size]}})["Responses"] if size else {}
        return {"Responses": found, "UnprocessedKeys": {SUBMISSIONS: {"Keys": keys[size:]}} if keys[size:] else {}}

    (page,) = rows.list_pages()
    monkeypatch.setattr(stack.dynamodb, "batch_get_item", answer_partly)
    assert [row["payload"] for row in rows.read(page)] == [{"S": f"{number}"} for number in range(3)]
    assert requested == [3, 3, 3, 2, 2, 1]


def test_only_a_tombstone_without_payload_has_no_content(stack: Stack) -> None:
    stack.save(received(), partial(submission_id="s2", payload="early"), received(submission_id="s3"))
    stack.save(partial(submission_id="s3", status="deleted"))

    assert has_content(stack.item("s1"))
    assert has_content(stack.item("s2"))
    assert not has_content(stack.item("s3"))
    assert has_content({**stack.item("s3"), "payload": {"S": "left over"}})
