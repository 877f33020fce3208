from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.revocations.revocation import FOREVER, RETENTION_SECONDS, Kind, Revocation, Target
from tests.support.handlers.region import REVOCATIONS
from tests.support.tools.access import NOW
from tools import revocation_log
from tools.revocation_log import Action, Change, Conflict, RevocationLog

if TYPE_CHECKING:
    from tests.support.tools.access import AccessStack

ACME = Target(Kind.TENANT, "t_acme")
ARN = "arn:aws:iam::123456789012:user/ada"
CLOCK_TOLERANCE = 45
BEFORE = NOW + 1 + CLOCK_TOLERANCE


def change(action: Action, now: int = NOW, until: int | None = None, reason: str = "why") -> Change:
    return Change(action, ARN, reason, now, CLOCK_TOLERANCE, until)


@pytest.fixture
def log(access: AccessStack) -> RevocationLog:
    return RevocationLog(access.dynamodb, REVOCATIONS)


# --- What a change does ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "until", "after"),
    [
        (Action.REVOKE, None, Revocation(BEFORE, NOW + RETENTION_SECONDS)),
        (Action.REVOKE, NOW + 60, Revocation(BEFORE, NOW + 60)),
        (Action.BLOCK, None, Revocation(BEFORE, FOREVER, FOREVER)),
        (Action.BLOCK, NOW + 60, Revocation(BEFORE, NOW + RETENTION_SECONDS, NOW + 60)),
    ],
)
def test_a_change_refuses_the_sign_ins_until_now_and_a_block_the_later_ones(
    action: Action, until: int | None, after: Revocation
) -> None:
    assert change(action, until=until).apply(Revocation()) == after


@pytest.mark.parametrize("ahead", range(CLOCK_TOLERANCE + 1))
def test_a_sign_in_by_a_clock_that_is_ahead_within_the_tolerance_is_refused(ahead: int) -> None:
    assert change(Action.REVOKE).apply(Revocation()).refuses(NOW + ahead, NOW)
    assert not change(Action.REVOKE).apply(Revocation()).refuses(BEFORE, NOW)


@given(st.lists(st.tuples(st.sampled_from([Action.REVOKE, Action.BLOCK]), st.integers(1, 9), st.integers(10, 20))))
def test_whatever_is_recorded_by_whatever_clock_nothing_becomes_weaker(done: list[tuple[Action, int, int]]) -> None:
    state = Revocation()
    for action, now, until in done:
        after = change(action, now, until).apply(state)
        assert after.merge(state) == after
        state = after


def test_a_lift_ends_a_block_and_keeps_what_was_revoked() -> None:
    blocked = change(Action.BLOCK).apply(Revocation())
    lifted = change(Action.LIFT, NOW + 60).apply(blocked)
    assert (lifted.refuses(NOW, NOW + 60), lifted.refuses(NOW + 60, NOW + 60)) == (True, False)
    assert not change(Action.LIFT_ALL, NOW + 60).apply(blocked).refuses(0, NOW + 60)


# --- What is written ------------------------------------------------------------------------------------------


def test_a_change_is_written_with_an_audit_item(access: AccessStack, log: RevocationLog) -> None:
    assert log.record(ACME, change(Action.REVOKE)) == (Revocation(), Revocation(BEFORE, NOW + RETENTION_SECONDS))
    audit, state = sorted(access.items(), key=lambda item: item["SK"]["S"])
    recorded = {
        "PK": {"S": "TENANT#t_acme"},
        "signed_in_before": {"N": str(BEFORE)},
        "revoked_until": {"N": str(NOW + RETENTION_SECONDS)},
        "blocked_until": {"N": "0"},
        "action": {"S": "revoke"},
        "recorded_at": {"S": "2027-01-15T08:00:00.000Z"},
        "recorded_by": {"S": ARN},
        "reason": {"S": "why"},
    }
    ttl = {"N": str(NOW + RETENTION_SECONDS)}
    target = {"S": "TENANT#t_acme"}
    assert state == {**recorded, "SK": {"S": "REVOCATION"}, "target": target, "revision": {"N": "1"}, "ttl": ttl}
    sort_key = audit.pop("SK")["S"]
    assert audit == {name: value for name, value in recorded.items() if name != "SK"}
    assert sort_key.startswith("AUDIT#2027-01-15T08:00:00.000Z#")


def test_each_change_is_kept_and_the_state_is_that_of_the_last(access: AccessStack, log: RevocationLog) -> None:
    for action in (Action.REVOKE, Action.BLOCK, Action.LIFT):
        log.record(ACME, change(action, reason=action.value))
    entries = list(log.read_entries())
    assert sorted(entry.reason for entry in entries if entry.is_audit) == ["block", "lift", "revoke"]
    (state,) = [entry for entry in entries if not entry.is_audit]
    assert (state.target, state.action) == (ACME, "lift")


def test_a_second_run_from_a_slow_clock_takes_nothing_back(log: RevocationLog) -> None:
    _, first = log.record(ACME, change(Action.REVOKE))
    assert log.record(ACME, change(Action.REVOKE, NOW - 3_600)) == (first, first)
    assert log.record(ACME, change(Action.REVOKE, NOW - 3_600, until=NOW + 5)) == (first, first)


def test_two_changes_at_once_are_both_kept(access: AccessStack, log: RevocationLog) -> None:
    block, begun = change(Action.BLOCK, NOW - 50, NOW + 500), False

    def interfere(**_: object) -> None:
        nonlocal begun
        if not begun:
            begun = True
            log.record(ACME, block)

    events = access.dynamodb.meta.events
    events.register("before-call.dynamodb.TransactWriteItems", interfere)
    try:
        _, after = log.record(ACME, change(Action.REVOKE))
    finally:
        events.unregister("before-call.dynamodb.TransactWriteItems", interfere)
    assert (after.signed_in_before, after.blocked_until) == (BEFORE, NOW + 500)
    assert len([entry for entry in log.read_entries() if entry.is_audit]) == 2


def test_a_change_that_is_always_overtaken_is_an_error(
    access: AccessStack, log: RevocationLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(revocation_log, "MAX_ATTEMPTS", 2)

    def overtake(**_: object) -> None:
        key: Any = {"PK": {"S": ACME.key}, "SK": {"S": "REVOCATION"}}
        access.dynamodb.update_item(
            TableName=REVOCATIONS,
            Key=key,
            UpdateExpression="ADD revision :one",
            ExpressionAttributeValues={":one": {"N": "1"}},
        )

    access.dynamodb.meta.events.register("before-call.dynamodb.TransactWriteItems", overtake)
    with pytest.raises(Conflict, match="TENANT#t_acme: other changes were written at the same time"):
        log.record(ACME, change(Action.REVOKE))
