from __future__ import annotations

import math
from typing import Any

import pytest

from formbridge.wire.event_matcher import matches
from formbridge.wire.event_pattern import MAX_COMBINATIONS, MAX_DEPTH, BadPattern, validate

# --- Faults, each with the place where it lies -------------------------------------------------------------

FAULTS: list[tuple[object, str, str]] = [
    ([], "", "must be an object"),
    ({}, "", "at least one field"),
    ({"a": {}}, "a", "at least one field"),
    ({"a": "x"}, "a", "must be a list of alternatives"),
    ({"a": []}, "a", "at least one alternative"),
    ({"a": [["x"]]}, "a[0]", "must be a string, a number"),
    ({"a": [math.nan]}, "a[0]", "must be a string, a number"),
    ({"a": ["x", {}]}, "a[1]", "exactly one operator"),
    ({"a": [{"prefix": "x", "suffix": "y"}]}, "a[0]", "exactly one operator"),
    ({"a": {"b": [{"prefix": 1}]}}, "a.b[0].prefix", "must be a string"),
    ({"a": [{"prefix": {"wildcard": "x"}}]}, "a[0].prefix", "must be a string"),
    ({"a": [{"suffix": None}]}, "a[0].suffix", "must be a string"),
    ({"a": [{"equals-ignore-case": ["x"]}]}, "a[0].equals-ignore-case", "must be a string"),
    ({"a": [{"exists": "true"}]}, "a[0].exists", "must be true or false"),
    ({"a": [{"anything-but": []}]}, "a[0].anything-but", "must be a string, a number"),
    ({"a": [{"anything-but": ["x", 1]}]}, "a[0].anything-but", "only strings or only numbers"),
    ({"a": [{"anything-but": True}]}, "a[0].anything-but", "must be a string, a number"),
    ({"a": [{"anything-but": {"prefix": "us-"}}]}, "a[0].anything-but", "must be a string, a number"),
    ({"a": [{"anything-but": {"suffix": ".png"}}]}, "a[0].anything-but", "must be a string, a number"),
    ({"a": [{"anything-but": {"wildcard": "*"}}]}, "a[0].anything-but", "must be a string, a number"),
    ({"a": [{"wildcard": "*.png"}]}, "a[0]", "must be an operator that EventBridge Pipes support, got 'wildcard'"),
    ({"a": [{"cidr": "10.0.0.0/24"}]}, "a[0]", "must be an operator that EventBridge Pipes support, got 'cidr'"),
    ({"a": [{"numeric": []}]}, "a[0].numeric", "must be like"),
    ({"a": [{"numeric": [">"]}]}, "a[0].numeric", "must be like"),
    ({"a": [{"numeric": ["!=", 1]}]}, "a[0].numeric", "must be like"),
    ({"a": [{"numeric": ["=", 1, "<", 2]}]}, "a[0].numeric", "must be like"),
    ({"a": [{"numeric": [">", 2, "<", 1]}]}, "a[0].numeric", "must be like"),
    ({"a": [{"numeric": [">", "1"]}]}, "a[0].numeric", "must compare with numbers"),
    ({"a": [{"numeric": [">", 6e9]}]}, "a[0].numeric", "must compare with numbers"),
    ({"a": [{"numeric": [">", True]}]}, "a[0].numeric", "must compare with numbers"),
    ({"$or": {"a": [1]}}, "$or", "at least two patterns"),
    ({"$or": [{"a": [1]}]}, "$or", "at least two patterns"),
    ({"$or": [{"a": [1]}, {"b": 2}]}, "$or[1].b", "must be a list of alternatives"),
    ({"x": {"$or": [{"a": [1]}, []]}}, "x.$or[1]", "must be an object"),
    ({"$or": [{"a": [1]}, {"prefix": ["x"]}]}, "$or[1].prefix", "does not reserve inside `$or`, got 'prefix'"),
    ({"$or": [{"a": {"b": {"=": [1]}}}, {"c": [1]}]}, "$or[0].a.b.=", "does not reserve inside `$or`, got '='"),
    ({"a": {"$or": [{"b": [1]}, {"regex": [1]}]}}, "a.$or[1].regex", "does not reserve inside `$or`, got 'regex'"),
    ({"a": [1], "$or": [{"a": [1]}, {"b": [1]}]}, "$or[0].a", "must be the only rule for its field"),
    ({"$or": [{"b": [1]}, {"a": [1]}], "a": [1]}, "a", "got a second rule besides $or[1].a"),
    ({"$or": [{"b": [1]}, {"a": {"c": [1]}}], "a": {"c": [1]}}, "a.c", "got a second rule besides $or[1].a.c"),
    ({"$or": [{"a": [1], "$or": [{"b": [1]}, {"a": [2]}]}, {"c": [1]}]}, "$or[0].$or[1].a", "besides $or[0].a"),
    ({"a.b": [1], "a": {"b": [2]}}, "a.b", "got a second rule besides a.b"),
    ({"a": [{"anything-but": 2**53 + 1}]}, "a[0].anything-but", "exactly, got 9007199254740993"),
    ({"a": [{"anything-but": [1, 10**400]}]}, "a[0].anything-but", "that a double represents exactly, got [1, 1000"),
]


@pytest.mark.parametrize(("pattern", "path", "problem"), FAULTS, ids=[str(f[0]) for f in FAULTS])
def test_faults_name_their_place(pattern: object, path: str, problem: str) -> None:
    with pytest.raises(BadPattern) as caught:
        validate(pattern)
    assert caught.value.path == path
    assert problem in str(caught.value)
    assert str(caught.value).startswith(path or "pattern")


def test_nesting_is_bounded() -> None:
    def nested(levels: int) -> dict[str, Any]:
        pattern: dict[str, Any] = {"a": [1]}
        for _ in range(levels - 1):
            pattern = {"a": pattern}
        return pattern

    validate(nested(MAX_DEPTH))
    with pytest.raises(BadPattern, match="must have at most 32 levels"):
        validate(nested(MAX_DEPTH + 1))


def test_combinations_are_limited() -> None:
    def choices(*lengths: int) -> dict[str, Any]:
        return {f"x{n}": {"$or": [{f"y{m}": [1]} for m in range(length)]} for n, length in enumerate(lengths)}

    validate(choices(MAX_COMBINATIONS))
    validate(choices(10, 10, 10))
    with pytest.raises(
        BadPattern, match=r"^pattern: must have at most 1,000 combinations of `\$or` members, got 1,100$"
    ):
        validate(choices(11, 10, 10))
    with pytest.raises(BadPattern, match=r"got 1,024$"):
        validate({"$or": [{"a": [1]}, {"b": {"$or": [{"c": [1]}] * 512}}]})


def test_a_pattern_may_have_many_fields() -> None:
    fields = {f"x{n}": n for n in range(2_000)}
    pattern = {"a": {name: [value] for name, value in fields.items()}}
    validate(pattern)
    assert matches(pattern, {"a": [fields, {}]})
    assert not matches(pattern, {"a": [fields | {"x0": 1}, {}]})


def test_hostile_values_are_faults_like_any_other() -> None:
    deep: list[Any] = []
    for _ in range(900):
        deep = [deep]
    with pytest.raises(BadPattern, match="must be a string, a number"):
        validate({"a": deep})
    validate({"a": [10**400]})
    assert not matches({"a": [10**400]}, {"a": 1.0})
    with pytest.raises(BadPattern, match="must compare with numbers"):
        validate({"a": [{"numeric": ["<", 10**400]}]})
