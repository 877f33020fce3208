"""Indexes of subscription filters. `test_subscription_filter.py` compares their answers with those of the patterns."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings, target
from hypothesis import strategies as st

from formbridge.wire.event_pattern import BadPattern
from formbridge.wire.filter_index import FieldIndex
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.handlers.builders import submission

if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import FrameType

    from formbridge.submissions.submission import Submission

LONG_S = "\N{LATIN SMALL LETTER LONG S}"
HELD = submission("S" * 64, form_id="S" * 64, status="S" * 32)
USUAL = {"form_id": ["contact", {"prefix": "survey-"}], "status": [{"anything-but": "spam"}]}


@pytest.mark.parametrize(
    ("combinations", "value", "found"),
    [
        ([["a"], ["b"], None], "a", 0b101),
        ([["a"], ["b"], None], "c", 0b100),
        ([["a", "b"], ["b"]], "b", 0b11),
        ([[{"prefix": "a"}], [{"suffix": "a"}], [{"prefix": "ab"}]], "aa", 0b11),
        ([[{"anything-but": "a"}], [{"anything-but": ["b", "c"]}]], "b", 0b01),
        ([[{"anything-but": ["a", "b"]}, {"anything-but": ["b", "c"]}]], "a", 0b1),
        ([[{"anything-but": ["a", "b"]}, {"anything-but": ["b", "c"]}]], "b", 0b0),
        ([[{"anything-but": [1, 2]}]], "1", 0b1),
        ([[{"exists": True}], [{"exists": False}]], "a", 0b01),
        ([[1, True, None]], "1", 0b0),
        ([[{"equals-ignore-case": "AB"}], [{"prefix": {"equals-ignore-case": "A"}}]], "ab", 0b11),
        ([[{"equals-ignore-case": LONG_S}], [{"suffix": {"equals-ignore-case": LONG_S}}]], "S", 0b11),
        ([[{"equals-ignore-case": "k"}]], "\N{KELVIN SIGN}", 0b0),
    ],
)
def test_the_combinations_that_accept_a_value_are_found(
    combinations: Sequence[Sequence[object] | None], value: str, found: int
) -> None:
    assert FieldIndex(combinations).find(value) == found


# --- The work of a match --------------------------------------------------------------------------------------


def count_steps(wanted: SubscriptionFilter, held: Submission) -> int:
    """Return how many instructions of Python a match takes after the filter was prepared."""
    wanted.matches(held)
    steps = 0

    def trace(frame: FrameType, event: str, _: object) -> Any:
        nonlocal steps
        frame.f_trace_opcodes = True
        steps += event == "opcode"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        wanted.matches(held)
    finally:
        sys.settrace(before)
    return steps


def wanting_if_allowed(pattern: dict[str, Any]) -> SubscriptionFilter | None:
    try:
        return SubscriptionFilter.parse(pattern, 4_096)
    except BadPattern:
        return None


@pytest.mark.no_cover
@pytest.mark.parametrize("operator", ["literal", "anything-but", "equals-ignore-case", "prefix"])
def test_a_match_takes_as_long_for_a_hundred_values_as_for_one(operator: str) -> None:
    def wanted(count: int) -> SubscriptionFilter:
        names = [f"name-{number:03}" for number in range(count)]
        alternatives: dict[str, list[Any]] = {
            "literal": names,
            "anything-but": [{"anything-but": names}],
            "equals-ignore-case": [{"equals-ignore-case": name} for name in names],
            "prefix": [{"prefix": name} for name in names],
        }
        return SubscriptionFilter.parse({"form_id": alternatives[operator]}, 4_096)

    assert count_steps(wanted(100), HELD) == count_steps(wanted(1), HELD)


OPERANDS = st.sampled_from(["", "S", "s", LONG_S]).flatmap(
    lambda letter: st.integers(1, 64).map(lambda length: letter * length)
)
ALTERNATIVES = st.one_of(
    OPERANDS,
    st.sampled_from(["prefix", "suffix"]).flatmap(
        lambda name: st.one_of(
            OPERANDS.map(lambda text: {name: text}), OPERANDS.map(lambda text: {name: {"equals-ignore-case": text}})
        )
    ),
    OPERANDS.map(lambda text: {"equals-ignore-case": text}),
    st.lists(OPERANDS, min_size=1, max_size=20).map(lambda texts: {"anything-but": texts}),
)
LISTS = st.lists(ALTERNATIVES, min_size=1, max_size=40)
FIELDS = st.dictionaries(st.sampled_from(["form_id", "status", "submission_id"]), LISTS, min_size=1)
FILTERS = FIELDS | st.lists(FIELDS, min_size=2, max_size=30).map(lambda members: {"$or": members})


@pytest.mark.no_cover
@given(FILTERS)
@settings(max_examples=300, deadline=None)
def test_no_filter_that_is_allowed_takes_more_than_fifty_times_the_steps_of_a_usual_one(
    pattern: dict[str, Any],
) -> None:
    usual = count_steps(SubscriptionFilter(json.dumps(USUAL)), HELD)
    if (wanted := wanting_if_allowed(pattern)) is not None:
        steps = count_steps(wanted, HELD)
        target(steps)
        assert steps <= 50 * usual


@pytest.mark.no_cover
@pytest.mark.parametrize(
    "pattern",
    [
        {"form_id": [{"prefix": {"equals-ignore-case": LONG_S * 64}}, {"suffix": {"equals-ignore-case": LONG_S * 34}}]},
        {"form_id": [{kind: "S" * length} for length in range(1, 50) for kind in ("prefix", "suffix")]},
        {"$or": [{"form_id": [{"prefix": "S" * length}], "status": [str(length)]} for length in range(1, 50)]},
        {"$or": [{"form_id": [{"suffix": {"equals-ignore-case": "s" * length}}]} for length in range(1, 50)]},
    ],
    ids=["characters outside ASCII", "lengths", "members of two fields", "members"],
)
def test_the_most_expensive_filters_that_were_found_are_within_that(pattern: dict[str, Any]) -> None:
    wanted = SubscriptionFilter.parse(pattern, 4_096)
    assert count_steps(wanted, HELD) <= 50 * count_steps(SubscriptionFilter(json.dumps(USUAL)), HELD)
