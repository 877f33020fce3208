from __future__ import annotations

import json
import logging
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import persist
from formbridge.submissions.event import FIELDS, MAX_PAYLOAD_BYTES, SubmissionEvent
from formbridge.submissions.index_lag import is_sampled
from formbridge.submissions.retention import REPLAY_DAYS
from formbridge.submissions.submission import Submission, is_pending
from tests.support.handlers.builders import NOW, TENANT_IDS, LambdaContext, bus_event, iso, partial, received, updated

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

pytestmark = pytest.mark.usefixtures("clock")

A_DAY_S = 24 * 3600
MAX_SKEW_MS = 300_000
IDS = {"tenant_id": "t_acme", "submission_id": "s1"}


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
        "PK": {"S": "SUB#t_acme#s1"},
        "SK": {"S": "META"},
        "GSI1PK": {"S": "TENANT#t_acme"},
        "GSI1SK": {"S": "2026-11-22T20:00:00.000Z#s1"},
        "tenant_id": {"S": "t_acme"},
        "submission_id": {"S": "s1"},
        "form_id": {"S": "contact"},
        "status": {"S": "processing"},
        "version": {"N": "1"},
        "incarnation": {"N": str(NOW)},
        "submitted_at": {"S": "2026-11-22T19:59:59.000Z"},
        "updated_at": {"S": "2026-11-22T20:00:00.000Z"},
        "payload": {"S": '{"email":"ada@example.com"}'},
        **{
            f"{name}_order": {"S": "1#2026-11-22T19:59:59.000Z#e1"}
            for name in ("form_id", "status", "submitted_at", "payload")
        },
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


def test_a_received_event_that_comes_late_brings_what_no_update_has_set(region: Region, clock: Clock) -> None:
    late = received(payload="the form", status="processing", form_id="contact")
    handle(updated(status="approved", form_id="survey"))
    clock.advance(60_000)
    handle(late)
    assert (held(region).status, held(region).form_id, held(region).version) == ("approved", "survey", 2)
    assert held(region).updated_at == iso(60_000)
    assert (region.item("s1") or {})["payload"] == {"S": '"the form"'}
    clock.advance(60_000)
    handle(late)
    assert (held(region).version, held(region).updated_at) == (2, iso(60_000))


def test_an_older_payload_that_comes_late_never_wins(region: Region) -> None:
    handle(updated(payload="new"), received(payload="old"))
    assert (region.item("s1") or {})["payload"] == {"S": '"new"'}


def test_two_tenants_with_the_same_id_never_meet(region: Region) -> None:
    theirs = {"tenant_id": "t_globex", "form_id": "survey"}
    handle(received(), received(**theirs), updated(**theirs))
    assert (held(region).status, held(region).version) == ("processing", 1)
    other = Submission.from_item(region.item("s1", "t_globex") or {})
    assert (other.tenant_id, other.form_id, other.status, other.version) == ("t_globex", "survey", "completed", 2)
    assert region.dead_letters() == []


def test_an_update_changes_only_what_it_contains(region: Region) -> None:
    handle(received(form_id="contact", payload="p", submitted_at=iso(-5000)), partial(status="completed"))
    assert (held(region).status, held(region).form_id, held(region).submitted_at) == (
        "completed",
        "contact",
        iso(-5000),
    )
    assert (region.item("s1") or {})["payload"] == {"S": '"p"'}


def test_updates_of_two_fields_do_not_depend_on_their_order_of_arrival(region: Region) -> None:
    handle(received(), partial(payload="new", updated_at=iso(2)), partial(status="completed", updated_at=iso(1)))
    assert (held(region).status, held(region).version) == ("completed", 3)
    assert (region.item("s1") or {})["payload"] == {"S": '"new"'}


def test_an_update_before_its_submission_is_kept_and_shown_only_with_it(region: Region, clock: Clock) -> None:
    handle(partial(status="completed", payload="new"))
    item = region.item("s1") or {}
    assert is_pending(item)
    assert item["ttl"] == {"N": str(NOW // 1000 + REPLAY_DAYS * A_DAY_S)}
    assert persist.submissions_table().read("t_acme", iso(-1), 10) == ([], None)
    handle(partial(status="approved", updated_at=iso(1)), received(payload="old"))
    assert (held(region).status, held(region).form_id, held(region).version) == ("approved", "contact", 3)
    assert (region.item("s1") or {})["payload"] == {"S": '"new"'}
    assert held(region).expires_at is None
    assert persist.submissions_table().read("t_acme", iso(-1), 10).submissions == [held(region)]


def test_a_malformed_event_is_kept_whole_with_its_reason(region: Region) -> None:
    event = received(tenant_id="acme")
    handle(event)
    (letter,) = region.dead_letters()
    reason = "tenant_id: must match t_[A-Za-z0-9_-]{1,64}, got 'acme'"
    assert json.loads(letter) == {"reason": reason, "event": event}
    assert region.item("s1") is None


def test_the_stacks_pattern_decides_which_tenants_there_are(region: Region, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TENANT_ID_PATTERN", "org_[a-z]+|t:[^A-Z]+")
    handle(received(tenant_id="org_acme"))
    assert region.item("s1", "org_acme")

    for refused in ("t_acme", "t:a#b"):
        handle(received(tenant_id=refused))
        assert region.item("s1", refused) is None
    assert len(region.dead_letters()) == 2


def test_the_largest_payload_is_stored_and_one_byte_more_is_refused_with_a_reason(region: Region) -> None:
    largest = "x" * (MAX_PAYLOAD_BYTES - len('""'))
    longest = {"tenant_id": "t_" + "t" * 64, "submission_id": "s" * 64, "form_id": "f" * 64, "status": "s" * 32}
    handle(received(payload=largest, **longest))
    assert (region.item("s" * 64, "t_" + "t" * 64) or {})["payload"] == {"S": f'"{largest}"'}

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


def test_the_lag_of_the_index_is_measured_for_some_events(region: Region, capsys: pytest.CaptureFixture[str]) -> None:
    sampled = next(name for number in range(10_000) if is_sampled(name := f"e{number}"))
    handle(received(event_id="e0"), received(event_id="e0", submission_id="s2"))
    assert "IndexLag" not in capsys.readouterr().out
    handle(received(event_id=sampled, submission_id="s3"))
    metric = json.loads(capsys.readouterr().out)
    assert 0 <= metric["IndexLag"] < 3_000
    assert not is_sampled("e0")


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


def test_an_event_does_not_bring_a_submission_back_whose_retention_time_has_passed(
    region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "3")
    event = received()
    handle(event)
    clock.advance(3 * A_DAY_S * 1000)
    region.clear()
    handle(event)
    assert region.item("s1") is None
    (letter,) = region.dead_letters()
    assert json.loads(letter)["reason"].startswith("time: must be at most 3 days in the past, got ")


def test_a_failure_of_the_table_is_raised_so_that_the_event_is_tried_again(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TABLE_NAME", "another")
    with pytest.raises(Exception, match="ResourceNotFoundException"):
        handle(received())
    assert region.dead_letters() == []


# --- Deletion -------------------------------------------------------------------------------------------------


def assert_is_deleted(region: Region) -> None:
    item = region.item("s1") or {}
    assert item["status"] == {"S": "deleted"}
    assert "payload" not in item


def test_a_deleted_submission_loses_its_payload_now_and_its_row_after_the_replay_horizon(region: Region) -> None:
    handle(received(payload="p"), partial(status="deleted"))
    assert_is_deleted(region)
    assert held(region).version == 2
    assert held(region).expires_at == NOW // 1000 + 17 * A_DAY_S


def test_a_deletion_wins_against_an_update_whose_time_is_ahead(region: Region) -> None:
    handle(received(payload="p"), updated(updated_at=iso(299_000), payload="q"), partial(status="deleted"))
    assert_is_deleted(region)


@pytest.mark.parametrize("event_id", ["0", "f"])
def test_a_deletion_wins_against_an_update_of_the_same_moment(region: Region, event_id: str) -> None:
    deletion = bus_event("submission.updated", {**IDS, "status": "deleted"}, event_id=event_id)
    update = bus_event("submission.updated", {**IDS, "status": "done", "payload": "p"}, event_id="8")
    for first, second in ([deletion, update], [update, deletion]):
        region.clear()
        handle(received(), first, second)
        assert_is_deleted(region)


def test_nothing_brings_a_deleted_submission_back(region: Region, clock: Clock) -> None:
    handle(received(), partial(status="deleted"))
    before = region.item("s1")
    clock.advance(60_000)
    handle(
        updated(status="completed", updated_at=iso(60_000), payload="back"),
        partial(payload="back", updated_at=iso(60_000)),
        received(payload="back"),
        partial(status="deleted", updated_at=iso(60_000)),
    )
    assert region.item("s1") == before


def test_a_form_that_comes_after_its_deletion_stays_deleted_and_is_never_shown(region: Region) -> None:
    handle(partial(status="deleted"), received(payload="p"))
    assert_is_deleted(region)
    assert is_pending(region.item("s1") or {})


def test_the_row_of_a_deleted_submission_outlives_every_event_that_may_be_replayed(
    region: Region, clock: Clock
) -> None:
    form = bus_event("submission.received", received()["detail"], time=iso(MAX_SKEW_MS))
    handle(partial(status="deleted"))
    expires_at = int((region.item("s1") or {})["ttl"].get("N", ""))
    clock.advance(expires_at * 1000 - NOW)
    region.clear()
    handle(form)
    assert region.item("s1") is None
    (letter,) = region.dead_letters()
    assert json.loads(letter)["reason"].startswith("time: must be at most 16 days in the past, got ")


def test_what_was_kept_for_a_time_is_kept_for_ever_once_that_is_the_setting(
    region: Region, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RETENTION_DAYS", "30")
    handle(received())
    monkeypatch.setenv("RETENTION_DAYS", "0")
    handle(updated())
    assert held(region).expires_at is None


# --- Any order, any duplicates --------------------------------------------------------------------------------

STATUSES = st.sampled_from(["in_review", "approved", "rejected", "deleted"])
CHANGES = st.fixed_dictionaries(
    {},
    optional={
        "status": STATUSES,
        "payload": st.integers(0, 9),
        "form_id": st.sampled_from(["contact", "survey"]),
        "submitted_at": st.integers(-9, 0).map(iso),
    },
)


@st.composite
def deliveries(draw: st.DrawFn) -> list[dict[str, Any]]:
    """The events of one submission, in any order and with duplicates."""
    known: dict[str, Any] = {**IDS, "form_id": "contact", **draw(CHANGES)}
    life = [bus_event("submission.received", known)]
    changes = draw(st.lists(CHANGES.filter(bool), max_size=3))
    life += [partial(**change, updated_at=iso(moment // 2)) for moment, change in enumerate(changes)]
    again = draw(st.lists(st.sampled_from(life), max_size=3))
    return draw(st.permutations([*life, *again]))


def merge(events: list[SubmissionEvent]) -> dict[str, str]:
    """The state that the events lead to: of each field the last value, and of a deleted submission no content."""
    if any(event.deletes for event in events):
        return {"status": "deleted"}
    values = [(value.order, name, value.text) for event in events for name, value in event.values.items()]
    return {name: text for _, name, text in sorted(values)}


@pytest.mark.no_cover
# Each example begins with an empty table.
@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(deliveries())
def test_any_order_with_any_duplicates_ends_in_the_same_state(region: Region, delivered: list[dict[str, Any]]) -> None:
    region.clear()
    written: Counter[str] = Counter()
    for event in delivered:
        before = region.item("s1")
        handle(event)
        after = region.item("s1") or {}
        if after != before:
            written[event["id"]] += 1
            version = int((before or {}).get("version", {}).get("N", "0"))
            assert after["version"] == {"N": str(version + 1)}
    assert all(count == 1 for count in written.values())
    item = region.item("s1") or {}
    expected = merge([SubmissionEvent.parse(event, NOW, MAX_SKEW_MS, TENANT_IDS) for event in delivered])
    names = expected if expected["status"] == "deleted" else FIELDS
    assert {name: item[name].get("S") for name in names if name in item} == expected
    assert "payload" not in item or expected["status"] != "deleted"
    handle(*delivered)
    assert region.item("s1") == item
    assert region.dead_letters() == []
