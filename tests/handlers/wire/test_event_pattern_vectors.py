"""Event patterns and the answers of Event Ruler, the library with which EventBridge matches.

`DIFFERENCES` lists the patterns that the project answers differently on purpose. ADR 22 gives the reasons. A listed
difference fails when it no longer differs.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import NamedTuple

import pytest

from formbridge.wire.event_matcher import matches
from formbridge.wire.event_pattern import BadPattern, validate


class Difference(NamedTuple):
    reason: str
    events: tuple[str, ...] = ()
    """Events with the opposite answer. If there are none, the project refuses the pattern."""


NOT_IN_PIPES = Difference("AWS documents that pipes do not support this operator.")
NOT_DOCUMENTED = Difference("AWS does not document this operator.")
NOT_A_DOUBLE = Difference(
    "A number beyond the largest double is infinite when it is decoded, and JSON has no infinity."
)
OVER_LIMIT = Difference("AWS documents that `numeric` compares with numbers from -5.0e9 to 5.0e9.")
QUOTATION_MARK = "Event Ruler compares strings together with their quotation marks."
ADDRESS = "Event Ruler compares strings that look like IP addresses as addresses."
TWO_QUESTION_MARKS = Difference(
    "Event Ruler compares a character beyond U+FFFF as two question marks if case is ignored.",
    ('{"status": "\U00010400"}', '{"status": "\U00010428"}'),
)
LOST_MEMBER = "Event Ruler can lose a member of `$or` that shares an alternative with an earlier member."

DIFFERENCES: dict[str, Difference] = {
    '{"status":[{"wildcard":"a*"}]}': NOT_IN_PIPES,
    '{"status":[{"cidr":"10.0.0.0/8"}]}': NOT_IN_PIPES,
    '{"status":[{"anything-but":{"prefix":"a"}}]}': NOT_IN_PIPES,
    '{"status":[{"anything-but":{"suffix":"a"}}]}': NOT_IN_PIPES,
    '{"status":[{"exactly":"a"}]}': NOT_DOCUMENTED,
    '{"status":[1e400]}': NOT_A_DOUBLE,
    '{"n": [{"numeric": [">", 5100000000.0]}]}': OVER_LIMIT,
    r'{"status": [{"prefix": "\""}]}': Difference(QUOTATION_MARK, ('{"status": ""}',)),
    '{"status": ["::1"]}': Difference(ADDRESS, ('{"status": "0:0:0:0:0:0:0:1"}',)),
    '{"status": ["0:0:0:0:0:0:0:1"]}': Difference(ADDRESS, ('{"status": "::1"}',)),
    '{"status": [{"equals-ignore-case": "\U00010400"}]}': TWO_QUESTION_MARKS,
    '{"status": [{"equals-ignore-case": "\U00010428"}]}': TWO_QUESTION_MARKS,
    '{"status": [{"suffix": {"equals-ignore-case": "\U00010400"}}]}': TWO_QUESTION_MARKS,
    '{"status": [{"suffix": {"equals-ignore-case": "\U00010428"}}]}': TWO_QUESTION_MARKS,
    '{"$or": [{"a": [1]}, {"a": [1, 2]}]}': Difference(LOST_MEMBER, ('{"a": 2}',)),
    '{"$or": [{"a": [1]}, {"a": [1, {"exists": false}]}]}': Difference(
        LOST_MEMBER, ('{"b": 2}', '{"b": 2, "c": 3}', '{"c": 3}', "{}")
    ),
}


class Vector(NamedTuple):
    group: str
    pattern: str
    events: list[str]
    matches: list[str] | None
    """Events that match; None: Event Ruler refuses the pattern."""


def read_vectors() -> list[Vector]:
    groups = json.loads(Path(__file__).with_name("event_pattern_vectors.json").read_text(encoding="ascii"))["groups"]
    return [
        Vector(group["group"], case["pattern"], group["events"], case["matches"])
        for group in groups
        for case in group["patterns"]
    ]


VECTORS = read_vectors()
AGREED = [
    pytest.param(vector, id=f"{vector.group}: {vector.pattern!a}")
    for vector in VECTORS
    if vector.pattern not in DIFFERENCES
]


def list_matches(vector: Vector) -> list[str] | None:
    pattern = json.loads(vector.pattern)
    try:
        validate(pattern)
    except BadPattern:
        return None
    return [event for event in vector.events if matches(pattern, json.loads(event))]


@pytest.mark.parametrize("vector", AGREED)
def test_a_pattern_is_answered_as_by_eventbridge(vector: Vector) -> None:
    assert list_matches(vector) == vector.matches


@pytest.mark.parametrize("pattern", DIFFERENCES, ids=ascii)
def test_a_difference_is_still_one(pattern: str) -> None:
    (vector,) = [vector for vector in VECTORS if vector.pattern == pattern]
    ours, theirs = list_matches(vector), vector.matches

    assert theirs is not None
    if DIFFERENCES[pattern].events:
        assert ours is not None
        assert {*ours} ^ {*theirs} == {*DIFFERENCES[pattern].events}
    else:
        assert ours is None
