"""EventBridge event patterns with the operators that EventBridge Pipes support. Pure: no I/O, no clock.

A pattern has the same structure as the event. A field maps to a nested pattern, or to a list of alternatives of which
one must match (OR). Fields combine with AND. `$or` takes a list of patterns. An alternative is a literal (string,
number, `true`, `false`, `null`) or an object with one operator: `prefix`, `suffix`, `equals-ignore-case`,
`anything-but`, `numeric`, `exists`.

Values of different types are never equal: `5` equals `5.0`, but not `"5"` or `true`. If the event contains an array,
one matching element is enough. Operators test leaf values only: objects are not leaf values, and an empty array
contains no leaf value.
"""

from __future__ import annotations

import math
import operator
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


def matches(pattern: Mapping[str, object], event: Mapping[str, object]) -> bool:
    """Return whether `event` (decoded JSON) matches `pattern`, which must have passed `validate`."""
    return all(_rule_matches(field, rule, event) for field, rule in pattern.items())


def _rule_matches(field: str, rule: object, event: Mapping[str, object]) -> bool:
    if field == "$or":
        return any(matches(pattern, event) for pattern in cast("Sequence[Mapping[str, object]]", rule))
    values = list(_flatten(event[field])) if field in event else []
    if _is_object(rule):
        objects = [value for value in values if _is_object(value)]
        # If there is no object, use an empty one: every nested field is then absent, and `exists: false` matches.
        return any(matches(rule, value) for value in objects or [{}])
    leaves = [value for value in values if not _is_object(value)]
    return any(_alternative_matches(alternative, leaves) for alternative in cast("Sequence[object]", rule))


def _alternative_matches(alternative: object, leaves: Sequence[object]) -> bool:
    if not _is_object(alternative):
        return any(_is_equal(alternative, leaf) for leaf in leaves)
    ((name, operand),) = alternative.items()
    if name == "exists":
        return bool(leaves) is operand
    return any(_OPERATORS[name].test(operand, leaf) for leaf in leaves)


def _flatten(value: object) -> Iterator[object]:
    """Yield the value. If it is an array, yield its elements and those of nested arrays instead."""
    if _is_array(value):
        for element in value:
            yield from _flatten(element)
    else:
        yield value


def _is_equal(a: object, b: object) -> bool:
    # In Python, True == 1. In JSON, true does not equal 1.
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


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


def _test_equals_ignore_case(operand: object, leaf: object) -> bool:
    return isinstance(leaf, str) and leaf.lower() == cast("str", operand).lower()


def _find_affix_problem(operand: object) -> str | None:
    if isinstance(operand, str):
        return None
    if _is_object(operand) and [*operand] == ["equals-ignore-case"]:
        return _find_string_problem(operand["equals-ignore-case"])
    return f'must be a string or {{"equals-ignore-case": string}}, got {quote(operand)}'


def _build_affix_test(test: Callable[[str, str], bool]) -> Callable[[object, object], bool]:
    def affix_matches(operand: object, leaf: object) -> bool:
        if not isinstance(leaf, str):
            return False
        if isinstance(operand, str):
            return test(leaf, operand)
        return test(leaf.lower(), cast("Mapping[str, str]", operand)["equals-ignore-case"].lower())

    return affix_matches


def _find_anything_but_problem(operand: object) -> str | None:
    values = operand if _is_array(operand) else [operand]
    if values and (all(isinstance(v, str) for v in values) or all(_is_number(v) for v in values)):
        return None
    return f"must be a string, a number, or a list of only strings or only numbers, got {quote(operand)}"


def _test_anything_but(operand: object, leaf: object) -> bool:
    return not any(_is_equal(value, leaf) for value in _flatten(operand))


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
    if not _is_number(leaf):
        return False
    parts = cast("list[str | float]", operand)
    return all(
        _COMPARISONS[cast("str", comparison)](leaf, cast("float", number))
        for comparison, number in zip(parts[::2], parts[1::2], strict=True)
    )


def _find_exists_problem(operand: object) -> str | None:
    return None if isinstance(operand, bool) else f"must be true or false, got {quote(operand)}"


_OPERATORS: Mapping[str, _Operator] = {
    "prefix": _Operator(_find_affix_problem, _build_affix_test(str.startswith)),
    "suffix": _Operator(_find_affix_problem, _build_affix_test(str.endswith)),
    "equals-ignore-case": _Operator(_find_string_problem, _test_equals_ignore_case),
    "anything-but": _Operator(_find_anything_but_problem, _test_anything_but),
    "numeric": _Operator(_find_numeric_problem, _test_numeric),
}


# --- Validation ---------------------------------------------------------------------------------------------


def _check_pattern(pattern: object, path: str, depth: int) -> None:
    if not _is_object(pattern):
        raise BadPattern(path, f"must be an object, got {quote(pattern)}")
    if not pattern:
        raise BadPattern(path, "must have at least one field")
    if depth > MAX_DEPTH:
        raise BadPattern(path, f"must have at most {MAX_DEPTH} levels")
    for field, rule in pattern.items():
        at = f"{path}.{field}" if path else field
        if field == "$or":
            _check_or(rule, at, depth)
        elif _is_object(rule):
            _check_pattern(rule, at, depth + 1)
        else:
            _check_alternatives(rule, at)


def _check_or(rule: object, path: str, depth: int) -> None:
    if not _is_array(rule) or len(rule) < _MIN_OR_PATTERNS:
        raise BadPattern(path, f"must be a list of at least two patterns, got {quote(rule)}")
    for index, pattern in enumerate(rule):
        _check_pattern(pattern, f"{path}[{index}]", depth + 1)


def _check_alternatives(rule: object, path: str) -> None:
    if not _is_array(rule):
        raise BadPattern(path, f"must be a list of alternatives or a nested pattern, got {quote(rule)}")
    if not rule:
        raise BadPattern(path, "must have at least one alternative")
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
    if name == "exists":
        problem = _find_exists_problem(operand)
    elif name in _OPERATORS:
        problem = _OPERATORS[name].find_problem(operand)
    else:
        raise BadPattern(path, f"must be an operator that EventBridge Pipes support, got {quote(name)}")
    if problem:
        raise BadPattern(f"{path}.{name}", problem)
