from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.changes import Batch, Change
from tests.support.handlers.builders import NOW, image, inserted, modified, record, removed, submission


def events(batch: Batch, tenant_id: str = "t_acme") -> list[tuple[str, str, int]]:
    """(event, submission, version) of each change."""
    return [
        (change.event, change.newest.submission_id, change.newest.version)
        for change in batch.changes.get(tenant_id, [])
    ]


def test_records_become_changes() -> None:
    batch = Batch.read([inserted(submission("s1")), modified(submission("s2", version=2)), removed(submission("s3"))])
    assert events(batch) == [("insert", "s1", 1), ("modify", "s2", 2), ("remove", "s3", 1)]
    assert batch.malformed == {}


def test_a_change_is_what_the_stream_shows_now_and_what_it_showed_before() -> None:
    old, new = submission(version=1), submission(version=2, status="completed")
    assert Batch.read([modified(new, before=old)]).changes == {"t_acme": [Change(new, "modify", NOW, (old,))]}


def test_changes_are_sorted_by_tenant() -> None:
    batch = Batch.read([inserted(submission("s1")), inserted(submission("s1", tenant_id="t_globex"))])
    assert events(batch, "t_acme") == [("insert", "s1", 1)]
    assert events(batch, "t_globex") == [("insert", "s1", 1)]


@given(st.permutations([1, 2, 3, 3, 4]))
def test_of_each_submission_only_the_newest_version_is_kept(versions: list[int]) -> None:
    batch = Batch.read([modified(submission("s1", version=version)) for version in versions])
    assert events(batch) == [("modify", "s1", 4)]


@given(st.permutations([modified(submission(version=2)), removed(submission(version=2))]))
def test_of_two_with_the_same_version_remove_wins(records: list[dict[str, Any]]) -> None:
    assert events(Batch.read(records)) == [("remove", "s1", 2)]


@pytest.mark.parametrize(("expires_at", "changes"), [(NOW // 1000, []), (NOW // 1000 + 1, [("remove", "s1", 2)])])
def test_a_removal_that_every_client_knew_of_beforehand_is_no_change(
    expires_at: int, changes: list[tuple[str, str, int]]
) -> None:
    assert events(Batch.read([removed(submission(version=2, expires_at=expires_at))])) == changes


@pytest.mark.parametrize("expires_at", [None, NOW // 1000])
def test_what_is_there_again_after_its_removal_counts_from_1_and_is_the_newest(expires_at: int | None) -> None:
    held = submission(version=3, expires_at=expires_at)
    assert events(Batch.read([modified(held), removed(held), inserted(submission())])) == [("insert", "s1", 1)]


def test_a_malformed_record_is_told_by_its_event_id_and_the_others_go_on() -> None:
    broken = image(submission("s2"))
    del broken["version"]
    batch = Batch.read([inserted(submission("s1")), record("INSERT", new=broken, event_id="r2")])
    assert events(batch) == [("insert", "s1", 1)]
    assert batch.malformed == {"r2": "version: must be of DynamoDB type N"}


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_a_record_without_the_image_it_needs_is_malformed(name: str) -> None:
    batch = Batch.read([record(name, event_id="r1")])
    assert batch.malformed == {"r1": "the record has no image: the stream view type must be NEW_AND_OLD_IMAGES"}


def test_a_change_without_its_old_image_is_malformed() -> None:
    batch = Batch.read([record("MODIFY", new=image(submission()), event_id="r1")])
    assert batch.malformed == {"r1": "the record has no old image: the stream view type must be NEW_AND_OLD_IMAGES"}


def test_an_empty_batch_holds_nothing() -> None:
    assert Batch.read([]) == Batch()
