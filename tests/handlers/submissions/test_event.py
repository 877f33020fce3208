from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.submissions.event import FieldValue, MalformedEvent, SubmissionEvent
from formbridge.submissions.retention import MS_PER_DAY, REPLAY_DAYS
from tests.support.handlers.builders import NOW, NOW_ISO, TENANT_IDS, bus_event, iso, received, updated
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


SKEW_MS = 300_000


def parse(event: dict[str, Any]) -> SubmissionEvent:
    return SubmissionEvent.parse(event, NOW, SKEW_MS, TENANT_IDS)


def test_a_received_event_is_read() -> None:
    order = "1#2026-11-22T19:59:59.000Z#e1"
    assert parse(received(event_id="e1", payload={"email": "ada@example.com"})) == SubmissionEvent(
        tenant_id="t_acme",
        submission_id="s1",
        values={
            "form_id": FieldValue("contact", order),
            "status": FieldValue("processing", order),
            "submitted_at": FieldValue("2026-11-22T19:59:59.000Z", order),
            "payload": FieldValue('{"email":"ada@example.com"}', order),
        },
        creates=True,
    )


def test_an_update_is_read_and_sets_only_what_it_contains() -> None:
    detail = {"tenant_id": "t_acme", "submission_id": "s1", "status": "completed", "updated_at": iso(5)}
    assert parse(bus_event("submission.updated", detail, event_id="e2")) == SubmissionEvent(
        tenant_id="t_acme",
        submission_id="s1",
        values={"status": FieldValue("completed", "2#2026-11-22T20:00:00.005Z#e2")},
        creates=False,
    )


def test_a_deletion_needs_only_the_two_ids() -> None:
    detail = {"tenant_id": "t_acme", "submission_id": "s1", "status": "deleted"}
    assert parse(bus_event("submission.updated", detail)).deletes
    assert not parse(bus_event("submission.updated", {**detail, "status": "done"})).deletes


def test_an_update_that_changes_nothing_is_refused() -> None:
    detail = {"tenant_id": "t_acme", "submission_id": "s1", "updated_at": NOW_ISO}
    problem = r"^detail: must contain at least one of form_id, status, submitted_at, payload$"
    with pytest.raises(MalformedEvent, match=problem):
        parse(bus_event("submission.updated", detail))


def test_what_a_received_event_leaves_out_has_defaults_that_lose_against_any_value() -> None:
    detail = {"tenant_id": "t_acme", "submission_id": "s1", "form_id": "contact"}
    event = parse(bus_event("submission.received", detail, time="2026-11-22T20:00:00Z"))
    given = parse(received(event_id="0"))
    assert (event.values["status"].text, event.values["submitted_at"].text) == ("processing", NOW_ISO)
    assert "payload" not in event.values
    for name in ("status", "submitted_at"):
        assert event.values[name].order < given.values[name].order


def test_an_update_without_a_time_of_its_own_has_its_events() -> None:
    event = changed(updated(event_id="e1"), "detail.updated_at", MISSING)
    parsed = parse({**event, "time": "2026-11-22T19:58:00Z"})
    assert parsed.values["status"].order == "2#2026-11-22T19:58:00.000Z#e1"


def test_a_time_is_kept_in_utc_with_milliseconds() -> None:
    assert parse(received(submitted_at="2026-11-22T22:00:00+02:00")).values["submitted_at"].text == NOW_ISO


@given(JSON)
def test_any_json_may_be_the_payload(payload: object) -> None:
    assert json.loads(parse(received(payload=payload)).values["payload"].text) == payload


def test_a_payload_of_null_is_a_payload() -> None:
    assert parse(received(payload=None)).values["payload"].text == "null"


@pytest.mark.parametrize("offset_ms", [SKEW_MS, -REPLAY_DAYS * MS_PER_DAY])
def test_the_time_of_an_event_may_be_as_far_from_the_clock_as_the_limits_say(offset_ms: int) -> None:
    detail = received()["detail"]
    del detail["submitted_at"]
    assert parse(bus_event("submission.received", detail, time=iso(offset_ms)))


@pytest.mark.parametrize(
    ("time", "limit"),
    [
        (iso(SKEW_MS + 1), "at most 300 seconds in the future"),
        ("9999-12-31T23:59:59Z", "at most 300 seconds in the future"),
        (iso(-REPLAY_DAYS * MS_PER_DAY - 1), "at most 16 days in the past"),
    ],
)
def test_an_event_from_the_future_or_from_before_the_replay_horizon_is_refused(time: str, limit: str) -> None:
    with pytest.raises(MalformedEvent, match=rf"^time: must be {limit}, got "):
        parse(changed(received(), "time", time))


@pytest.mark.parametrize("name", ["updated_at", "submitted_at"])
@pytest.mark.parametrize("value", [iso(SKEW_MS), "9999-12-31T23:59:59Z"])
def test_a_time_far_ahead_of_the_events_own_is_refused(name: str, value: str) -> None:
    limit = r"at most 300 seconds after the time of the event, 2026-11-22T19:59:59\.000Z"
    with pytest.raises(MalformedEvent, match=rf"^{name}: must be {limit}, got "):
        parse(updated(**{name: value}))
    assert parse(updated(**{name: iso(SKEW_MS - 1_000)}))


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
        *[("detail.form_id", value) for value in WRONG_IDS],
        *[("detail.status", value) for value in [*WRONG_IDS, "x" * 33]],
        *[("detail.submitted_at", value) for value in WRONG_TIMES],
    ],
    ids=lambda value: "missing" if value is MISSING else str(value)[:40],
)
@pytest.mark.parametrize("event", [received(), updated()], ids=["received", "updated"])
def test_a_field_that_is_wrong_is_named(event: dict[str, Any], name: str, value: object) -> None:
    with pytest.raises(MalformedEvent, match=rf"^{name.removeprefix('detail.')}: must "):
        parse(changed(event, name, value))


def test_a_received_event_names_its_form() -> None:
    with pytest.raises(MalformedEvent, match=r"^form_id: must be a string, got None$"):
        parse(changed(received(), "detail.form_id", MISSING))


@pytest.mark.parametrize("value", WRONG_TIMES, ids=str)
def test_the_time_of_an_update_that_is_wrong_is_named(value: object) -> None:
    with pytest.raises(MalformedEvent, match=r"^updated_at: must "):
        parse(updated(updated_at=value))


def test_a_wrong_value_is_quoted() -> None:
    with pytest.raises(MalformedEvent, match=r"got 'acme'$"):
        parse(received(tenant_id="acme"))


@given(st.dictionaries(st.sampled_from(["id", "time", "detail-type", "detail"]), JSON))
def test_no_event_raises_anything_but_malformed_event(event: dict[str, Any]) -> None:
    with pytest.raises(MalformedEvent):
        parse(event)


OFFSETS = st.integers(-(10**12), SKEW_MS - 1_000)


def order(event: dict[str, Any]) -> str:
    return parse(event).values["status"].order


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
