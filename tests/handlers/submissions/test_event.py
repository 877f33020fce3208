from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.submissions.event import MalformedEvent, SubmissionEvent
from tests.support.handlers.builders import NOW_ISO, bus_event, iso, received, updated
from tests.support.handlers.strategies import JSON

MISSING = object()
WRONG_TEXTS: list[object] = [None, "", 5, True, ["x"], {"S": "x"}]


def changed(event: dict[str, Any], name: str, value: object) -> dict[str, Any]:
    """`event` with another value of one field of it, or of its detail as `detail.…`."""
    head, _, rest = name.partition(".")
    if rest:
        return {**event, head: changed(event[head], rest, value)}
    if value is MISSING:
        return {key: kept for key, kept in event.items() if key != name}
    return {**event, name: value}


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
