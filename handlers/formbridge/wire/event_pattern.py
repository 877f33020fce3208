"""Amazon EventBridge event patterns, as far as EventBridge Pipes have them. Pure: no I/O, no clock.

A pattern mirrors the event's shape. A field maps to a nested pattern, or to a list of alternatives of which one
must match (OR); fields combine with AND; `$or` takes a list of patterns. An alternative is a literal (string,
number, `true`, `false`, `null`) or an object with one operator: `prefix`, `suffix`, `equals-ignore-case`,
`anything-but`, `numeric`, `exists`. Values are compared as they are: `5` equals `5.0`, and never `"5"` or `true`.
Where the event holds an array, one matching element is enough. Operators see leaves only: an object is no leaf,
and an empty array has none.
"""

from __future__ import annotations

import math
import operator
from typing import TYPE_CHECKING, NamedTuple, TypeGuard, cast

from ..runtime.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

MAX_FILTERS = 5
"""Patterns of a pipe. https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_FilterCriteria.html"""

MAX_PATTERN_LENGTH = 4096
"""Characters of a pattern as JSON. https://docs.aws.amazon.com/eventbridge/latest/pipes-reference/API_Filter.html"""

MAX_DEPTH = 32
"""How deep patterns may nest: far above DynamoDB's own depth, far below Python's stack."""

NUMBER_LIMIT = 5.0e9
"""`numeric` compares with numbers from -5.0e9 to 5.0e9."""


class BadPattern(ValueError):
    """A pattern that EventBridge Pipes would not take; the message names the place and what is wrong there."""

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path or 'pattern'}: {problem}")
        self.path = path
        """Where in the pattern, such as `detail.state[0].prefix`; empty for the pattern itself."""
        self.problem = problem
        """What is wrong there."""


def validate(pattern: object) -> None:
    """Raise `BadPattern` unless `pattern` (decoded JSON) is an event pattern that Pipes support."""
    _check_pattern(pattern, "", 1)


def matches(pattern: Mapping[str, object], event: Mapping[str, object]) -> bool:
    """Whether `event` (decoded JSON) matches `pattern`, which has passed `validate`."""
    return all(_rule_matches(field, rule, event) for field, rule in pattern.items())


def _rule_matches(field: str, rule: object, event: Mapping[str, object]) -> bool:
    if field == "$or":
        return any(matches(pattern, event) for pattern in cast("Sequence[Mapping[str, object]]", rule))
    values = list(_elements(event[field])) if field in event else []
    if _is_object(rule):
        objects = [value for value in values if _is_object(value)]
        # Nothing to descend into: every field below is absent, which `exists: false` asks for.
        return any(matches(rule, value) for value in objects or [{}])
    leaves = [value for value in values if not _is_object(value)]
    return any(_alternative_matches(alternative, leaves) for alternative in cast("Sequence[object]", rule))


def _alternative_matches(alternative: object, leaves: Sequence[object]) -> bool:
    if not _is_object(alternative):
        return any(_equal(alternative, leaf) for leaf in leaves)
    ((name, operand),) = alternative.items()
    if name == "exists":
        return bool(leaves) is operand
    return any(_OPERATORS[name].test(operand, leaf) for leaf in leaves)


def _elements(value: object) -> Iterator[object]:
    """The value itself, or the elements of an array, nested arrays included."""
    if _is_array(value):
        for element in value:
            yield from _elements(element)
    else:
        yield value


def _equal(a: object, b: object) -> bool:
    # Python's True == 1; JSON's true is no number.
    return isinstance(a, bool) is isinstance(b, bool) and a == b


def _is_object(value: object) -> TypeGuard[dict[str, object]]:
    return isinstance(value, dict)


def _is_array(value: object) -> TypeGuard[list[object]]:
    return isinstance(value, list)


def _is_number(value: object) -> TypeGuard[float]:
    # An integer of JSON has no upper bound, and isfinite() would overflow on it.
    return (isinstance(value, int) and not isinstance(value, bool)) or (
        isinstance(value, float) and math.isfinite(value)
    )


# --- Operators: what an operand must be, and what it matches -------------------------------------------------


class _Operator(NamedTuple):
    problem: Callable[[object], str | None]
    """Why this operand will not do, or None."""
    test: Callable[[object, object], bool]
    """(operand, leaf) -> whether the leaf matches."""


_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


def _text_problem(operand: object) -> str | None:
    return None if isinstance(operand, str) else f"must be a string, not {quote(operand)}"


def _equals_ignore_case(operand: object, leaf: object) -> bool:
    return isinstance(leaf, str) and leaf.lower() == cast("str", operand).lower()


def _affix_problem(operand: object) -> str | None:
    if isinstance(operand, str):
        return None
    if _is_object(operand) and [*operand] == ["equals-ignore-case"]:
        return _text_problem(operand["equals-ignore-case"])
    return f'must be a string or {{"equals-ignore-case": string}}, not {quote(operand)}'


def _affix_test(test: Callable[[str, str], bool]) -> Callable[[object, object], bool]:
    def affix_matches(operand: object, leaf: object) -> bool:
        if not isinstance(leaf, str):
            return False
        if isinstance(operand, str):
            return test(leaf, operand)
        return test(leaf.lower(), cast("Mapping[str, str]", operand)["equals-ignore-case"].lower())

    return affix_matches


def _anything_but_problem(operand: object) -> str | None:
    values = operand if _is_array(operand) else [operand]
    if values and (all(isinstance(v, str) for v in values) or all(_is_number(v) for v in values)):
        return None
    return f"must be a string, a number, or a list of only strings or only numbers, not {quote(operand)}"


def _anything_but(operand: object, leaf: object) -> bool:
    return not any(_equal(value, leaf) for value in _elements(operand))


def _numeric_problem(operand: object) -> str | None:
    parts = operand if _is_array(operand) else []
    comparisons, numbers = parts[::2], parts[1::2]
    if not all(_is_number(number) and abs(number) <= NUMBER_LIMIT for number in numbers):
        return f"compares with numbers from -5.0e9 to 5.0e9, not with {quote(numbers)}"
    match comparisons, cast("list[float]", numbers):
        case [str(one)], [_] if one in _COMPARISONS:
            return None
        case [">" | ">=", "<" | "<="], [low, high] if low < high:
            return None
        case _:
            return f'must be like ["=", 5], [">", 0] or [">", 0, "<=", 5], not {quote(operand)}'


def _numeric(operand: object, leaf: object) -> bool:
    if not _is_number(leaf):
        return False
    parts = cast("list[str | float]", operand)
    return all(
        _COMPARISONS[cast("str", comparison)](leaf, cast("float", number))
        for comparison, number in zip(parts[::2], parts[1::2], strict=True)
    )


def _exists_problem(operand: object) -> str | None:
    return None if isinstance(operand, bool) else f"must be true or false, not {quote(operand)}"


_OPERATORS: Mapping[str, _Operator] = {
    "prefix": _Operator(_affix_problem, _affix_test(str.startswith)),
    "suffix": _Operator(_affix_problem, _affix_test(str.endswith)),
    "equals-ignore-case": _Operator(_text_problem, _equals_ignore_case),
    "anything-but": _Operator(_anything_but_problem, _anything_but),
    "numeric": _Operator(_numeric_problem, _numeric),
}


# --- Validation ---------------------------------------------------------------------------------------------


def _check_pattern(pattern: object, path: str, depth: int) -> None:
    if not _is_object(pattern):
        raise BadPattern(path, f"must be an object, not {quote(pattern)}")
    if not pattern:
        raise BadPattern(path, "must name at least one field")
    if depth > MAX_DEPTH:
        raise BadPattern(path, f"nests deeper than {MAX_DEPTH} levels")
    for field, rule in pattern.items():
        at = f"{path}.{field}" if path else field
        if field == "$or":
            _check_or(rule, at, depth)
        elif _is_object(rule):
            _check_pattern(rule, at, depth + 1)
        else:
            _check_alternatives(rule, at)


def _check_or(rule: object, path: str, depth: int) -> None:
    if not _is_array(rule) or len(rule) < 2:
        raise BadPattern(path, f"must be a list of at least two patterns, not {quote(rule)}")
    for index, pattern in enumerate(rule):
        _check_pattern(pattern, f"{path}[{index}]", depth + 1)


def _check_alternatives(rule: object, path: str) -> None:
    if not _is_array(rule):
        raise BadPattern(path, f"must be a list of alternatives or a nested pattern, not {quote(rule)}")
    if not rule:
        raise BadPattern(path, "must list at least one alternative")
    for index, alternative in enumerate(rule):
        _check_alternative(alternative, f"{path}[{index}]")


def _check_alternative(alternative: object, path: str) -> None:
    if not _is_object(alternative):
        if not (alternative is None or isinstance(alternative, str | bool) or _is_number(alternative)):
            raise BadPattern(
                path, f"must be a string, a number, true, false, null or an operator, not {quote(alternative)}"
            )
        return
    if len(alternative) != 1:
        raise BadPattern(path, f"must have exactly one operator, not {quote(alternative)}")
    ((name, operand),) = alternative.items()
    if name == "exists":
        problem = _exists_problem(operand)
    elif name in _OPERATORS:
        problem = _OPERATORS[name].problem(operand)
    else:
        raise BadPattern(path, f"{quote(name)} is no operator that EventBridge Pipes support")
    if problem:
        raise BadPattern(f"{path}.{name}", problem)
