from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from formbridge.submissions.submission import MAX_ATTRIBUTE_LENGTH, MalformedItem, Submission, is_pending
from tests.support.handlers.builders import NOW, image, iso, submission

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


@pytest.mark.parametrize("expires_at", [None, 1795000000])
def test_a_submission_comes_back_from_its_item(expires_at: int | None) -> None:
    held = submission(expires_at=expires_at, version=7, status="completed", updated_at=iso(5))
    assert Submission.from_item(image(held)) == held


@pytest.mark.parametrize(
    "name", ["tenant_id", "submission_id", "form_id", "status", "version", "submitted_at", "updated_at"]
)
@pytest.mark.parametrize("value", [None, {"BOOL": True}], ids=["missing", "of another type"])
def test_an_attribute_that_is_wrong_is_named(name: str, value: AttributeValueTypeDef | None) -> None:
    item = image(submission())
    del item[name]
    if value is not None:
        item[name] = value
    with pytest.raises(MalformedItem, match=f"^{name}: must be of DynamoDB type "):
        Submission.from_item(item)


@pytest.mark.parametrize("name", ["submission_id", "form_id", "status", "submitted_at", "updated_at"])
def test_a_text_that_would_fill_a_frame_is_named(name: str) -> None:
    assert Submission.from_item({**image(submission()), name: {"S": "x" * MAX_ATTRIBUTE_LENGTH}})
    with pytest.raises(MalformedItem, match=f"^{name}: must be at most 1,024 characters, got 1,025$"):
        Submission.from_item({**image(submission()), name: {"S": "x" * (MAX_ATTRIBUTE_LENGTH + 1)}})


@pytest.mark.parametrize("name", ["version", "ttl"])
def test_a_number_that_is_not_whole_is_named(name: str) -> None:
    with pytest.raises(MalformedItem, match=f"^{name}: must be an integer, got '1.5'$"):
        Submission.from_item({**image(submission()), name: {"N": "1.5"}})


def test_a_tenant_that_is_none_is_named() -> None:
    with pytest.raises(MalformedItem, match=r"^tenant_id: must match .*, got 'a#b'$"):
        Submission.from_item({**image(submission()), "tenant_id": {"S": "a#b"}})


def test_an_update_is_as_the_protocol_has_it() -> None:
    held = submission(version=3, status="completed", submitted_at=iso(-1000), updated_at=iso(1))
    assert held.build_update("modify") == {
        "event": "modify",
        "data": {
            "tenant_id": "t_acme",
            "submission_id": "s1",
            "form_id": "contact",
            "status": "completed",
            "version": 3,
            "incarnation": NOW,
            "submitted_at": "2026-11-22T19:59:59.000Z",
            "updated_at": "2026-11-22T20:00:00.001Z",
            "timestamp": "2026-11-22T20:00:00.001Z",
            "message": "Form submission updated",
            "event": "modify",
        },
    }


def test_an_update_tells_when_the_submission_expires() -> None:
    assert submission(expires_at=1795000000).build_update("insert")["data"].get("expires_at") == 1795000000


def test_each_kind_of_update_has_its_message() -> None:
    held = submission()
    assert held.build_update("insert")["data"].get("message") == "New form submission received"
    assert held.build_update("modify")["data"].get("message") == "Form submission updated"
    assert held.build_update("remove")["data"].get("message") == "Form submission removed"


def test_a_leave_tells_only_which_submission_it_was() -> None:
    data = {"tenant_id": "t_acme", "submission_id": "s1", "version": 3, "incarnation": NOW, "event": "leave"}
    assert submission(version=3, expires_at=1795000000).build_leave() == {"event": "leave", "data": data}


def test_no_update_carries_the_payload() -> None:
    held = Submission.from_item(image(submission()))
    assert "ada@example.com" not in json.dumps([held.build_current(), held.build_update("remove"), held.build_leave()])


def test_a_submission_expires_with_the_second_it_says() -> None:
    assert submission(expires_at=100).has_expired(100_000)
    assert not submission(expires_at=100).has_expired(99_999)
    assert not submission().has_expired(10**15)


def test_what_was_never_changed_is_an_insert_and_what_was_is_a_modify() -> None:
    assert submission(version=1).build_current()["event"] == "insert"
    assert submission(version=2).build_current()["event"] == "modify"


def test_a_row_of_another_program_has_no_incarnation() -> None:
    held = submission(incarnation=0)
    assert "incarnation" not in image(held)
    assert Submission.from_item(image(held)) == held


def test_states_are_ordered_by_incarnation_and_then_by_version() -> None:
    states = [submission(incarnation=2, version=2), submission(incarnation=2), submission(incarnation=1, version=9)]
    assert sorted(states, key=lambda state: state.recency) == [*reversed(states)]


@pytest.mark.parametrize("name", ["form_id", "status", "submitted_at"])
def test_a_row_of_persist_without_a_required_field_is_pending(name: str) -> None:
    item = image(submission())
    assert not is_pending(item)
    del item[name]
    assert is_pending(item)
    del item["incarnation"]
    assert not is_pending(item)
