"""EventBridge event patterns with the operators that EventBridge Pipes support. Pure: no I/O, no clock.

A pattern has the same structure as the event. A field maps to a nested pattern, or to a list of alternatives of which
one must match (OR). Fields combine with AND. `$or` takes a list of patterns. An alternative is a literal (string,
number, `true`, `false`, `null`) or an object with one operator: `prefix`, `suffix`, `equals-ignore-case`,
`anything-but`, `numeric`, `exists`.

Values of different types are never equal: `5` equals `5.0`, but not `"5"` or `true`. If the event contains an array,
one matching element is enough. Operators test leaf values only: objects are not leaf values, and an empty array
contains no leaf value.

This module checks patterns, and `event_matcher` matches them. The answers are those of
https://github.com/aws/event-ruler, which EventBridge uses. ADR 22 lists the differences.
"""

from __future__ import annotations

import math
from decimal import Decimal
from typing import TYPE_CHECKING, TypeGuard, cast

from ..runtime.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

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


def is_object(value: object) -> TypeGuard[dict[str, object]]:
    """Return whether a decoded JSON value is an object."""
    return isinstance(value, dict)


def is_array(value: object) -> TypeGuard[list[object]]:
    """Return whether a decoded JSON value is an array."""
    return isinstance(value, list)


def is_comparable(value: object) -> TypeGuard[float]:
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


# --- Operands ---------------------------------------------------------------------------------------------------

_COMPARISONS = ("=", ">", ">=", "<", "<=")


def _find_string_problem(operand: object) -> str | None:
    return None if isinstance(operand, str) else f"must be a string, got {quote(operand)}"


def _find_affix_problem(operand: object) -> str | None:
    if isinstance(operand, str):
        return None
    if is_object(operand) and [*operand] == ["equals-ignore-case"]:
        return _find_string_problem(operand["equals-ignore-case"])
    return f'must be a string or {{"equals-ignore-case": string}}, got {quote(operand)}'


def _find_anything_but_problem(operand: object) -> str | None:
    values = operand if is_array(operand) else [operand]
    if not values or not (all(isinstance(v, str) for v in values) or all(_is_number(v) for v in values)):
        return f"must be a string, a number, or a list of only strings or only numbers, got {quote(operand)}"
    if not all(isinstance(v, str) or is_comparable(v) for v in values):
        return f"must compare with numbers that a double represents exactly, got {quote(operand)}"
    return None


def _find_numeric_problem(operand: object) -> str | None:
    parts = operand if is_array(operand) else []
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


def _find_exists_problem(operand: object) -> str | None:
    return None if isinstance(operand, bool) else f"must be true or false, got {quote(operand)}"


_FIND_PROBLEM: Mapping[str, Callable[[object], str | None]] = {
    "prefix": _find_affix_problem,
    "suffix": _find_affix_problem,
    "equals-ignore-case": _find_string_problem,
    "anything-but": _find_anything_but_problem,
    "numeric": _find_numeric_problem,
    "exists": _find_exists_problem,
}
"""Functions that return why the operand of an operator is not valid, or None if it is valid."""


# --- Validation ---------------------------------------------------------------------------------------------

_RESERVED_IN_OR = frozenset(
    {
        *_FIND_PROBLEM,
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
    if not is_object(pattern):
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
        elif is_object(rule):
            _check_pattern(rule, at, depth + 1, in_or=in_or)
        else:
            _check_alternatives(rule, at)


def _check_or(rule: object, path: str, depth: int) -> None:
    if not is_array(rule) or len(rule) < _MIN_OR_PATTERNS:
        raise BadPattern(path, f"must be a list of at least two patterns, got {quote(rule)}")
    for index, pattern in enumerate(rule):
        _check_pattern(pattern, f"{path}[{index}]", depth + 1, in_or=True)


def _check_alternatives(rule: object, path: str) -> None:
    if not is_array(rule):
        raise BadPattern(path, f"must be a list of alternatives or a nested pattern, got {quote(rule)}")
    if not rule:
        raise BadPattern(path, "must have at least one alternative, got []")
    for index, alternative in enumerate(rule):
        _check_alternative(alternative, f"{path}[{index}]")


def _check_alternative(alternative: object, path: str) -> None:
    if not is_object(alternative):
        if not (alternative is None or isinstance(alternative, str | bool) or _is_number(alternative)):
            raise BadPattern(
                path, f"must be a string, a number, true, false, null or an operator, got {quote(alternative)}"
            )
        return
    if len(alternative) != 1:
        raise BadPattern(path, f"must have exactly one operator, got {quote(alternative)}")
    ((name, operand),) = alternative.items()
    if name not in _FIND_PROBLEM:
        raise BadPattern(path, f"must be an operator that EventBridge Pipes support, got {quote(name)}")
    problem = _FIND_PROBLEM[name](operand)
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
        elif is_object(rule):
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
        elif is_object(rule):
            count *= _count_combinations(rule)
    return count
