from __future__ import annotations

import json
import math
import random
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from local.pipes.delivery import MAX_BACKOFF_SECONDS, Delivery, TargetError, count_done
from tests.support.local.pipes import NOW, PIPE, STREAM, settings

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from local.pipes.settings import Record


def record(number: int, *, age: float = 0.0, kind: str = "SUB") -> Record:
    return {
        "eventID": f"event-{number}",
        "eventName": "INSERT",
        "eventSourceARN": STREAM,
        "dynamodb": {
            "ApproximateCreationDateTime": NOW - age,
            "Keys": {"PK": {"S": f"{kind}#{number}"}},
            "SequenceNumber": f"{number:021d}",
        },
    }


def numbers(records: Sequence[Record]) -> list[int]:
    return [int(one["dynamodb"]["SequenceNumber"]) for one in records]


class Pipe:
    """A delivery with a target whose behaviour the test gives, and a memory of everything that happened."""

    def __init__(self, target: Callable[[Sequence[Record]], object] = lambda _batch: None, **changes: Any) -> None:
        self.now = NOW
        self.batches: list[list[int]] = []
        self.done: list[int] = []
        self.dead_letters: list[dict[str, Any]] = []
        self.pauses: list[float] = []
        self._target = target
        self.delivery = Delivery(
            settings(**changes),
            "shard-1",
            target=self._invoke,
            dead_letter=lambda message: self.dead_letters.append(dict(message)),
            clock=lambda: self.now,
            sleep=self.pauses.append,
            jitter=lambda: 1.0,
        )

    def _invoke(self, batch: Sequence[Record]) -> object:
        self.batches.append(numbers(batch))
        response = self._target(batch)
        self.done += numbers(batch)[: count_done(batch, response)]
        return response

    def given_up(self) -> list[tuple[int, int, str]]:
        """(first, last, condition) of each dead-letter message."""
        return [
            (
                int(message["DDBStreamBatchInfo"]["startSequenceNumber"]),
                int(message["DDBStreamBatchInfo"]["endSequenceNumber"]),
                message["context"]["condition"],
            )
            for message in self.dead_letters
        ]


def fails_on(*poison: int) -> Callable[[Sequence[Record]], object]:
    def target(batch: Sequence[Record]) -> None:
        if set(numbers(batch)) & set(poison):
            raise TargetError("Unhandled ValueError")

    return target


# --- Batches ------------------------------------------------------------------------------------------------


def test_batches_keep_the_order_and_the_size() -> None:
    pipe = Pipe(batch_size=3)
    pipe.delivery.offer([record(n) for n in range(8)])
    assert pipe.batches == [[0, 1, 2], [3, 4, 5], [6, 7]]


def test_nothing_found_delivers_nothing() -> None:
    pipe = Pipe()
    pipe.delivery.offer([])
    assert pipe.batches == []


def test_the_filter_comes_before_the_batch() -> None:
    pattern = {"dynamodb": {"Keys": {"PK": {"S": [{"prefix": "SUB#"}]}}}}
    pipe = Pipe(batch_size=2, patterns=(pattern,))
    pipe.delivery.offer([record(0), record(1, kind="CONN"), record(2), record(3, kind="CONN"), record(4)])
    assert pipe.batches == [[0, 2], [4]]


def test_filters_are_alternatives() -> None:
    pipe = Pipe(patterns=({"eventID": ["event-1"]}, {"eventID": ["event-3"]}))
    pipe.delivery.offer([record(n) for n in range(5)])
    assert pipe.batches == [[1, 3]]


def test_a_window_lets_a_batch_fill_up() -> None:
    pipe = Pipe(batch_size=3, window_seconds=5)
    assert pipe.delivery.seconds_until_due() == math.inf
    pipe.delivery.offer([record(0)])
    pipe.now += 4
    pipe.delivery.offer([record(1)])
    assert pipe.batches == []
    assert pipe.delivery.seconds_until_due() == 1
    pipe.delivery.offer([record(2), record(3)])
    assert pipe.batches == [[0, 1, 2]]
    pipe.now += 4
    pipe.delivery.offer([])
    assert pipe.batches == [[0, 1, 2]]
    pipe.now += 1
    pipe.delivery.offer([])
    assert pipe.batches == [[0, 1, 2], [3]]
    assert pipe.delivery.seconds_until_due() == math.inf


# --- Failures -----------------------------------------------------------------------------------------------


def test_a_failing_batch_is_retried_until_it_succeeds() -> None:
    outcomes = iter([TargetError("one"), TargetError("two"), None])

    def target(_batch: Sequence[Record]) -> None:
        outcome = next(outcomes)
        if outcome is not None:
            raise outcome

    pipe = Pipe(target)
    pipe.delivery.offer([record(0), record(1)])
    assert pipe.batches == [[0, 1]] * 3
    assert pipe.dead_letters == []
    assert pipe.pauses == [0.1, 0.2]


def test_retries_are_bounded_and_what_follows_is_delivered() -> None:
    pipe = Pipe(fails_on(0), batch_size=2, max_retries=2)
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1], [0, 1], [0, 1], [2, 3]]
    assert pipe.given_up() == [(0, 1, "RetryAttemptsExhausted")]


def test_no_retries_at_all() -> None:
    pipe = Pipe(fails_on(0), max_retries=0)
    pipe.delivery.offer([record(0)])
    assert pipe.batches == [[0]]
    assert pipe.given_up() == [(0, 0, "RetryAttemptsExhausted")]


def test_the_backoff_is_jittered_and_capped() -> None:
    pipe = Pipe(fails_on(0), max_retries=12)
    pipe.delivery.offer([record(0)])
    assert pipe.pauses[:6] == [0.1, 0.2, 0.4, 0.8, 1.6, MAX_BACKOFF_SECONDS]
    assert set(pipe.pauses[5:]) == {MAX_BACKOFF_SECONDS}


def test_bisection_isolates_the_poison_and_costs_no_retry() -> None:
    pipe = Pipe(fails_on(2), max_retries=1, bisect=True)
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1, 2, 3], [0, 1], [2, 3], [2], [2], [3]]
    assert pipe.given_up() == [(2, 2, "RetryAttemptsExhausted")]
    assert pipe.done == [0, 1, 3]


def test_a_partial_failure_is_a_checkpoint() -> None:
    failures = iter([[{"itemIdentifier": "event-3"}, {"itemIdentifier": "event-2"}], []])
    pipe = Pipe(lambda _batch: {"batchItemFailures": next(failures)})
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1, 2, 3], [2, 3]]
    assert pipe.done == [0, 1, 2, 3]


def test_a_checkpoint_splits_the_batch() -> None:
    def target(batch: Sequence[Record]) -> object:
        failed = [one["eventID"] for one in batch if one["eventID"] == "event-1"]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    pipe = Pipe(target, max_retries=1, bisect=True)
    pipe.delivery.offer([record(n) for n in range(4)])
    assert pipe.batches == [[0, 1, 2, 3], [1, 2, 3], [1], [1], [2, 3]]
    assert pipe.given_up() == [(1, 1, "RetryAttemptsExhausted")]


RESPONSES: list[tuple[object, int]] = [
    (None, 3),
    ({}, 3),
    ("done", 3),
    ([], 3),
    ({"statusCode": 500}, 3),
    ({"batchItemFailures": None}, 3),
    ({"batchItemFailures": []}, 3),
    ({"batchItemFailures": [{"itemIdentifier": "event-1"}]}, 1),
    ({"batchItemFailures": [{"itemIdentifier": f"{2:021d}"}]}, 2),
    ({"batchItemFailures": [{"itemIdentifier": "event-2"}, {"itemIdentifier": f"{1:021d}"}]}, 1),
    ({"batchItemFailures": [{"itemIdentifier": "event-9"}]}, 0),
    ({"batchItemFailures": [{"itemIdentifier": ""}]}, 0),
    ({"batchItemFailures": [{"itemIdentifier": None}]}, 0),
    ({"batchItemFailures": [{"identifier": "event-2"}]}, 0),
    ({"batchItemFailures": [{"itemIdentifier": "event-2"}, {"itemIdentifier": "event-9"}]}, 0),
    ({"batchItemFailures": ["event-1"]}, 0),
    ({"batchItemFailures": "event-1"}, 0),
]


@pytest.mark.parametrize(("response", "done"), RESPONSES, ids=[json.dumps(r[0]) for r in RESPONSES])
def test_what_a_response_says(response: object, done: int) -> None:
    assert count_done([record(n) for n in range(3)], response) == done


def test_records_that_are_too_old_are_given_up_unseen() -> None:
    pipe = Pipe(max_record_age_seconds=60)
    pipe.delivery.offer([record(0, age=90), record(1, age=61), record(2, age=60), record(3)])
    assert pipe.batches == [[2, 3]]
    assert pipe.given_up() == [(0, 1, "RecordAgeExceeded")]


def test_a_record_may_grow_too_old_while_it_is_retried() -> None:
    pipe = Pipe(fails_on(0), max_record_age_seconds=60)
    pipe.delivery = Delivery(
        settings(max_record_age_seconds=60),
        "shard-1",
        target=fails_on(0),
        dead_letter=lambda message: pipe.dead_letters.append(dict(message)),
        clock=lambda: pipe.now,
        sleep=lambda seconds: setattr(pipe, "now", pipe.now + max(seconds, 10)),
    )
    pipe.delivery.offer([record(0)])
    assert pipe.given_up() == [(0, 0, "RecordAgeExceeded")]


def test_the_dead_letter_says_where_and_never_what() -> None:
    pipe = Pipe(fails_on(1), max_retries=0)
    pipe.delivery.offer([record(1, age=2.5), record(2, age=1)])
    assert pipe.dead_letters == [
        {
            "context": {"partnerResourceArn": PIPE, "condition": "RetryAttemptsExhausted"},
            "version": "1.0",
            "timestamp": "2026-09-21T14:13:20.000Z",
            "DDBStreamBatchInfo": {
                "shardId": "shard-1",
                "startSequenceNumber": f"{1:021d}",
                "endSequenceNumber": f"{2:021d}",
                "approximateArrivalOfFirstRecord": "2026-09-21T14:13:17Z",
                "approximateArrivalOfLastRecord": "2026-09-21T14:13:19Z",
                "batchSize": 2,
                "streamArn": STREAM,
            },
        }
    ]


def test_an_error_of_ours_is_no_failure_of_the_target() -> None:
    def target(_batch: Sequence[Record]) -> None:
        raise ZeroDivisionError

    pipe = Pipe(target)
    with pytest.raises(ZeroDivisionError):
        pipe.delivery.offer([record(0)])


@given(
    count=st.integers(0, 30),
    batch_size=st.integers(1, 10),
    retries=st.integers(0, 3),
    bisect=st.booleans(),
    poison=st.sets(st.integers(0, 29), max_size=4),
    seed=st.integers(0, 1000),
)
def test_each_record_is_done_or_given_up_in_order(
    count: int, batch_size: int, retries: int, bisect: bool, poison: set[int], seed: int
) -> None:
    """With any mix of poison, flaky errors and partial failures: nothing is lost, nothing overtakes."""
    chance = random.Random(seed)

    def target(batch: Sequence[Record]) -> object:
        bad = [one["eventID"] for one in batch if numbers([one])[0] in poison]
        if bad and chance.random() < 0.5:
            return {"batchItemFailures": [{"itemIdentifier": bad[0]}]}
        if bad or chance.random() < 0.2:
            raise TargetError("flaky")
        return None

    pipe = Pipe(target, batch_size=batch_size, max_retries=retries, bisect=bisect)
    pipe.delivery.offer([record(n) for n in range(count)])
    given_up = {n for first, last, _ in pipe.given_up() for n in range(first, last + 1)}
    assert set(pipe.done) | given_up == set(range(count))
    assert pipe.done == sorted(set(pipe.done))
    assert not set(pipe.done) & poison
    assert all(len(batch) <= batch_size for batch in pipe.batches)
