from __future__ import annotations

import json
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import persist
from formbridge.submissions.event import MAX_PAYLOAD_BYTES, SubmissionEvent
from formbridge.submissions.submission import Submission
from tests.support.handlers.builders import NOW, LambdaContext, bus_event, iso, received, updated

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

A_DAY_S = 24 * 3600


def handle(*events: dict[str, Any]) -> None:
    for event in events:
        persist.handler(event, LambdaContext())


def held(region: Region, submission_id: str = "s1") -> Submission:
    item = region.item(submission_id)
    assert item is not None
    return Submission.from_item(item)


def test_a_received_event_is_version_1(region: Region, clock: Clock) -> None:
    handle(received(event_id="e1", payload={"email": "ada@example.com"}))
    assert region.item("s1") == {
        "PK": {"S": "SUB#s1"},
        "SK": {"S": "META"},
        "GSI1PK": {"S": "TENANT#t_acme"},
        "GSI1SK": {"S": "2026-11-22T20:00:00.000Z#s1"},
        "tenant_id": {"S": "t_acme"},
        "submission_id": {"S": "s1"},
        "form_id": {"S": "contact"},
        "status": {"S": "processing"},
        "version": {"N": "1"},
        "submitted_at": {"S": "2026-11-22T19:59:59.000Z"},
        "updated_at": {"S": "2026-11-22T20:00:00.000Z"},
        "payload": {"S": '{"email":"ada@example.com"}'},
        "event_order": {"S": "0#2026-11-22T19:59:59.000Z#e1"},
        "payload_order": {"S": "0#2026-11-22T19:59:59.000Z#e1"},
    }


def test_the_same_event_twice_is_one_version(region: Region, clock: Clock) -> None:
    event = received()
    handle(event)
    before = region.item("s1")
    clock.advance(60_000)
    handle(event)
    assert region.item("s1") == before


def test_an_update_is_the_next_version_at_the_time_of_its_write(region: Region, clock: Clock) -> None:
    handle(received(payload="p"))
    clock.advance(60_000)
    handle(updated(status="completed", updated_at=iso(1)))
    now = held(region)
    assert (now.version, now.status, now.updated_at) == (2, "completed", iso(60_000))
    item = region.item("s1") or {}
    assert item["GSI1SK"] == {"S": f"{iso(60_000)}#s1"}
    assert item["payload"] == {"S": '"p"'}


def test_an_update_that_does_not_say_when_it_was_submitted_leaves_that_as_it_is(region: Region) -> None:
    later = updated(status="completed")
    del later["detail"]["submitted_at"]
    handle(received(submitted_at=iso(-5000)), later)
    assert (held(region).status, held(region).submitted_at) == ("completed", iso(-5000))


def test_an_update_may_carry_a_new_payload(region: Region) -> None:
    handle(received(payload="old"), updated(payload="new"))
    assert (region.item("s1") or {})["payload"] == {"S": '"new"'}


def test_an_older_update_that_comes_late_never_wins(region: Region) -> None:
    handle(received(), updated(status="approved", updated_at=iso(2)), updated(status="in_review", updated_at=iso(1)))
    assert (held(region).status, held(region).version) == ("approved", 2)


def test_a_received_event_that_comes_late_brings_its_payload_and_nothing_else(region: Region, clock: Clock) -> None:
    late = received(payload="the form", status="processing")
    handle(updated(status="approved"))
    clock.advance(60_000)
    handle(late)
    assert (held(region).status, held(region).version, held(region).updated_at) == ("approved", 2, iso(60_000))
    assert (region.item("s1") or {})["payload"] == {"S": '"the form"'}
    clock.advance(60_000)
    handle(late)
    assert (held(region).version, held(region).updated_at) == (2, iso(60_000))


def test_an_older_payload_that_comes_late_never_wins(region: Region) -> None:
    handle(updated(payload="new"), received(payload="old"))
    assert (region.item("s1") or {})["payload"] == {"S": '"new"'}
    assert held(region).version == 1


def test_another_tenants_submission_is_left_alone_and_the_event_kept_for_a_person(region: Region) -> None:
    handle(received())
    before = region.item("s1")
    intruder = updated(tenant_id="t_globex", status="hacked", payload="x")
    handle(intruder)
    assert region.item("s1") == before
    (letter,) = region.dead_letters()
    assert json.loads(letter) == {
        "reason": "submission_id: must not belong to another tenant, got 's1'",
        "event": intruder,
    }


def test_a_malformed_event_is_kept_whole_with_its_reason(region: Region) -> None:
    event = received(tenant_id="acme")
    handle(event)
    (letter,) = region.dead_letters()
    reason = "tenant_id: must match t_[A-Za-z0-9_-]{1,64}, got 'acme'"
    assert json.loads(letter) == {"reason": reason, "event": event}
    assert region.item("s1") is None


def test_the_largest_payload_is_stored_and_one_byte_more_is_refused_with_a_reason(region: Region) -> None:
    largest = "x" * (MAX_PAYLOAD_BYTES - len('""'))
    longest = {"tenant_id": "t_" + "t" * 64, "submission_id": "s" * 64, "form_id": "f" * 64, "status": "s" * 32}
    handle(received(payload=largest, **longest))
    assert (region.item("s" * 64) or {})["payload"] == {"S": f'"{largest}"'}

    too_large = received(payload=largest + "x")
    handle(too_large)
    assert region.item("s1") is None
    (letter,) = region.dead_letters()
    reason = f"payload: must be at most {MAX_PAYLOAD_BYTES:,} bytes as JSON in ASCII, got {MAX_PAYLOAD_BYTES + 1:,}"
    assert json.loads(letter) == {"reason": reason, "event": too_large}


def test_an_event_that_is_larger_than_a_message_is_kept_whole_in_several(region: Region) -> None:
    # What EventBridge takes at the most; each of these characters is three bytes there, and six in ASCII.
    event = received(payload='"\N{SNOWMAN}' * 262_144)
    handle(event)
    letters = [json.loads(letter) for letter in region.dead_letters()]
    assert {(letter["event_id"], letter["parts"]) for letter in letters} == {(event["id"], len(letters))}
    assert all(letter["reason"].startswith("payload: must be at most") for letter in letters)
    letters.sort(key=lambda letter: letter["part"])
    assert json.loads("".join(letter["text"] for letter in letters)) == event


def test_a_good_event_leaves_no_dead_letter(region: Region) -> None:
    handle(received(), updated())
    assert region.dead_letters() == []


@pytest.mark.parametrize(
    "event",
    [
        received(payload={"email": "secret@example.com"}),
        received(payload={"email": "secret@example.com"}, status=5),
        received(payload={"email": "secret@example.com"}, tenant_id=None),
        received(form_id="secret@example.com"),
        bus_event("submission.received", "secret@example.com"),
        bus_event("submission.received", ["secret@example.com"]),
    ],
    ids=["good", "wrong status", "no tenant", "the form in an id", "a text for a detail", "a list for a detail"],
)
def test_nothing_of_a_payload_is_logged(
    region: Region, event: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="formbridge")
    handle(event)
    assert caplog.records
    assert not any("secret@example.com" in str(vars(line)) for line in caplog.records)


def test_what_became_of_an_event_is_logged_with_its_ids(region: Region, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, logger="formbridge")
    event = received(event_id="e1")
    handle(event, event)
    written, stale = (vars(line) for line in caplog.records)
    assert (written["event_id"], written["tenant_id"], written["submission_id"]) == ("e1", "t_acme", "s1")
    assert (written["result"], stale["result"]) == ("written", "stale")


def test_a_submission_is_kept_for_ever_unless_told(region: Region) -> None:
    handle(received())
    assert "ttl" not in (region.item("s1") or {})


def test_a_submission_expires_the_retention_time_after_its_last_change(
    region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "30")
    handle(received())
    assert held(region).expires_at == NOW // 1000 + 30 * A_DAY_S
    clock.advance(5_000)
    handle(updated())
    assert held(region).expires_at == NOW // 1000 + 5 + 30 * A_DAY_S


def test_a_failure_of_the_table_is_raised_so_that_the_event_is_tried_again(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLE_NAME", "another")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        handle(received())
    assert region.dead_letters() == []


def test_a_deleted_submission_loses_its_payload_now_and_its_row_in_a_week(region: Region, clock: Clock) -> None:
    handle(received(payload="p"), updated(status="deleted", updated_at=iso(1)))
    assert (held(region).status, held(region).version) == ("deleted", 2)
    assert held(region).expires_at == NOW // 1000 + 7 * A_DAY_S
    assert "payload" not in (region.item("s1") or {})


def test_a_form_that_comes_after_its_deletion_stays_deleted(region: Region) -> None:
    handle(updated(status="deleted", updated_at=iso(1)), received(payload="p"))
    assert held(region).status == "deleted"
    assert "payload" not in (region.item("s1") or {})


def test_what_was_kept_for_a_time_is_kept_for_ever_once_that_is_the_setting(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "30")
    handle(received())
    monkeypatch.setenv("RETENTION_DAYS", "0")
    handle(updated())
    assert held(region).expires_at is None


def test_an_update_that_overtakes_its_form_learns_from_it_when_it_was_submitted(region: Region) -> None:
    early = updated(status="completed")
    del early["detail"]["submitted_at"]
    handle(early, received(submitted_at=iso(-5000), payload="p"))
    assert (held(region).status, held(region).submitted_at) == ("completed", iso(-5000))


# --- Any order, any duplicates --------------------------------------------------------------------------------

STATUSES = st.sampled_from(["in_review", "approved", "rejected", "deleted"])
PAYLOADS = st.none() | st.integers(0, 9)


@st.composite
def deliveries(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The events of one submission, in any order and with duplicates."""
    life = [received(payload="the form")]
    for moment in range(draw(st.integers(0, 3))):
        event = updated(status=draw(STATUSES), updated_at=iso(moment // 2))
        payload = draw(PAYLOADS)
        life.append(event if payload is None else {**event, "detail": {**event["detail"], "payload": payload}})
    again = draw(st.lists(st.sampled_from(life), max_size=3))
    return draw(st.permutations([*life, *again]))


@pytest.mark.no_cover
# Each example begins with an empty table.
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(deliveries())
def test_any_order_with_any_duplicates_ends_in_the_same_state(region: Region, delivered: list[dict[str, Any]]) -> None:
    region.clear()
    written: Counter[str] = Counter()
    for event in delivered:
        before = region.item("s1")
        version = held(region).version if before else 0
        handle(event)
        if region.item("s1") != before:
            written[event["id"]] += 1
            assert held(region).version == version + 1
    assert set(written.values()) == {1}
    ordered = sorted(map(SubmissionEvent.parse, delivered), key=lambda event: event.order)
    *_, payload = (
        None if event.status == "deleted" else event.payload
        for event in ordered
        if event.payload is not None or event.status == "deleted"
    )
    item = region.item("s1") or {}
    assert (item["status"], item["event_order"]) == ({"S": ordered[-1].status}, {"S": ordered[-1].order})
    assert item.get("payload") == (None if payload is None else {"S": payload})
    handle(*delivered)
    assert region.item("s1") == item
    assert region.dead_letters() == []
