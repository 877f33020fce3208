from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.wire.event_matcher import matches
from formbridge.wire.event_pattern import validate

# --- The examples of the EventBridge user guide, "Comparison operators" and "Content filtering" ------------

EXAMPLES: list[tuple[str, dict[str, Any], dict[str, Any], bool]] = [
    ("equals", {"Name": ["Alice"]}, {"Name": "Alice"}, True),
    ("equals is case-sensitive", {"Name": ["Alice"]}, {"Name": "alice"}, False),
    ("empty", {"LastName": [""]}, {"LastName": ""}, True),
    ("empty is not absent", {"LastName": [""]}, {}, False),
    ("null", {"UserID": [None]}, {"UserID": None}, True),
    ("null is not absent", {"UserID": [None]}, {}, False),
    ("and", {"Location": ["New York"], "Day": ["Monday"]}, {"Location": "New York", "Day": "Monday"}, True),
    (
        "and, one differs",
        {"Location": ["New York"], "Day": ["Monday"]},
        {"Location": "New York", "Day": "Friday"},
        False,
    ),
    ("or", {"PaymentType": ["Credit", "Debit"]}, {"PaymentType": "Debit"}, True),
    ("or, none", {"PaymentType": ["Credit", "Debit"]}, {"PaymentType": "Cash"}, False),
    ("$or", {"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}, {"Location": "Rome", "Day": "Monday"}, True),
    ("$or, none", {"$or": [{"Location": ["New York"]}, {"Day": ["Monday"]}]}, {"Location": "Rome"}, False),
    ("$or and a field", {"a": [1], "$or": [{"b": [2]}, {"c": [3]}]}, {"a": 0, "b": 2}, False),
    ("prefix", {"time": [{"prefix": "2017-10-02"}]}, {"time": "2017-10-02T18:43:48Z"}, True),
    ("prefix, other", {"Region": [{"prefix": "us-"}]}, {"Region": "eu-west-1"}, False),
    (
        "prefix, ignoring case",
        {"service": [{"prefix": {"equals-ignore-case": "EventB"}}]},
        {"service": "eventbridge"},
        True,
    ),
    ("suffix", {"FileName": [{"suffix": ".png"}]}, {"FileName": "cat.png"}, True),
    ("suffix, other", {"FileName": [{"suffix": ".png"}]}, {"FileName": "cat.PNG"}, False),
    (
        "suffix, ignoring case",
        {"FileName": [{"suffix": {"equals-ignore-case": ".png"}}]},
        {"FileName": "cat.PNG"},
        True,
    ),
    (
        "equals-ignore-case",
        {"detail-type": [{"equals-ignore-case": "ec2 instance"}]},
        {"detail-type": "EC2 Instance"},
        True,
    ),
    ("anything-but", {"state": [{"anything-but": "initializing"}]}, {"state": "running"}, True),
    ("anything-but, that", {"state": [{"anything-but": "initializing"}]}, {"state": "initializing"}, False),
    ("anything-but, absent", {"state": [{"anything-but": "initializing"}]}, {}, False),
    ("anything-but a number", {"x-limit": [{"anything-but": 123}]}, {"x-limit": 124}, True),
    ("anything-but a number is not its text", {"x-limit": [{"anything-but": 123}]}, {"x-limit": "123"}, True),
    ("anything-but strings", {"state": [{"anything-but": ["stopped", "overloaded"]}]}, {"state": "stopped"}, False),
    ("anything-but numbers", {"x-limit": [{"anything-but": [100, 200, 300]}]}, {"x-limit": 200.0}, False),
    ("numeric equals", {"Price": [{"numeric": ["=", 100]}]}, {"Price": 100}, True),
    ("numeric range", {"Price": [{"numeric": [">", 10, "<=", 20]}]}, {"Price": 20}, True),
    ("numeric range, its open end", {"Price": [{"numeric": [">", 10, "<=", 20]}]}, {"Price": 10}, False),
    ("numeric sees no text", {"Price": [{"numeric": [">", 10]}]}, {"Price": "20"}, False),
    ("numeric sees no boolean", {"Price": [{"numeric": ["=", 1]}]}, {"Price": True}, False),
    ("exists", {"detail": {"c-count": [{"exists": True}]}}, {"detail": {"c-count": 5}}, True),
    ("exists, null counts", {"c-count": [{"exists": True}]}, {"c-count": None}, True),
    ("exists, absent", {"detail": {"c-count": [{"exists": True}]}}, {"detail": {}}, False),
    ("exists looks at leaves only", {"detail": [{"exists": True}]}, {"detail": {"c-count": 5}}, False),
    ("not exists", {"detail": {"c-count": [{"exists": False}]}}, {"detail": {"d-count": 3}}, True),
    ("not exists, no parent either", {"detail": {"c-count": [{"exists": False}]}}, {}, True),
    ("not exists, there", {"detail": {"c-count": [{"exists": False}]}}, {"detail": {"c-count": 0}}, False),
    ("an array, one element", {"resources": ["arn:b"]}, {"resources": ["arn:a", "arn:b"]}, True),
    ("an array, no element", {"resources": ["arn:c"]}, {"resources": ["arn:a", "arn:b"]}, False),
    ("an array of objects, in one element", {"a": {"x": [1], "y": [2]}}, {"a": [{"x": 1, "y": 2}]}, True),
    ("an array of objects, across elements", {"a": {"x": [1], "y": [2]}}, {"a": [{"x": 1}, {"y": 2}]}, False),
    ("an empty array has no leaf", {"a": [{"exists": True}]}, {"a": []}, False),
    ("5 is 5.0", {"n": [5]}, {"n": 5.0}, True),
    ("5 is not its text", {"n": [5]}, {"n": "5"}, False),
    ("true is not 1", {"n": [True]}, {"n": 1}, False),
    ("1 is not true", {"n": [1]}, {"n": True}, False),
    ("false", {"n": [False]}, {"n": False}, True),
    ("a nested pattern needs an object", {"n": {"m": [1]}}, {"n": 1}, False),
    (
        "a DynamoDB stream record",
        {"eventName": ["INSERT", "MODIFY"], "dynamodb": {"NewImage": {"PK": {"S": [{"prefix": "SUB#"}]}}}},
        {"eventName": "INSERT", "dynamodb": {"NewImage": {"PK": {"S": "SUB#1"}, "version": {"N": "1"}}}},
        True,
    ),
    ("DynamoDB numbers are text", {"n": {"N": [{"numeric": [">", 100]}]}}, {"n": {"N": "101"}}, False),
]


@pytest.mark.parametrize(("pattern", "event", "expected"), [e[1:] for e in EXAMPLES], ids=[e[0] for e in EXAMPLES])
def test_documented_examples(pattern: dict[str, Any], event: dict[str, Any], expected: bool) -> None:
    validate(pattern)
    assert matches(pattern, event) is expected


# --- Laws --------------------------------------------------------------------------------------------------

numbers = st.integers(-(10**9), 10**9) | st.floats(-1e9, 1e9)
scalars = st.none() | st.booleans() | numbers | st.text(max_size=5)
fields = st.sampled_from(["a", "b", "c"])


def _containers(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.lists(inner, max_size=3) | st.dictionaries(fields, inner, max_size=3)


values: st.SearchStrategy[Any] = st.recursive(scalars, _containers, max_leaves=8)
events = st.dictionaries(fields, values, max_size=3)

short_text = st.text(max_size=3)
operators: st.SearchStrategy[Any] = st.one_of(
    short_text.map(lambda text: {"prefix": text}),
    short_text.map(lambda text: {"suffix": {"equals-ignore-case": text}}),
    short_text.map(lambda text: {"equals-ignore-case": text}),
    st.lists(short_text, min_size=1, max_size=3).map(lambda texts: {"anything-but": texts}),
    numbers.map(lambda number: {"numeric": [">=", number]}),
    st.booleans().map(lambda present: {"exists": present}),
)
rules: st.SearchStrategy[list[Any]] = st.lists(scalars | operators, min_size=1, max_size=3)


def _combined(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    either = st.lists(inner, min_size=2, max_size=3).map(lambda some: {"$or": some})
    return st.dictionaries(fields, inner, min_size=1, max_size=2) | either


simple: st.SearchStrategy[dict[str, Any]] = st.dictionaries(fields, rules, min_size=1, max_size=2)
patterns: st.SearchStrategy[dict[str, Any]] = st.recursive(simple, _combined, max_leaves=4)


@given(patterns, events)
def test_a_valid_pattern_always_decides(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    validate(pattern)
    assert isinstance(matches(pattern, event), bool)


@given(patterns, events)
def test_matching_survives_json(pattern: dict[str, Any], event: dict[str, Any]) -> None:
    again = json.loads(json.dumps(pattern))
    validate(again)
    assert matches(again, json.loads(json.dumps(event))) is matches(pattern, event)


@given(rules, rules, events)
def test_a_list_is_or(one: list[Any], other: list[Any], event: dict[str, Any]) -> None:
    either = matches({"a": one}, event) or matches({"a": other}, event)
    assert matches({"a": one + other}, event) is either


@given(patterns, patterns, events)
def test_dollar_or_is_or(one: dict[str, Any], other: dict[str, Any], event: dict[str, Any]) -> None:
    assert matches({"$or": [one, other]}, event) is (matches(one, event) or matches(other, event))


@given(rules, rules, events)
def test_fields_are_and(one: list[Any], other: list[Any], event: dict[str, Any]) -> None:
    both = matches({"a": one}, event) and matches({"b": other}, event)
    assert matches({"a": one, "b": other}, event) is both


@given(scalars)
def test_a_literal_matches_itself(value: object) -> None:
    assert matches({"a": [value]}, {"a": value})


@given(values)
def test_exists_and_its_negation(value: object) -> None:
    event = {"a": value}
    assert matches({"a": [{"exists": True}]}, event) is not matches({"a": [{"exists": False}]}, event)


@given(st.text() | numbers, scalars)
def test_anything_but_is_the_complement_of_equals(value: str | float, leaf: object) -> None:
    assert matches({"a": [{"anything-but": value}]}, {"a": leaf}) is not matches({"a": [value]}, {"a": leaf})


@given(st.text(), st.text())
def test_prefix_and_suffix(one: str, other: str) -> None:
    assert matches({"a": [{"prefix": one}]}, {"a": one + other})
    assert matches({"a": [{"suffix": other}]}, {"a": one + other})
    assert matches({"a": [{"prefix": one}]}, {"a": other}) is other.startswith(one)


@given(st.text(st.characters(codec="ascii")))
def test_ignoring_case(text: str) -> None:
    assert matches({"a": [{"equals-ignore-case": text}]}, {"a": text.swapcase()})
    assert matches({"a": [{"prefix": {"equals-ignore-case": text}}]}, {"a": text.swapcase() + "x"})


@given(st.lists(st.tuples(st.characters(), st.booleans())))
def test_a_character_ignores_case_as_its_lowercase_or_uppercase(choices: list[tuple[str, bool]]) -> None:
    operand = "".join(character for character, _ in choices)
    leaf = "".join(character.upper() if upper else character.lower() for character, upper in choices)

    assert matches({"a": [{"equals-ignore-case": operand}]}, {"a": leaf})
    assert matches({"a": [{"prefix": {"equals-ignore-case": operand}}]}, {"a": leaf + "x"})
    assert matches({"a": [{"suffix": {"equals-ignore-case": operand}}]}, {"a": "x" + leaf})


@given(numbers, numbers, numbers)
def test_numeric_is_pythons_comparison(one: float, other: float, value: float) -> None:
    low, high = min(one, other), max(one, other)
    if low < high:
        assert matches({"a": [{"numeric": [">=", low, "<", high]}]}, {"a": value}) is (low <= value < high)
