"""What a subscription with a filter sees of the records that the pipe delivers."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.broadcast.changes import Batch, Change
from tests.support.handlers.broadcasts import Broadcast
from tests.support.handlers.builders import NOW, image, inserted, iso, modified, record, removed, submission
from tests.support.handlers.connections import connection, wanting

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.submissions.submission import Submission, Update
    from formbridge.wire.subscription_filter import SubscriptionFilter

NEW = wanting({"status": ["new"]})


def seen(wanted: SubscriptionFilter | None, *records: dict[str, Any]) -> Update | None:
    """What a subscription of t_acme sees of one submission's records."""
    (change,) = Batch.read(records).changes["t_acme"]
    event = change.find_event(wanted)
    return change.build_update(event) if event is not None else None


def written(version: int, status: str) -> Submission:
    return submission(version=version, status=status)


def changed(version: int, status: str, *, before: str) -> dict[str, Any]:
    """The record of a write of `version`."""
    return modified(written(version, status), before=written(version - 1, before))


def test_what_matches_is_seen_as_what_happened() -> None:
    assert seen(NEW, inserted(written(1, "new"))) == written(1, "new").build_update("insert")
    assert seen(NEW, changed(2, "new", before="new")) == written(2, "new").build_update("modify")
    assert seen(NEW, removed(written(2, "new"))) == written(2, "new").build_update("remove")


def test_what_begins_to_match_is_a_modify() -> None:
    assert seen(NEW, changed(2, "new", before="spam")) == written(2, "new").build_update("modify")


def test_what_no_longer_matches_leaves_and_tells_no_more_than_that() -> None:
    assert seen(NEW, changed(2, "spam", before="new")) == {
        "event": "leave",
        "data": {"tenant_id": "t_acme", "submission_id": "s1", "version": 2, "incarnation": NOW, "event": "leave"},
    }


def test_what_never_matched_is_not_seen() -> None:
    assert seen(NEW, inserted(written(1, "spam"))) is None
    assert seen(NEW, changed(3, "done", before="spam")) is None
    assert seen(NEW, removed(written(3, "done"))) is None


def test_what_matched_in_between_may_be_held_from_an_earlier_delivery_and_leaves() -> None:
    batch = [inserted(written(1, "spam")), changed(2, "new", before="spam"), changed(3, "done", before="new")]
    assert seen(NEW, *batch) == written(3, "done").build_leave()


def test_what_was_removed_after_it_had_ceased_to_match_is_removed() -> None:
    batch = [changed(2, "spam", before="new"), removed(written(2, "spam"))]
    assert seen(NEW, *batch) == written(2, "spam").build_update("remove")


@pytest.mark.parametrize(
    "before",
    [image(submission(tenant_id="t_globex", status="new")), {**image(written(1, "new")), "version": {"S": "1"}}, {}],
    ids=["another tenant's", "malformed", "empty"],
)
def test_what_was_no_submission_of_this_tenant_is_no_earlier_state(before: Mapping[str, Any]) -> None:
    became = record("MODIFY", old=before, new=image(written(2, "spam")))
    assert Batch.read([became]) == Batch({"t_acme": [Change(written(2, "spam"), "modify", NOW)]})
    assert seen(NEW, became) is None


STATUSES = st.sampled_from(["new", "spam", "done"])
FORMS = st.sampled_from(["contact", "survey-1"])
PATTERNS: list[dict[str, Any]] = [
    {"status": ["new"]},
    {"status": [{"anything-but": "spam"}]},
    {"form_id": [{"prefix": "survey-"}]},
    {"form_id": ["contact"], "status": ["new", "done"]},
    {"$or": [{"form_id": ["contact"]}, {"status": ["done"]}]},
    {"status": ["of no submission"]},
]


@dataclass
class Client:
    """Keeps of one submission what the protocol says: the latest incarnation and its highest version.

    Of equal ones, `remove` and `leave` win.
    """

    newest: Update | None = None

    def apply(self, update: Update) -> None:
        if self.newest is None or self._rank(update) > self._rank(self.newest):
            self.newest = update

    @staticmethod
    def _rank(update: Update) -> tuple[int, int, bool]:
        return update["data"]["incarnation"], update["data"]["version"], update["event"] in ("remove", "leave")

    @property
    def shown(self) -> object:
        return self.newest["data"] if self.newest and self.newest["event"] not in ("remove", "leave") else None


STEP_MS = 7_000
"""Between two writes: a few of them fall into the overlap."""


@given(
    states=st.lists(st.tuples(FORMS, STATUSES), min_size=1, max_size=5),
    is_removed=st.booleans(),
    subscribed=st.integers(0, 6),
    pattern=st.none() | st.sampled_from(PATTERNS),
    data=st.data(),
)
def test_whatever_is_delivered_when_a_client_ends_with_the_newest_state_exactly_if_it_matches(
    states: list[tuple[str, str]],
    is_removed: bool,
    subscribed: int,
    pattern: dict[str, Any] | None,
    data: st.DataObject,
) -> None:
    wanted = wanting(pattern) if pattern else None
    versions = [
        submission(form_id=form_id, status=status, version=number, updated_at=iso(number * STEP_MS))
        for number, (form_id, status) in enumerate(states, start=1)
    ]
    records = [
        inserted(versions[0]),
        *(modified(after, before=before) for before, after in itertools.pairwise(versions)),
    ]
    if is_removed:
        records.append(removed(versions[-1], at=iso((len(versions) + 1) * STEP_MS)))
    subscribed = min(subscribed, len(records))

    # A client subscribes when so many of these were made, and begins with what is there then.
    world, client = Broadcast(connection("a", filter=wanted, subscribed_at=NOW + subscribed * STEP_MS)), Client()
    for there in versions[subscribed - 1 : subscribed] if subscribed else []:
        if wanted is None or wanted.matches(there):
            client.apply(there.build_current())
    # The stream may lag, and goes on in batches. Before each it may go back: what was delivered comes again.
    reached = data.draw(st.integers(0, subscribed))
    for back, ahead in data.draw(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=6)):
        world.send(*records[max(reached - back, 0) : reached + ahead])
        reached = min(reached + ahead, len(records))
    world.send(*records[reached:])
    for update in world.got("a"):
        client.apply(update)

    matches = not is_removed and (wanted is None or wanted.matches(versions[-1]))
    assert client.shown == (versions[-1].build_current()["data"] if matches else None)
