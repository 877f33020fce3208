from __future__ import annotations

import json
from itertools import chain

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.changes import Change
from formbridge.broadcast.fanout_task import MAX_CHANGES_BYTES, FanoutTask
from formbridge.connections.connection import Span
from formbridge.submissions.submission import EventName
from tests.support.handlers.builders import NOW, submission

SPANS = st.none() | st.builds(Span, st.none() | st.text(max_size=8), st.none() | st.text(max_size=8))


STATES = st.builds(
    submission,
    st.text(max_size=4),
    status=st.text(max_size=4),
    version=st.integers(1),
    expires_at=st.none() | st.just(9),
)


EVENTS = st.sampled_from(tuple[EventName, ...](("insert", "modify", "remove")))


CHANGES = st.builds(Change, STATES, EVENTS, st.integers(0), st.lists(STATES, max_size=1).map(tuple))
EPOCHS = st.integers(0, 10**13)


@given(st.lists(CHANGES, min_size=1, max_size=5), EPOCHS, st.none() | st.integers(0, 9), SPANS)
def test_work_comes_out_as_it_went_in(changes: list[Change], epoch: int, shard: int | None, span: Span | None) -> None:
    work = FanoutTask("t_acme", changes, epoch, shard, span)
    (message,) = work.encode()
    assert FanoutTask.decode(message) == work


@given(EPOCHS, SPANS)
def test_a_resync_comes_out_as_it_went_in(epoch: int, span: Span | None) -> None:
    (message,) = FanoutTask("t_acme", None, epoch, 3, span).encode()
    assert FanoutTask.decode(message) == FanoutTask("t_acme", None, epoch, 3, span)


@given(EPOCHS, st.integers(0, 9), SPANS)
def test_a_part_of_a_task_has_its_epoch_and_its_changes(epoch: int, shard: int, span: Span | None) -> None:
    changes = [Change(submission(), "insert", NOW)]
    part = FanoutTask("t_acme", changes, epoch).narrow(shard, span)
    assert part == FanoutTask("t_acme", changes, epoch, shard, span)


@pytest.mark.parametrize(
    ("replacements", "replaces"), [([], False), ([False], False), ([True], True), ([False, True, False], True)]
)
def test_a_task_replaces_the_history_if_one_of_its_changes_does(replacements: list[bool], replaces: bool) -> None:
    changes = [Change(submission(), "modify", NOW, replaces_history=each) for each in replacements]
    assert FanoutTask("t_acme", changes).replaces_history is replaces


def test_a_resync_replaces_the_history_as_far_as_anyone_knows() -> None:
    assert FanoutTask("t_acme", None).replaces_history


def test_of_earlier_states_one_of_each_that_a_filter_can_tell_apart_is_told() -> None:
    earlier = tuple(submission(version=version, status="ab"[version % 2]) for version in range(1, 200))
    (message,) = FanoutTask("t_acme", [Change(submission(version=200), "modify", NOW, earlier)]).encode()
    (change,) = FanoutTask.decode(message).changes or []
    assert {state.status for state in change.earlier} == {"a", "b"}
    assert len(change.earlier) == 2


def test_much_work_goes_in_messages_that_each_fit() -> None:
    changes = [Change(submission(f"s{number}"), "insert", NOW) for number in range(5_000)]
    messages = list(FanoutTask("t_acme", changes, NOW, 1).encode())
    assert len(messages) > 1
    assert all(len(message) < MAX_CHANGES_BYTES + 200 for message in messages)
    parts = [FanoutTask.decode(message) for message in messages]
    assert {(part.tenant_id, part.epoch, part.shard, part.span) for part in parts} == {("t_acme", NOW, 1, None)}
    assert [*chain.from_iterable(part.changes or [] for part in parts)] == changes


def test_no_payload_goes_over_the_queue() -> None:
    (message,) = FanoutTask("t_acme", [Change(submission(), "insert", NOW)]).encode()
    assert "ada@example.com" not in message
    assert "payload" not in json.loads(message)["changes"][0]["newest"]
