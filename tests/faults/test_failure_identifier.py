"""Whichever identifier a pipe wants of a partial failure, and whichever it is told: no update is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

import pytest

import broadcast
from local.pipes.delivery import Delivery
from local.pipes.settings import PipeSettings, Record
from tests.support.handlers.builders import NOW, LambdaContext, image, inserted, record, submission

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.support.handlers.gateway import Gateway

IDENTIFIERS: Final = ("eventID", "SequenceNumber")
GOOD: Final = ("s1", "s2", "s4", "s5")
POISON: Final = "s3"


def a_batch() -> list[Record]:
    """Records of five submissions, the third of which is none."""
    records: list[Record] = []
    for name in sorted([*GOOD, POISON]):
        made = inserted(submission(name), f"event-{name}")
        if name == POISON:
            made = record("INSERT", new={"PK": image(submission(name))["PK"]}, event_id=f"event-{name}")
        made["dynamodb"]["SequenceNumber"] = name
        records.append(made)
    return records


class Pipe:
    """Knows a record by one identifier alone; any other is that of no record."""

    def __init__(self, wants: str) -> None:
        self.dead_letters: list[Mapping[str, Any]] = []
        self._wants = wants
        settings = PipeSettings(
            arn="arn:aws:pipes:us-east-1:000000000000:pipe/p",
            stream_arn="arn:aws:dynamodb:us-east-1:000000000000:table/t/stream/2026-11-22T20:00:00.000",
            function_arn="arn:aws:lambda:us-east-1:000000000000:function:f",
            starting_position="TRIM_HORIZON",
            max_retries=2,
            bisect=True,
        )
        self.delivery = Delivery(
            settings,
            "shard-1",
            target=self._target,
            dead_letter=self.dead_letters.append,
            clock=lambda: NOW / 1000,
            sleep=lambda _seconds: None,
        )

    def _target(self, records: Sequence[Record]) -> object:
        answer = broadcast.handler(records, LambdaContext())
        known = {one["eventID"] if self._wants == "eventID" else one["dynamodb"]["SequenceNumber"] for one in records}
        told = [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]
        return {"batchItemFailures": [{"itemIdentifier": one if one in known else "of no record"} for one in told]}


@pytest.mark.parametrize("wants", IDENTIFIERS)
@pytest.mark.parametrize("told", IDENTIFIERS)
def test_every_good_record_arrives_and_the_bad_one_alone_is_given_up(
    gateway: Gateway, monkeypatch: pytest.MonkeyPatch, wants: str, told: str
) -> None:
    monkeypatch.setenv("FAILURE_IDENTIFIER", told)
    gateway.subscribe("a")
    pipe = Pipe(wants)
    pipe.delivery.offer(a_batch())

    updates = [update for frame in gateway.posted("a") for update in frame.get("updates", [frame])]
    arrived = [update["data"]["submission_id"] for update in updates]
    assert set(arrived) == set(GOOD)
    (letter,) = pipe.dead_letters
    where = letter["DDBStreamBatchInfo"]
    assert (where["startSequenceNumber"], where["endSequenceNumber"]) == (POISON, POISON)
    # What came before the bad record is repeated where the pipe does not know which one is meant.
    assert (arrived.count("s1") == 1) is (wants == told)
