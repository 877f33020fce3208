"""The event patterns of the local pipe and of subscriptions, beside those of the emulator's EventBridge.

Where the two differ, what AWS documents decides: `DIFFERENCES` has each, so that it is noticed when one of them goes.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html
https://github.com/aws/event-ruler (what EventBridge matches with, as its README describes it)
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any, TypeGuard

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from formbridge.wire.event_matcher import matches
from formbridge.wire.event_pattern import BadPattern, validate
from local.emulator_client import client

if TYPE_CHECKING:
    from local.emulator import Emulator

ENVELOPE: Mapping[str, Any] = {
    "version": "0",
    "id": "00000000-0000-4000-8000-000000000000",
    "account": "123456789012",
    "source": "form-bridge",
    "time": "2026-11-22T20:00:00Z",
    "region": "us-east-1",
    "resources": [],
    "detail-type": "submission.received",
}
EXAMPLES = 300
"""Of each law: an example is a request to the emulator."""

Verdict = bool | None
"""Whether a pattern matches an event; None: the pattern is refused."""
Judge = Callable[[Any, Any], Verdict]


def ours(pattern: Any, detail: Any) -> Verdict:
    whole = {"detail": pattern}
    try:
        validate(whole)
    except BadPattern:
        return None
    return matches(whole, {**ENVELOPE, "detail": detail})


@pytest.fixture(scope="module")
def theirs(emulator: Emulator) -> Judge:
    events = client("events", emulator)

    def judge(pattern: Any, detail: Any) -> Verdict:
        whole = {"EventPattern": json.dumps({"detail": pattern}), "Event": json.dumps({**ENVELOPE, "detail": detail})}
        try:
            return events.test_event_pattern(**whole)["Result"]
        except events.exceptions.InvalidEventPatternException:
            return None

    return judge


# --- What is drawn --------------------------------------------------------------------------------------------

FIELDS = st.sampled_from(["a", "b", "c"])
# Few, so that what is asked for is often there.
TEXTS = st.sampled_from(["", "a", "A", "ab", "aB", "b", "5", "true"]) | st.text(max_size=2)
NUMBERS = st.sampled_from([0, 1, 5, -5, 5.0, 0.5]) | st.floats(-1e9, 1e9)
LEAVES = st.none() | st.booleans() | NUMBERS | TEXTS
VALUES: st.SearchStrategy[Any] = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(FIELDS, inner, max_size=3), max_leaves=8
)
EVENTS = st.dictionaries(FIELDS, VALUES, max_size=3)

AFFIXES = TEXTS | TEXTS.map(lambda text: {"equals-ignore-case": text})
OPERATORS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    AFFIXES.map(lambda affix: {"prefix": affix}),
    AFFIXES.map(lambda affix: {"suffix": affix}),
    TEXTS.map(lambda text: {"equals-ignore-case": text}),
    (TEXTS | NUMBERS | st.lists(TEXTS, min_size=1, max_size=3) | st.lists(NUMBERS, min_size=1, max_size=3)).map(
        lambda values: {"anything-but": values}
    ),
    st.tuples(st.sampled_from(["=", "<", "<=", ">", ">="]), NUMBERS).map(lambda parts: {"numeric": [*parts]}),
    st.tuples(st.sampled_from([">", ">="]), NUMBERS, st.sampled_from(["<", "<="]), NUMBERS).map(
        lambda parts: {"numeric": [*parts]}
    ),
    st.booleans().map(lambda present: {"exists": present}),
)
LISTS = st.lists(LEAVES | OPERATORS, min_size=1, max_size=3)


def _combined(inner: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    nested = st.dictionaries(FIELDS, inner, min_size=1, max_size=2)
    either = st.lists(inner, min_size=2, max_size=3).map(lambda members: {"$or": members})
    return nested | either | st.tuples(inner, either).map(lambda both: both[0] | both[1])


FLAT: st.SearchStrategy[dict[str, Any]] = st.dictionaries(FIELDS, LISTS, min_size=1, max_size=2)
PATTERNS: st.SearchStrategy[dict[str, Any]] = st.recursive(FLAT, _combined, max_leaves=4)
JUNK: st.SearchStrategy[Any] = st.sampled_from(
    [
        None,
        True,
        5,
        "x",
        [],
        {},
        [[]],
        [["x"]],
        [None],
        ["x", {}],
        {"prefix": "x"},
        [{"prefix": 5}],
        [{"prefix": None}],
        [{"prefix": ["x"]}],
        [{"prefix": {}}],
        [{"suffix": {"prefix": "x"}}],
        [{"suffix": {"equals-ignore-case": 5}}],
        [{"equals-ignore-case": ["x"]}],
        [{"exists": "true"}],
        [{"exists": None}],
        [{"anything-but": []}],
        [{"anything-but": None}],
        [{"anything-but": True}],
        [{"anything-but": [True]}],
        [{"anything-but": ["x", 5]}],
        [{"anything-but": [["x"]]}],
        [{"anything-but": {}}],
        [{"anything-but": {"exists": True}}],
        [{"numeric": 5}],
        [{"numeric": []}],
        [{"numeric": [">"]}],
        [{"numeric": [">", "5"]}],
        [{"numeric": [">", True]}],
        [{"numeric": ["!=", 5]}],
        [{"numeric": ["<", 5, ">", 1]}],
        [{"numeric": [">", 5, "<", 5]}],
        [{"numeric": [">", 1, "<", 5, "<", 6]}],
        [{"like": "x"}],
        [{"Prefix": "x"}],
        [{"prefix": "x", "suffix": "y"}],
    ]
)


@st.composite
def spoilt(draw: st.DrawFn) -> Any:
    """A pattern with something else in one of its places."""
    pattern = draw(PATTERNS)
    place = draw(st.sampled_from([*_places(pattern)]))
    return _with(pattern, place, draw(JUNK))


def is_object(value: object) -> TypeGuard[dict[str, Any]]:
    return isinstance(value, dict)


def is_list(value: object) -> TypeGuard[list[Any]]:
    return isinstance(value, list)


def _places(value: object, at: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield at
    inside = value.items() if is_object(value) else enumerate(value) if is_list(value) else ()
    for name, inner in inside:
        yield from _places(inner, (*at, name))


def _with(value: Any, place: tuple[str | int, ...], new: Any) -> Any:
    if not place:
        return new
    changed = value.copy()
    changed[place[0]] = _with(value[place[0]], place[1:], new)
    return changed


# --- Where they differ ----------------------------------------------------------------------------------------


def _objects(value: object) -> Iterator[dict[str, Any]]:
    """Every object in a JSON value."""
    if is_object(value):
        yield value
    inside = value.values() if is_object(value) else value if is_list(value) else ()
    for inner in inside:
        yield from _objects(inner)


def repeats_a_field(pattern: object, outside: frozenset[str] = frozenset()) -> bool:
    """Return whether a member of a `$or` has a field that is beside the `$or`, too.

    Event Ruler refuses a pattern that has two rules for one value, as we do. MiniStack uses the later rule.
    """
    if not is_object(pattern):
        return False
    fields = {name: rule for name, rule in pattern.items() if name != "$or"}
    return (
        not outside.isdisjoint(fields)
        or any(repeats_a_field(rule) for rule in fields.values())
        or any(repeats_a_field(member, outside | fields.keys()) for member in pattern.get("$or", ()))
    )


def is_for_event_buses_only(pattern: Any) -> bool:
    """Pipes have no `wildcard`, no `cidr`, and no `anything-but` with an operator inside: "Pipe support: No"."""
    return any(
        not {"wildcard", "cidr", "exactly"}.isdisjoint(each) or is_object(each.get("anything-but"))
        for each in _objects(pattern)
    )


def has_an_or_that_is_none(pattern: Any) -> bool:
    """Whether a pattern has a `$or` that is not a list of at least two objects.

    EventBridge takes such a `$or` for the name of a field. We refuse it, because it is almost certainly a mistake.
    """

    def is_or(value: object) -> bool:
        return is_list(value) and len(value) >= 2 and all(map(is_object, value))

    return any("$or" in each and not is_or(each["$or"]) for each in _objects(pattern))


def agree(pattern: Any) -> bool:
    """Whether AWS's documentation and the emulator are of one mind on this."""
    return not (has_an_or_that_is_none(pattern) or repeats_a_field(pattern) or is_for_event_buses_only(pattern))


DIFFERENCES: list[tuple[str, Any, Any, Verdict, Verdict]] = [
    ("a repeated field, later", {"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}, {"a": 2}, None, True),
    ("a repeated field, earlier", {"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}, {"a": 1}, None, False),
    ("a repeated field, both", {"a": [1], "$or": [{"a": [2]}, {"b": [3]}]}, {"a": [1, 2]}, None, True),
    (
        "an object and a list for one field",
        {"a": [1], "$or": [{"a": {"b": [2]}}, {"c": [3]}]},
        {"a": [1, {"b": 2}]},
        True,
        False,
    ),
    ("wildcard", {"a": [{"wildcard": "x*"}]}, {"a": "xy"}, None, True),
    ("cidr", {"a": [{"cidr": "10.0.0.0/24"}]}, {"a": "10.0.0.1"}, None, True),
    ("exactly", {"a": [{"exactly": "x"}]}, {"a": "x"}, None, True),
    ("anything-but prefix", {"a": [{"anything-but": {"prefix": "x"}}]}, {"a": "y"}, None, True),
    ("anything-but suffix", {"a": [{"anything-but": {"suffix": "x"}}]}, {"a": "y"}, None, True),
    ("anything-but wildcard", {"a": [{"anything-but": {"wildcard": "x*"}}]}, {"a": "y"}, None, True),
    ("anything-but, any case", {"a": [{"anything-but": {"equals-ignore-case": "x"}}]}, {"a": "y"}, None, True),
    ("$or of one", {"$or": [{"a": [1]}]}, {"a": 1}, None, None),
    ("$or as a field", {"$or": ["x"]}, {"$or": "x"}, None, True),
    ("$or as an object", {"$or": {"a": [1]}}, {"$or": {"a": 1}}, None, True),
    ("numeric beyond 5.0e9", {"a": [{"numeric": ["<", 5.1e9]}]}, {"a": 1}, None, True),
    ("a path in a name, as a name", {"a.b": [1]}, {"a.b": 1}, True, False),
    ("33 levels", json.loads('{"a":' * 33 + "[1]" + "}" * 33), {"a": 1}, None, False),
]
"""Pattern, event, our verdict and the emulator's. A newer emulator may come nearer to AWS: then its line goes."""


@pytest.mark.parametrize(
    ("pattern", "detail", "our", "their"), [each[1:] for each in DIFFERENCES], ids=[each[0] for each in DIFFERENCES]
)
def test_a_difference_is_still_one(theirs: Judge, pattern: Any, detail: Any, our: Verdict, their: Verdict) -> None:
    assert (ours(pattern, detail), theirs(pattern, detail)) == (our, their)


# --- Laws -----------------------------------------------------------------------------------------------------


@pytest.mark.no_cover
@settings(max_examples=EXAMPLES)
@given(PATTERNS, EVENTS)
@example({"a": [{"exists": True}]}, {"a": {}})
@example({"a": [{"exists": True}]}, {"a": []})
@example({"a": [{"exists": False}]}, {"a": {"b": 1}})
@example({"a": [{"exists": False}, 1]}, {"a": 1})
@example({"a": [{"anything-but": "x"}]}, {})
@example({"a": [{"anything-but": "x"}]}, {"a": []})
@example({"a": [{"anything-but": "x"}]}, {"a": {"b": "y"}})
@example({"a": [{"anything-but": "x"}]}, {"a": ["x", "y"]})
@example({"a": [{"anything-but": 5}]}, {"a": "5"})
@example({"a": [5]}, {"a": 5.0})
@example({"a": [5]}, {"a": "5"})
@example({"a": [True]}, {"a": 1})
@example({"a": [[1]]}, {"a": [1]})
@example({"a": [1]}, {"a": [[2, [1]]]})
@example({"a": {"b": [1], "c": [2]}}, {"a": [{"b": 1}, {"c": 2}]})
@example({"a": {"b": [1], "c": [2]}}, {"a": [[{"b": 1, "c": 2}], 3]})
@example({"a": {"b": [{"exists": False}]}}, {"a": "x"})
@example({"a": [{"prefix": ""}]}, {"a": None})
@example({"a": {"$or": [{"b": [1]}, {"c": [2]}]}}, {"a": {"c": 2}})
@example({"$or": [{"a": [1], "b": [2]}, {"$or": [{"a": [3]}, {"c": [4]}]}]}, {"c": 4})
def test_a_pattern_matches_what_it_matches_there(theirs: Judge, pattern: Any, detail: Any) -> None:
    assume(agree(pattern))
    assert ours(pattern, detail) is theirs(pattern, detail)


@pytest.mark.no_cover
@settings(max_examples=EXAMPLES)
@given(spoilt(), EVENTS)
def test_a_pattern_is_refused_where_it_is_refused_there(theirs: Judge, pattern: Any, detail: Any) -> None:
    assume(agree(pattern))
    assert ours(pattern, detail) is theirs(pattern, detail)


@pytest.mark.parametrize("junk", [None, True, 5, "x", [], {}], ids=str)
def test_what_is_no_pattern_is_refused_by_both(theirs: Judge, junk: Any) -> None:
    assert (ours(junk, {}), theirs(junk, {})) == (None, None)
