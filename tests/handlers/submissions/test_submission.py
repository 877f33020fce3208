from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.submissions.event import MalformedEvent, SubmissionEvent
from formbridge.submissions.submission import MAX_ATTRIBUTE_LENGTH, MalformedItem, Submission
from tests.support.handlers.builders import NOW_ISO, bus_event, image, iso, received, submission, updated
from tests.support.handlers.strategies import JSON

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

MISSING = object()


def changed(event: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """`event` with another value of one field of it, or of its detail as `detail.…`."""
    head, _, rest = name.partition(".")
    if rest:
        return {**event, head: changed(event[head], rest, value)}
    if value is MISSING:
        return {key: kept for key, kept in event.items() if key != name}
    return {**event, name: value}


# --- Events ---------------------------------------------------------------------------------------------------


def test_a_received_event_is_read() -> None:
    assert SubmissionEvent.parse(received(event_id="e1", payload={"email": "ada@example.com"})) == SubmissionEvent(
        tenant_id="t_acme",
        submission_id="s1",
        form_id="contact",
        status="processing",
        submitted_at="2026-11-22T19:59:59.000Z",
        submitted_at_is_known=True,
        payload='{"email":"ada@example.com"}',
        order="0#2026-11-22T19:59:59.000Z#e1",
    )


def test_an_updated_event_is_read() -> None:
    assert SubmissionEvent.parse(updated(event_id="e2", status="completed")) == SubmissionEvent(
        tenant_id="t_acme",
        submission_id="s1",
        form_id="contact",
        status="completed",
        submitted_at="2026-11-22T19:59:59.000Z",
        submitted_at_is_known=True,
        payload=None,
        order="1#2026-11-22T20:00:00.000Z#e2",
    )


def test_what_a_received_event_leaves_out_has_defaults() -> None:
    detail = {"tenant_id": "t_acme", "submission_id": "s1", "form_id": "contact"}
    event = SubmissionEvent.parse(bus_event("submission.received", detail, time="2026-11-22T20:00:00Z"))
    assert event.status == "processing"
    assert event.submitted_at == NOW_ISO
    assert not event.submitted_at_is_known
    assert event.payload is None


def test_an_update_without_a_time_of_its_own_has_its_events() -> None:
    event = changed(updated(event_id="e1"), "detail.updated_at", MISSING)
    assert SubmissionEvent.parse({**event, "time": "2026-11-22T21:00:00Z"}).order == "1#2026-11-22T21:00:00.000Z#e1"


def test_a_time_is_kept_in_utc_with_milliseconds() -> None:
    assert SubmissionEvent.parse(received(submitted_at="2026-11-22T22:00:00+02:00")).submitted_at == NOW_ISO


@given(JSON)
def test_any_json_may_be_the_payload(payload: object) -> None:
    assert json.loads(SubmissionEvent.parse(received(payload=payload)).payload or "") == payload


def test_a_payload_of_null_is_a_payload() -> None:
    assert SubmissionEvent.parse(received(payload=None)).payload == "null"


WRONG_TEXTS: list[object] = [None, "", 5, True, ["x"], {"S": "x"}]
WRONG_IDS = [*WRONG_TEXTS, "a b", "a#b", "x" * 65, "s1\n"]
WRONG_TIMES = [*WRONG_TEXTS, "yesterday", "2026-13-01T00:00:00Z", 1790000000]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("detail", value) for value in [MISSING, None, "x", 5, ["x"]]],
        *[("detail-type", value) for value in [MISSING, *WRONG_TEXTS, "submission.deleted", "submission.Received"]],
        *[("id", value) for value in [MISSING, *WRONG_TEXTS]],
        *[("time", value) for value in [MISSING, *WRONG_TIMES]],
        *[("detail.tenant_id", value) for value in [MISSING, *WRONG_IDS, "acme", "t_acme#1", "t_" + "x" * 65]],
        *[("detail.submission_id", value) for value in [MISSING, *WRONG_IDS]],
        *[("detail.form_id", value) for value in [MISSING, *WRONG_IDS]],
        *[("detail.status", value) for value in [*WRONG_IDS, "x" * 33]],
        *[("detail.submitted_at", value) for value in WRONG_TIMES],
    ],
    ids=lambda value: "missing" if value is MISSING else str(value)[:40],
)
@pytest.mark.parametrize("event", [received(), updated()], ids=["received", "updated"])
def test_a_field_that_is_wrong_is_named(event: dict[str, Any], name: str, value: object) -> None:
    with pytest.raises(MalformedEvent, match=rf"^{name.removeprefix('detail.')}: must "):
        SubmissionEvent.parse(changed(event, name, value))


@pytest.mark.parametrize("value", WRONG_TIMES, ids=str)
def test_the_time_of_an_update_that_is_wrong_is_named(value: object) -> None:
    with pytest.raises(MalformedEvent, match=r"^updated_at: must "):
        SubmissionEvent.parse(updated(updated_at=value))


def test_an_update_says_its_status() -> None:
    with pytest.raises(MalformedEvent, match=r"^status: must be a string, got None$"):
        SubmissionEvent.parse(changed(updated(), "detail.status", MISSING))


def test_a_wrong_value_is_quoted() -> None:
    with pytest.raises(MalformedEvent, match=r"got 'acme'$"):
        SubmissionEvent.parse(received(tenant_id="acme"))


@given(st.dictionaries(st.sampled_from(["id", "time", "detail-type", "detail"]), JSON))
def test_no_event_raises_anything_but_malformed_event(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedEvent):
        SubmissionEvent.parse(event)


# --- The order of events --------------------------------------------------------------------------------------

OFFSETS = st.integers(-(10**12), 10**12)


def order(event: dict[str, Any]) -> str:
    return SubmissionEvent.parse(event).order


@given(OFFSETS, OFFSETS)
def test_received_comes_before_every_update(submitted: int, at: int) -> None:
    assert order(received(submitted_at=iso(submitted))) < order(updated(updated_at=iso(at)))


@given(OFFSETS, OFFSETS)
def test_updates_follow_one_another_by_their_time(a: int, b: int) -> None:
    if a == b:
        return
    assert (order(updated(updated_at=iso(a))) < order(updated(updated_at=iso(b)))) == (a < b)


@given(st.uuids().map(str), st.uuids().map(str))
def test_updates_of_one_moment_have_an_order_all_the_same(a: str, b: str) -> None:
    assert (order(updated(event_id=a)) < order(updated(event_id=b))) == (a < b)


def test_the_same_event_twice_stands_at_the_same_place() -> None:
    event = updated()
    assert order(event) == order(dict(event))


# --- Items and updates ----------------------------------------------------------------------------------------


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
    with pytest.raises(MalformedItem, match=r"^tenant_id: must match .*, got 'acme'$"):
        Submission.from_item({**image(submission()), "tenant_id": {"S": "acme"}})


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
    data = {"tenant_id": "t_acme", "submission_id": "s1", "version": 3, "event": "leave"}
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
