"""EventBridge event patterns with the operators that EventBridge Pipes support. Pure: no I/O, no clock.

A pattern has the same structure as the event. A field maps to a nested pattern, or to a list of alternatives of which
one must match (OR). Fields combine with AND. `$or` takes a list of patterns. An alternative is a literal (string,
number, `true`, `false`, `null`) or an object with one operator: `prefix`, `suffix`, `equals-ignore-case`,
`anything-but`, `numeric`, `exists`.

Values of different types are never equal: `5` equals `5.0`, but not `"5"` or `true`. If the event contains an array,
one matching element is enough. Operators test leaf values only: objects are not leaf values, and an empty array
contains no leaf value.

The answers are those of https://github.com/aws/event-ruler, which EventBridge uses. ADR 22 lists the differences.
"""

from __future__ import annotations

import math
import operator
from decimal import Decimal
from typing import TYPE_CHECKING, NamedTuple, TypeGuard, cast

from ..runtime.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MAX_FILTERS = 5
"""Maximum number of patterns of a pipe.
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_FilterCriteria.html"""

MAX_PATTERN_LENGTH = 4096
"""Maximum number of characters of a pattern as JSON.
https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_Filter.html"""

MAX_DEPTH = 32
"""Maximum number of nested levels of a pattern. It keeps the recursion in this module far below Python's limit."""

NUMBER_LIMIT = 5.0e9
"""Maximum absolute value of a number that `numeric` compares with."""

MAX_COMBINATIONS = 1_000
"""Maximum product of the lengths of all `$or` lists of a pattern.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-create-pattern-operators.html"""

_MIN_OR_PATTERNS = 2


class BadPattern(ValueError):
    """An event pattern that is not valid. The message names the place and the problem."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'pattern'}: {problem}")
        self.path = path
        """Place in the pattern, such as `detail.state[0].prefix`; empty if the problem concerns the whole pattern."""
        self.problem = problem
        """Description of the problem at that place."""


def validate(pattern: object) -> None:
    """Check that `pattern` (decoded JSON) is an event pattern that EventBridge Pipes support.

    Raises:
        BadPattern: The pattern is not valid.
    """
    _check_pattern(pattern, "", 1)
    _list_fields(cast("Mapping[str, object]", pattern), "", "")
    combinations = _count_combinations(cast("Mapping[str, object]", pattern))
    if combinations > MAX_COMBINATIONS:
        raise BadPattern(
            "", f"must have at most {MAX_COMBINATIONS:,} combinations of `$or` members, got {combinations:,}"
        )


def matches(pattern: Mapping[str, object], event: Mapping[str, object]) -> bool:
    """Return whether `event` (decoded JSON) matches `pattern`, which must have passed `validate`."""
    known: dict[object, Sequence[_Elements]] = {}
    return any(_all_match(sorted(fields.items()), event, (), known) for fields in _expand(pattern, ""))


# --- Matching -----------------------------------------------------------------------------------------------

_Elements = tuple[tuple[int, int], ...]
"""Elements of arrays in the event: the `id` of the array, and the index of the element."""


def _expand(pattern: Mapping[str, object], path: str) -> list[dict[str, Sequence[object]]]:
    """Return the combinations of fields of which one must match.

    A combination maps the path of each of its fields, such as `.detail.state`, to the alternatives. A pattern without
    `$or` has one combination.
    """
    combinations: list[dict[str, Sequence[object]]] = [{}]
    for name, rule in pattern.items():
        if name == "$or":
            members = cast("Sequence[Mapping[str, object]]", rule)
            choices = [choice for member in members for choice in _expand(member, path)]
            combinations = [{**combination, **choice} for combination in combinations for choice in choices]
        elif _is_object(rule):
            choices = _expand(rule, f"{path}.{name}")
            combinations = [{**combination, **choice} for combination in combinations for choice in choices]
        else:
            for combination in combinations:
                combination[f"{path}.{name}"] = cast("Sequence[object]", rule)
    return combinations


def _all_match(
    fields: Sequence[tuple[str, Sequence[object]]],
    event: Mapping[str, object],
    elements: _Elements,
    known: dict[object, Sequence[_Elements]],
) -> bool:
    """Return whether all fields match, with values from the same element of each array.

    Args:
        fields: Paths and alternatives, sorted by path. EventBridge tests them in this order.
        event: The event.
        elements: Elements that contain the values of the fields before these.
        known: Results of the tests so far. Combinations have fields in common.
    """
    for position, (path, alternatives) in enumerate(fields, 1):
        key = (path, id(alternatives), elements)
        if key not in known:
            known[key] = list(_find_matches(path, alternatives, event, elements))
        if len(known[key]) != 1:
            return any(_all_match(fields[position:], event, chosen, known) for chosen in known[key])
        (elements,) = known[key]
    return True


def _find_matches(
    path: str, alternatives: Sequence[object], event: Mapping[str, object], elements: _Elements
) -> Iterator[_Elements]:
    """Yield the elements of arrays, including `elements`, in which a field matches."""
    is_absent = True
    for leaves, chosen in _find_leaves(path, event, elements):
        is_absent = False
        if _any_matches(alternatives, leaves):
            yield chosen
    if is_absent and {"exists": False} in alternatives:
        yield elements


def _any_matches(alternatives: Sequence[object], leaves: Sequence[object]) -> bool:
    """Return whether one of the alternatives matches one of the leaf values."""
    for alternative in alternatives:
        if _is_object(alternative):
            ((name, operand),) = alternative.items()
            test = _OPERATORS[name].test
        else:
            operand, test = alternative, _is_equal
        if any(test(operand, leaf) for leaf in leaves):
            return True
    return False


def _find_leaves(path: str, value: object, elements: _Elements) -> Iterator[tuple[Sequence[object], _Elements]]:
    """Yield the leaf values at `path` in `value`, grouped by the elements of the arrays that contain them.

    Of an array that `elements` has, only that element counts. A name may contain a dot: the path `.a.b` finds
    `{"a": {"b": 1}}` and `{"a.b": 1}`.
    """
    if _is_object(value):
        end = 0
        while end < len(path):
            end = path.find(".", end + 1)
            end = len(path) if end < 0 else end
            name = path[1:end]
            if name in value:
                yield from _find_leaves(path[end:], value[name], elements)
    elif _is_array(value):
        chosen = dict(elements).get(id(value))
        if chosen is not None:
            yield from _find_leaves(path, value[chosen], elements)
            return
        leaves = [element for element in value if not isinstance(element, dict | list)]
        if leaves and not path:
            yield leaves, elements
        for index, element in enumerate(value):
            if _is_object(element) or _is_array(element):
                yield from _find_leaves(path, element, (*elements, (id(value), index)))
    elif not path:
        yield [value], elements


def _is_equal(a: object, b: object) -> bool:
    # In Python, True == 1. In JSON, true does not equal 1.
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_comparable(value: object) -> TypeGuard[float]:
    """Return whether `value` is a number that EventBridge compares. An integer must be equal to its double."""
    if not _is_number(value):
        return False
    try:
        return isinstance(value, float) or Decimal(repr(float(value))) == value
    except OverflowError:
        return False


def _is_number(value: object) -> TypeGuard[float]:
    # Do not call isfinite() with an integer. It raises OverflowError for a very large integer, and JSON integers have
    # no upper limit.
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


# --- Operators: the check of the operand, and the test of a value ---------------------------------------------


class _Operator(NamedTuple):
    find_problem: Callable[[object], str | None]
    """Function that returns why an operand is not valid, or None if it is valid."""
    test: Callable[[object, object], bool]
    """Function that returns whether a leaf value matches an operand: (operand, leaf) -> bool."""


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _find_string_problem(operand: object) -> str | None:
    return None if isinstance(operand, str) else f"must be a string, got {quote(operand)}"


def _match_ignoring_case(text: str, wanted: str, *, from_end: bool = False) -> int | None:
    """Return how many characters at the start or end of `text` equal `wanted` if case is ignored, or None.

    As in EventBridge, each character of `wanted` stands for its lowercase and its uppercase. Therefore `ß` matches
    `SS`, but `SS` does not match `ß`.
    """
    if from_end:
        text, wanted = text[::-1], wanted[::-1]
    if wanted.isascii():  # the usual case, which this makes ten times faster
        start = text[: len(wanted)]
        return len(start) if start.isascii() and start.lower() == wanted.lower() else None
    length = 0
    for character in wanted:
        lower, upper = character.lower(), character.upper()
        if from_end:
            lower, upper = lower[::-1], upper[::-1]
        if text.startswith(lower, length):
            length += len(lower)
        elif text.startswith(upper, length):
            length += len(upper)
        else:
            return None
    return length


def _test_equals_ignore_case(operand: object, leaf: object) -> bool:
    return isinstance(leaf, str) and _match_ignoring_case(leaf, cast("str", operand)) == len(leaf)


def _find_affix_problem(operand: object) -> str | None:
    if isinstance(operand, str):
        return None
    if _is_object(operand) and [*operand] == ["equals-ignore-case"]:
        return _find_string_problem(operand["equals-ignore-case"])
    return f'must be a string or {{"equals-ignore-case": string}}, got {quote(operand)}'


def _test_prefix(operand: object, leaf: object) -> bool:
    if not isinstance(leaf, str):
        return False
    if isinstance(operand, str):
        return leaf.startswith(operand)
    return _match_ignoring_case(leaf, cast("Mapping[str, str]", operand)["equals-ignore-case"]) is not None


def _test_suffix(operand: object, leaf: object) -> bool:
    if not isinstance(leaf, str):
        return False
    if isinstance(operand, str):
        return leaf.endswith(operand)
    wanted = cast("Mapping[str, str]", operand)["equals-ignore-case"]
    return _match_ignoring_case(leaf, wanted, from_end=True) is not None


def _find_anything_but_problem(operand: object) -> str | None:
    values = operand if _is_array(operand) else [operand]
    if not values or not (all(isinstance(v, str) for v in values) or all(_is_number(v) for v in values)):
        return f"must be a string, a number, or a list of only strings or only numbers, got {quote(operand)}"
    if not all(isinstance(v, str) or _is_comparable(v) for v in values):
        return f"must compare with numbers that a double represents exactly, got {quote(operand)}"
    return None


def _test_anything_but(operand: object, leaf: object) -> bool:
    return not any(_is_equal(value, leaf) for value in (operand if _is_array(operand) else [operand]))


def _find_numeric_problem(operand: object) -> str | None:
    parts = operand if _is_array(operand) else []
    comparisons, numbers = parts[::2], parts[1::2]
    if not all(_is_number(number) and abs(number) <= NUMBER_LIMIT for number in numbers):
        return f"must compare with numbers from -5.0e9 to 5.0e9, got {quote(numbers)}"
    match comparisons, cast("list[float]", numbers):
        case [str(one)], [_] if one in _COMPARISONS:
            return None
        case [">" | ">=", "<" | "<="], [low, high] if low < high:
            return None
        case _:
            return f'must be like ["=", 5], [">", 0] or [">", 0, "<=", 5], got {quote(operand)}'


def _test_numeric(operand: object, leaf: object) -> bool:
    if not _is_comparable(leaf):
        return False
    parts = cast("list[str | float]", operand)
    return all(
        _COMPARISONS[cast("str", comparison)](leaf, cast("float", number))
        for comparison, number in zip(parts[::2], parts[1::2], strict=True)
    )


def _find_exists_problem(operand: object) -> str | None:
    return None if isinstance(operand, bool) else f"must be true or false, got {quote(operand)}"


def _test_exists(operand: object, _leaf: object) -> bool:
    return operand is True


_OPERATORS: Mapping[str, _Operator] = {
    "prefix": _Operator(_find_affix_problem, _test_prefix),
    "suffix": _Operator(_find_affix_problem, _test_suffix),
    "equals-ignore-case": _Operator(_find_string_problem, _test_equals_ignore_case),
    "anything-but": _Operator(_find_anything_but_problem, _test_anything_but),
    "numeric": _Operator(_find_numeric_problem, _test_numeric),
    "exists": _Operator(_find_exists_problem, _test_exists),
}


# --- Validation ---------------------------------------------------------------------------------------------

_RESERVED_IN_OR = frozenset(
    {
        *_OPERATORS,
        *_COMPARISONS,
        "exactly",
        "wildcard",
        "cidr",
        "regex",
        "not-wildcard",
        "not-equals-ignore-case",
        "date-after",
        "date-on-or-after",
        "date-before",
        "date-on-or-before",
        "in-date-range",
        "ip-address-in-range",
        "ip-address-not-in-range",
    }
)
"""Names that a field inside `$or` may not have."""


def _check_pattern(pattern: object, path: str, depth: int, *, in_or: bool = False) -> None:
    if not _is_object(pattern):
        raise BadPattern(path, f"must be an object, got {quote(pattern)}")
    if not pattern:
        raise BadPattern(path, "must have at least one field, got {}")
    if depth > MAX_DEPTH:
        raise BadPattern(path, f"must have at most {MAX_DEPTH} levels")
    for field, rule in pattern.items():
        at = f"{path}.{field}" if path else field
        if in_or and field in _RESERVED_IN_OR:
            raise BadPattern(
                at, f"must be a field name that EventBridge does not reserve inside `$or`, got {quote(field)}"
            )
        if field == "$or":
            _check_or(rule, at, depth)
        elif _is_object(rule):
            _check_pattern(rule, at, depth + 1, in_or=in_or)
        else:
            _check_alternatives(rule, at)


def _check_or(rule: object, path: str, depth: int) -> None:
    if not _is_array(rule) or len(rule) < _MIN_OR_PATTERNS:
        raise BadPattern(path, f"must be a list of at least two patterns, got {quote(rule)}")
    for index, pattern in enumerate(rule):
        _check_pattern(pattern, f"{path}[{index}]", depth + 1, in_or=True)


def _check_alternatives(rule: object, path: str) -> None:
    if not _is_array(rule):
        raise BadPattern(path, f"must be a list of alternatives or a nested pattern, got {quote(rule)}")
    if not rule:
        raise BadPattern(path, "must have at least one alternative, got []")
    for index, alternative in enumerate(rule):
        _check_alternative(alternative, f"{path}[{index}]")


def _check_alternative(alternative: object, path: str) -> None:
    if not _is_object(alternative):
        if not (alternative is None or isinstance(alternative, str | bool) or _is_number(alternative)):
            raise BadPattern(
                path, f"must be a string, a number, true, false, null or an operator, got {quote(alternative)}"
            )
        return
    if len(alternative) != 1:
        raise BadPattern(path, f"must have exactly one operator, got {quote(alternative)}")
    ((name, operand),) = alternative.items()
    if name not in _OPERATORS:
        raise BadPattern(path, f"must be an operator that EventBridge Pipes support, got {quote(name)}")
    problem = _OPERATORS[name].find_problem(operand)
    if problem:
        raise BadPattern(f"{path}.{name}", problem)


def _list_fields(pattern: Mapping[str, object], path: str, place: str) -> Mapping[str, str]:
    """Check that no combination has a field twice, and return the fields.

    Args:
        pattern: The pattern, which is otherwise valid.
        path: Path of the pattern's object in the event.
        place: Place of the pattern in the whole pattern.

    Returns:
        The path of each field in the event, and the first place in the pattern that has it.

    Raises:
        BadPattern: A combination has a field twice.
    """
    places: dict[str, str] = {}
    for name, rule in pattern.items():
        at = f"{place}.{name}" if place else name
        added: dict[str, str] = {}
        if name == "$or":
            for index, member in enumerate(cast("Sequence[Mapping[str, object]]", rule)):
                for field, first in _list_fields(member, path, f"{at}[{index}]").items():
                    added.setdefault(field, first)
        elif _is_object(rule):
            added |= _list_fields(rule, f"{path}.{name}", at)
        else:
            added[f"{path}.{name}"] = at
        for field in added:
            if field in places:
                problem = "must be the only rule for its field in a combination"
                raise BadPattern(added[field], f"{problem}, got a second rule besides {places[field]}")
        places |= added
    return places


def _count_combinations(pattern: Mapping[str, object]) -> int:
    """Return the product of the lengths of all `$or` lists, which is how EventBridge counts combinations."""
    count = 1
    for name, rule in pattern.items():
        if name == "$or":
            members = cast("Sequence[Mapping[str, object]]", rule)
            count *= len(members) * math.prod(map(_count_combinations, members))
        elif _is_object(rule):
            count *= _count_combinations(rule)
    return count
