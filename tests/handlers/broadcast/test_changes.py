from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.changes import MAX_INSERTION_MS, Batch, Change
from tests.support.handlers.builders import NOW, image, inserted, iso, modified, record, removed, submission

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from formbridge.submissions.submission import Submission


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


def written(version: int, incarnation: int = NOW) -> dict[str, Any]:
    """The record of a write of persist."""
    held = submission(version=version, incarnation=incarnation)
    return modified(held, before=replace(held, version=version - 1))


@given(st.permutations([1, 2, 3, 3, 4]), st.sampled_from([0, NOW]))
def test_of_each_submission_only_the_newest_version_is_kept(versions: list[int], incarnation: int) -> None:
    batch = Batch.read([written(version, incarnation) for version in versions])
    assert events(batch) == [("modify", "s1", 4)]


@given(st.permutations([written(2), removed(submission(version=2))]))
def test_of_two_with_the_same_version_remove_wins(records: list[dict[str, Any]]) -> None:
    assert events(Batch.read(records)) == [("remove", "s1", 2)]


@given(st.permutations([(NOW - 5, 3), (NOW - 5, 4), (NOW, 1), (NOW, 2)]))
def test_an_incarnation_counts_before_a_version(states: list[tuple[int, int]]) -> None:
    batch = Batch.read([written(version, incarnation) for incarnation, version in states])
    (change,) = batch.changes["t_acme"]
    assert change.newest.recency == (NOW, 2)
    assert {state.recency for state in change.earlier} >= {(NOW - 5, 3), (NOW - 5, 4), (NOW, 1)}


@pytest.mark.parametrize(("expires_at", "changes"), [(NOW // 1000, []), (NOW // 1000 + 1, [("remove", "s1", 2)])])
def test_a_removal_that_every_client_knew_of_beforehand_is_no_change(
    expires_at: int, changes: list[tuple[str, str, int]]
) -> None:
    assert events(Batch.read([removed(submission(version=2, expires_at=expires_at))])) == changes


@pytest.mark.parametrize("expires_at", [None, NOW // 1000])
@pytest.mark.parametrize(("before", "after"), [(NOW - 5, NOW), (NOW, NOW), (0, 0), (0, NOW)])
def test_what_is_there_again_after_its_removal_counts_from_1_and_is_the_newest(
    expires_at: int | None, before: int, after: int
) -> None:
    held = submission(version=3, expires_at=expires_at, incarnation=before)
    records = [modified(held, before=replace(held, version=2)), removed(held), inserted(submission(incarnation=after))]
    assert events(Batch.read(records)) == [("insert", "s1", 1)]


def test_a_malformed_record_is_told_by_its_event_id_and_the_others_go_on() -> None:
    broken = image(submission("s2"))
    del broken["version"]
    batch = Batch.read([inserted(submission("s1")), record("INSERT", new=broken, event_id="r2")])
    assert events(batch) == [("insert", "s1", 1)]
    assert batch.malformed == {"r2": "version: must be of DynamoDB type N"}


@pytest.mark.parametrize("name", ["INSERT", "MODIFY", "REMOVE"])
def test_a_record_without_the_image_it_needs_is_malformed(name: str) -> None:
    batch = Batch.read([record(name, event_id="r1")])
    assert batch.malformed == {"r1": "the record lacks an image: the stream view type must be NEW_AND_OLD_IMAGES"}


def test_a_change_without_its_old_image_is_malformed() -> None:
    batch = Batch.read([record("MODIFY", new=image(submission()), event_id="r1")])
    assert batch.malformed == {"r1": "the record lacks an image: the stream view type must be NEW_AND_OLD_IMAGES"}


def test_an_empty_batch_holds_nothing() -> None:
    assert Batch.read([]) == Batch()


# --- Pending rows ---------------------------------------------------------------------------------------------


def pending(held: Submission) -> dict[str, AttributeValueTypeDef]:
    """The image of a row that persist began with an update: the submission has not been received yet."""
    item = image(held)
    del item["form_id"]
    return item


V1, V2, V3 = (submission(version=version) for version in (1, 2, 3))


@pytest.mark.parametrize(
    "records",
    [
        [record("INSERT", new=pending(V1))],
        [record("MODIFY", old=pending(V1), new=pending(V2))],
        [record("REMOVE", old=pending(V1))],
        [record("INSERT", new=pending(V1)), record("MODIFY", old=pending(V1), new=pending(V2))],
    ],
    ids=["insert", "modify", "remove", "insert and modify"],
)
def test_what_is_pending_before_and_after_is_no_change_and_not_malformed(records: list[dict[str, Any]]) -> None:
    assert Batch.read(records) == Batch()


def test_what_becomes_complete_is_an_insert_and_nobody_holds_an_earlier_state() -> None:
    batch = Batch.read([record("INSERT", new=pending(V1)), record("MODIFY", old=pending(V1), new=image(V2))])
    assert batch == Batch({"t_acme": [Change(V2, "insert", NOW)]})


def test_what_changes_after_it_became_complete_is_the_newest() -> None:
    became, changed = record("MODIFY", old=pending(V1), new=image(V2)), modified(V3, before=V2)
    (change,) = Batch.read([became, changed]).changes["t_acme"]
    assert (change.newest, change.event, change.replaces_history) == (V3, "modify", False)


def test_what_becomes_pending_is_removed_and_persist_did_not_do_that() -> None:
    batch = Batch.read([record("MODIFY", old=image(V2), new=pending(V3))])
    assert batch.changes == {"t_acme": [Change(V2, "remove", NOW, replaces_history=True)]}


def test_a_row_of_another_program_is_malformed_where_persists_would_be_pending() -> None:
    item = pending(submission(incarnation=0))
    assert Batch.read([record("INSERT", new=item, event_id="r1")]).malformed == {
        "r1": "form_id: must be of DynamoDB type S"
    }


# --- What persist did not do ----------------------------------------------------------------------------------


def replaces(*records: dict[str, Any]) -> bool:
    (change,) = Batch.read(records).changes["t_acme"]
    return change.replaces_history


@pytest.mark.parametrize(
    "records",
    [
        [inserted(submission())],
        # The incarnation is the time of the attempt; the row may be inserted later, and clocks differ.
        [inserted(submission(incarnation=NOW - MAX_INSERTION_MS))],
        [inserted(submission(incarnation=NOW + MAX_INSERTION_MS))],
        [modified(V2, before=V1)],
        [modified(submission(version=2, status="deleted"), before=V1)],
        [inserted(V1), modified(V2, before=V1), modified(V3, before=V2)],
        [record("INSERT", new=pending(V1)), record("MODIFY", old=pending(V1), new=image(V2))],
        # The row expired and DynamoDB removed it, and the submission was received again.
        [removed(submission(version=4, expires_at=NOW // 1000)), inserted(submission(incarnation=NOW))],
    ],
    ids=range(8),
)
def test_what_persist_writes_and_what_expires_replaces_no_history(records: list[dict[str, Any]]) -> None:
    assert not replaces(*records)


ANOTHER_PROGRAMS = submission(version=7, incarnation=0)


@pytest.mark.parametrize(
    "records",
    [
        [inserted(ANOTHER_PROGRAMS)],
        [modified(ANOTHER_PROGRAMS)],
        [modified(ANOTHER_PROGRAMS, before=replace(ANOTHER_PROGRAMS, version=8))],
        [modified(V1, before=replace(ANOTHER_PROGRAMS, version=8))],
    ],
    ids=["insert", "same version", "older version", "persist takes over"],
)
def test_a_row_of_another_program_has_no_history_that_could_be_told(records: list[dict[str, Any]]) -> None:
    assert not replaces(*records)


@pytest.mark.parametrize(
    "records",
    [
        [removed(V2)],
        [removed(ANOTHER_PROGRAMS)],
        [removed(submission(version=2, expires_at=NOW // 1000 + 1))],
        [inserted(V2)],
        [inserted(submission(incarnation=NOW - MAX_INSERTION_MS - 1))],
        [modified(V1, before=V2)],
        [modified(V2, before=V2)],
        [modified(submission(version=9, incarnation=NOW - 1), before=V1)],
        [modified(ANOTHER_PROGRAMS, before=V2)],
    ],
    ids=[
        "deleted",
        "another program's deleted",
        "deleted before it expired",
        "inserted with a later version",
        "inserted with an earlier incarnation",
        "older version",
        "same version",
        "older incarnation",
        "without an incarnation",
    ],
)
def test_what_was_deleted_or_restored_by_hand_replaces_history(records: list[dict[str, Any]]) -> None:
    assert replaces(*records)


def test_what_replaces_history_does_so_whatever_follows_and_whatever_came_before() -> None:
    assert replaces(modified(V1, before=V3), modified(V2, before=V1))
    assert replaces(inserted(V1), modified(V2, before=V1), removed(V2))
    assert replaces(modified(V3, before=V2), modified(V1, before=V3))


def test_a_restored_version_is_the_newest_though_it_is_older() -> None:
    batch = Batch.read([modified(V3, before=V2), modified(V1, before=V3)])
    assert events(batch) == [("modify", "s1", 1)]
    (change,) = batch.changes["t_acme"]
    assert {state.version for state in change.earlier} == {2, 3}


def test_what_is_deleted_and_received_again_in_one_batch_is_inserted_and_replaces_history() -> None:
    deleted, again = submission(version=4, incarnation=NOW - 5), submission(version=1, incarnation=NOW)
    batch = Batch.read([removed(deleted), inserted(again)])
    assert batch.changes == {"t_acme": [Change(again, "insert", NOW, (deleted,), replaces_history=True)]}


@pytest.mark.parametrize(
    "held", [submission(version=4), submission(version=1), submission(version=1, updated_at=iso(5))], ids=range(3)
)
def test_what_is_deleted_and_copied_back_in_one_batch_is_there_and_replaces_history(held: Submission) -> None:
    batch = Batch.read([removed(held, at=held.updated_at), inserted(held)])
    (change,) = batch.changes["t_acme"]
    assert (change.newest, change.event, change.replaces_history) == (held, "insert", True)
