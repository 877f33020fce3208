from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formbridge.wire import event_matcher
from formbridge.wire.event_pattern import BadPattern
from formbridge.wire.subscription_filter import FIELDS, MAX_FILTER_COST, SubscriptionFilter
from tests.support.handlers.builders import submission
from tests.support.handlers.strategies import ANY_TEXT, JSON

if TYPE_CHECKING:
    from collections.abc import Sequence

MAX_LENGTH = 4_096
CASES = st.sampled_from(
    "aAkKsSiI\N{LATIN SMALL LETTER LONG S}\N{KELVIN SIGN}\N{LATIN SMALL LETTER DOTLESS I}ßfF\N{LATIN SMALL LIGATURE FF}"
)
"""Characters whose lowercase or uppercase is that of another character, or is two characters."""


def check(value: object, max_length: int = MAX_LENGTH) -> SubscriptionFilter:
    return SubscriptionFilter.parse(value, max_length)


# --- Faults ---------------------------------------------------------------------------------------------------

FAULTS: list[tuple[object, str, str]] = [
    (None, "", "must be an object, got None"),
    ([], "", "must be an object, got []"),
    ({}, "", "must have at least one field, got {}"),
    ({"form": ["x"]}, "form", "must be one of form_id, status, submission_id, got 'form'"),
    ({"tenant_id": ["t_globex"]}, "tenant_id", "must be one of form_id, status, submission_id, got 'tenant_id'"),
    ({"detail": {"status": ["x"]}}, "detail", "must be one of form_id, status, submission_id, got 'detail'"),
    ({"status": {"status": ["x"]}}, "status", "must be a list of alternatives, got {'status': ['x']}"),
    ({"status": "x"}, "status", "must be a list of alternatives or a nested pattern, got 'x'"),
    ({"status": []}, "status", "must have at least one alternative, got []"),
    ({"status": ["x", ["y"]]}, "status[1]", "must be a string, a number, true, false, null or an operator, got ['y']"),
    (
        {"status": ["x", {"numeric": ["=", 1]}]},
        "status[1]",
        "must be an operator that a subscription filter supports, got 'numeric'",
    ),
    (
        {"status": [{"wildcard": "x*"}]},
        "status[0]",
        "must be an operator that EventBridge Pipes support, got 'wildcard'",
    ),
    ({"status": [{"prefix": 1}]}, "status[0].prefix", 'must be a string or {"equals-ignore-case": string}, got 1'),
    ({"status": [{"exists": 1}]}, "status[0].exists", "must be true or false, got 1"),
    ({"status": [{"prefix": "a", "suffix": "b"}]}, "status[0]", "must have exactly one operator"),
    ({"$or": [{"status": ["x"]}]}, "$or", "must be a list of at least two patterns"),
    ({"$or": [{"status": ["x"]}, {}]}, "$or[1]", "must have at least one field"),
    ({"$or": [{"status": ["x"]}, {"form": ["y"]}]}, "$or[1].form", "must be one of form_id, "),
    (
        {"form_id": ["x"], "$or": [{"form_id": ["y"]}, {"status": ["z"]}]},
        "$or[0].form_id",
        "must be the only rule for its field in a combination, got a second rule besides form_id",
    ),
    (
        {"$or": [{"status": ["x"]}, {"$or": [{"form_id": ["y"]}, {"form_id": [{"numeric": ["<", 1]}]}]}]},
        "$or[1].$or[1].form_id[0]",
        "must be an operator that a subscription filter supports, got 'numeric'",
    ),
]


@pytest.mark.parametrize(("value", "path", "problem"), FAULTS, ids=[str(fault[0]) for fault in FAULTS])
def test_a_fault_names_its_place(value: object, path: str, problem: str) -> None:
    with pytest.raises(BadPattern) as refused:
        check(value)
    assert refused.value.path == path
    assert refused.value.problem.startswith(problem)


@given(JSON | st.dictionaries(st.sampled_from([*FIELDS, "$or"]), JSON))
def test_any_value_is_a_filter_or_a_bad_pattern(value: object) -> None:
    try:
        wanted = check(value)
    except BadPattern:
        return
    assert isinstance(wanted.matches(submission()), bool)


# --- Limits ---------------------------------------------------------------------------------------------------


TEN = [str(n) for n in range(10)]
LONG_S = "\N{LATIN SMALL LETTER LONG S}"
COSTS: list[tuple[dict[str, Any], int]] = [
    ({"form_id": ["a"]}, 1 + 1),
    ({"form_id": TEN}, 10 + 1),
    ({"form_id": TEN, "status": TEN}, 20 + 2),
    ({"form_id": [1, True, None, {"exists": False}, {"prefix": "a"}]}, 5 + 1),
    ({"form_id": [{"anything-but": "a"}]}, 1 + 1),
    ({"form_id": [{"anything-but": TEN}, {"anything-but": [1]}]}, 11 + 1),
    ({"form_id": [{"equals-ignore-case": "sss"}, {"prefix": LONG_S * 4}]}, 2 + 1),
    ({"form_id": [{"equals-ignore-case": LONG_S * 3}]}, 6 + 1),
    ({"form_id": [{"suffix": {"equals-ignore-case": LONG_S * 3}}, {"prefix": {"equals-ignore-case": "s"}}]}, 7 + 1),
    ({"$or": [{"form_id": ["a"]}, {"status": ["b"]}]}, 2 + 2),
    ({"$or": [{"form_id": ["a"], "status": ["b"]}, {"status": ["b"]}]}, 3 + 3),
    ({"submission_id": ["a"], "$or": [{"form_id": ["a"]}, {"status": ["b"]}]}, 3 + 4),
    ({"submission_id": ["a"], "$or": [{"$or": [{"form_id": [n]} for n in TEN]}, {"status": ["b"]}]}, 12 + 11 * 2),
    ({"$or": [{"status": ["a"], "$or": [{"form_id": [n]} for n in TEN]}, {"status": ["b"]}]}, 12 + 10 * 2 + 1),
]


@pytest.mark.parametrize(("pattern", "cost"), COSTS, ids=[ascii(pattern) for pattern, _ in COSTS])
def test_a_filter_costs_its_values_and_the_fields_of_its_combinations(pattern: dict[str, Any], cost: int) -> None:
    assert check(pattern).cost == cost


def costing(cost: int) -> list[dict[str, Any]]:
    """Filters of a cost."""
    names = [str(n) for n in range(cost)]
    half = cost // 2
    return [
        {"form_id": names[1:]},
        {"form_id": [{"anything-but": names[1:]}]},
        {"form_id": [{"equals-ignore-case": LONG_S * (half - 1)}, *names[: cost - 2 * half + 1]]},
        {"$or": [*({"form_id": [name]} for name in names[1:half]), {"form_id": names[half * 2 - 2 : cost - 1]}]},
    ]


SHAPES = ["one list", "anything-but", "ignoring case", "$or"]


@pytest.mark.parametrize("value", costing(MAX_FILTER_COST), ids=SHAPES)
def test_a_filter_may_have_the_highest_cost(value: dict[str, Any]) -> None:
    assert check(value).cost == MAX_FILTER_COST


@pytest.mark.parametrize("value", costing(MAX_FILTER_COST + 1), ids=SHAPES)
def test_a_filter_that_costs_more_is_refused(value: dict[str, Any]) -> None:
    with pytest.raises(BadPattern, match=r"^pattern: must have a cost of at most 200, got 201$"):
        check(value)


def test_every_filter_of_fifty_values_is_allowed() -> None:
    """Fifty members of `$or` that share a field and differ in two are the most costly of them."""
    shared, names = {"form_id": ["x"]}, [str(n) for n in range(49)]
    assert check({**shared, "$or": [{"status": [name]} for name in names]}).cost == 50 + 98
    both = {**shared, "status": ["x"], "$or": [{"submission_id": [name]} for name in names[:48]]}
    assert check(both).cost == 50 + 144


@pytest.mark.parametrize("character", ["x", "é", "\N{WAVING HAND SIGN}"], ids=ascii)
def test_a_filter_counts_in_characters_as_compact_json(character: str) -> None:
    room = MAX_LENGTH - len('{"form_id":[""]}')
    check({"form_id": [character * room]})
    with pytest.raises(BadPattern, match=r"^pattern: must have at most 4,096 characters as JSON, got 4,097$"):
        check({"form_id": [character * (room + 1)]})


def test_the_length_is_a_setting() -> None:
    check({"form_id": ["x"]}, 17)
    with pytest.raises(BadPattern, match=r"must have at most 16 characters as JSON, got 17"):
        check({"form_id": ["x"]}, 16)


# --- Text and id ----------------------------------------------------------------------------------------------

TEXTS = st.text(st.characters(codec="ascii"), max_size=3) | st.text(CASES, max_size=4) | ANY_TEXT
OPERATORS = st.one_of(
    TEXTS.map(lambda text: {"prefix": text}),
    TEXTS.map(lambda text: {"suffix": text}),
    TEXTS.map(lambda text: {"prefix": {"equals-ignore-case": text}}),
    TEXTS.map(lambda text: {"suffix": {"equals-ignore-case": text}}),
    TEXTS.map(lambda text: {"equals-ignore-case": text}),
    st.lists(TEXTS, min_size=1, max_size=3).map(lambda texts: {"anything-but": texts}),
    (TEXTS | st.integers(0, 3)).map(lambda value: {"anything-but": value}),
    st.booleans().map(lambda present: {"exists": present}),
)
LITERALS = TEXTS | st.none() | st.booleans() | st.integers() | st.floats(-1e9, 1e9)
LISTS = st.lists(LITERALS | OPERATORS, min_size=1, max_size=4)


def flat(fields: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    return st.dictionaries(st.sampled_from(fields), LISTS, min_size=1)


def either(fields: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    members = flat(fields) | st.lists(flat(fields), min_size=2, max_size=3).map(lambda some: {"$or": some})
    return st.lists(members, min_size=2, max_size=3).map(lambda some: {"$or": some})


def beside_or(fields: Sequence[str]) -> st.SearchStrategy[dict[str, Any]]:
    """Filters with fields beside `$or`, which the members of `$or` must not have."""
    return st.tuples(flat(fields[:1]), either(fields[1:])).map(lambda both: both[0] | both[1])


PATTERNS = (flat(FIELDS) | either(FIELDS) | st.permutations(FIELDS).flatmap(beside_or)).filter(
    lambda pattern: len(json.dumps(pattern)) < MAX_FILTER_COST
)
SUBMISSIONS = st.builds(submission, TEXTS, form_id=TEXTS, status=TEXTS)


def reversed_names(pattern: dict[str, Any]) -> dict[str, Any]:
    """The same pattern, with the names of its objects the other way round."""
    turned = {name: pattern[name] for name in reversed(pattern)}
    return {name: [*map(reversed_names, rule)] if name == "$or" else rule for name, rule in turned.items()}


@given(PATTERNS)
def test_the_order_of_names_makes_no_other_filter(pattern: dict[str, Any]) -> None:
    one, other = check(pattern), check(reversed_names(pattern))
    assert (one, one.text, one.id) == (other, other.text, other.id)


@given(PATTERNS)
def test_a_filter_comes_back_from_its_text(pattern: dict[str, Any]) -> None:
    wanted = check(pattern)
    again = SubscriptionFilter(wanted.text)
    assert again == wanted
    assert again.pattern == pattern
    assert check(json.loads(wanted.text)) == wanted


@given(PATTERNS)
def test_its_text_is_one_that_a_table_can_hold(pattern: dict[str, Any]) -> None:
    """Half a character, which JSON can say, is none that DynamoDB takes."""
    assert check(pattern).text.isascii()


@given(PATTERNS, PATTERNS)
def test_two_filters_are_one_where_their_patterns_are(one: dict[str, Any], other: dict[str, Any]) -> None:
    same = json.dumps(one, sort_keys=True) == json.dumps(other, sort_keys=True)
    assert (check(one) == check(other)) is same
    assert (check(one).id == check(other).id) is same


def test_an_id_is_short_and_stays_what_it_is() -> None:
    assert check({"form_id": ["contact"]}).id == "3ae6865d96cf"


# --- Matching -------------------------------------------------------------------------------------------------


@given(PATTERNS, SUBMISSIONS)
@settings(max_examples=1_000)
def test_a_filter_matches_as_its_pattern_does(pattern: dict[str, Any], held: Any) -> None:
    seen = {"form_id": held.form_id, "status": held.status, "submission_id": held.submission_id}
    assert check(pattern).matches(held) is event_matcher.matches(pattern, seen)


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ({"form_id": ["contact"], "status": ["processing"]}, True),
        ({"form_id": ["contact"], "status": ["done"]}, False),
        ({"form_id": ["x", {"prefix": "con"}]}, True),
        ({"form_id": [{"suffix": "TACT"}]}, False),
        ({"form_id": [{"suffix": {"equals-ignore-case": "TACT"}}]}, True),
        ({"form_id": [{"equals-ignore-case": "Contact"}]}, True),
        ({"status": [{"anything-but": ["spam", "deleted"]}]}, True),
        ({"status": [{"anything-but": "processing"}]}, False),
        ({"submission_id": ["s1"]}, True),
        ({"submission_id": [{"exists": True}]}, True),
        ({"submission_id": [{"exists": False}]}, False),
        ({"status": [None, 5, True]}, False),
        ({"$or": [{"form_id": ["x"]}, {"status": ["processing"]}]}, True),
        ({"$or": [{"form_id": ["x"]}, {"status": ["x"]}]}, False),
        ({"status": ["done"], "$or": [{"form_id": ["contact"]}, {"submission_id": ["s1"]}]}, False),
    ],
    ids=str,
)
def test_what_a_subscription_sees(pattern: dict[str, Any], expected: bool) -> None:
    assert check(pattern).matches(submission("s1", form_id="contact", status="processing")) is expected


# --- Submissions that a filter names --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pattern", "ids"),
    [
        ({"submission_id": ["s1"]}, ["s1"]),
        ({"submission_id": ["s1", "s2"], "status": ["new"]}, ["s1", "s2"]),
        ({"submission_id": ["s1"], "$or": [{"status": ["new"]}, {"form_id": ["contact"]}]}, ["s1"]),
        ({"submission_id": [""]}, [""]),
        ({"submission_id": ["s1", {"prefix": "s"}]}, None),
        ({"submission_id": [{"anything-but": ["s1"]}]}, None),
        ({"submission_id": [{"equals-ignore-case": "s1"}]}, None),
        ({"submission_id": [{"exists": True}]}, None),
        ({"submission_id": ["s1", None]}, None),
        ({"submission_id": [1]}, None),
        ({"status": ["s1"]}, None),
        ({"$or": [{"submission_id": ["s1"]}, {"submission_id": ["s2"]}]}, None),
    ],
    ids=str,
)
def test_a_filter_names_submissions_only_if_every_alternative_is_an_id(
    pattern: dict[str, Any], ids: list[str] | None
) -> None:
    assert check(pattern).submission_ids == ids


@given(
    st.fixed_dictionaries(
        {},
        optional={
            "submission_id": st.lists(st.sampled_from(["s1", "s2", {"prefix": "s"}, {"exists": True}]), min_size=1),
            "status": st.lists(st.sampled_from(["new", "done"]), min_size=1),
            "$or": st.just([{"form_id": ["contact"]}, {"form_id": ["survey"]}]),
        },
    ).filter(bool),
    st.sampled_from(["s1", "s2", "s3"]),
    st.sampled_from(["new", "done"]),
)
def test_no_submission_matches_that_a_filter_does_not_name(
    pattern: dict[str, Any], submission_id: str, status: str
) -> None:
    wanted = check(pattern)
    if wanted.submission_ids is not None and wanted.matches(submission(submission_id, status=status)):
        assert submission_id in wanted.submission_ids
