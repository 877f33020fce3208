"""The matching of event patterns with events. Pure: no I/O, no clock.

As in Event Ruler, a pattern is first expanded into combinations of fields. An event must match all fields of one
combination. ADR 22 lists the differences from Event Ruler.
"""

from __future__ import annotations

import operator
from typing import TYPE_CHECKING, cast

from .event_pattern import is_array, is_comparable, is_object

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_Elements = tuple[tuple[int, int], ...]
"""Elements of arrays in the event: the `id` of the array, and the index of the element."""


def matches(pattern: Mapping[str, object], event: Mapping[str, object]) -> bool:
    """Return whether `event` (decoded JSON) matches `pattern`, which must have passed `event_pattern.validate`."""
    known: dict[object, Sequence[_Elements]] = {}
    return any(_all_match(sorted(fields.items()), event, (), known) for fields in expand(pattern))


def expand(pattern: Mapping[str, object], path: str = "") -> list[dict[str, Sequence[object]]]:
    """Return the combinations of fields of which one must match.

    A combination maps the path of each of its fields, such as `.detail.state`, to the alternatives. A pattern without
    `$or` has one combination.

    Args:
        pattern: A pattern that has passed `event_pattern.validate`.
        path: Path of the pattern's object in the event.
    """
    combinations: list[dict[str, Sequence[object]]] = [{}]
    for name, rule in pattern.items():
        if name == "$or":
            members = cast("Sequence[Mapping[str, object]]", rule)
            choices = [choice for member in members for choice in expand(member, path)]
            combinations = [{**combination, **choice} for combination in combinations for choice in choices]
        elif is_object(rule):
            choices = expand(rule, f"{path}.{name}")
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
        if is_object(alternative):
            ((name, operand),) = alternative.items()
            test = _TESTS[name]
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
    if is_object(value):
        end = 0
        while end < len(path):
            end = path.find(".", end + 1)
            end = len(path) if end < 0 else end
            name = path[1:end]
            if name in value:
                yield from _find_leaves(path[end:], value[name], elements)
    elif is_array(value):
        chosen = dict(elements).get(id(value))
        if chosen is not None:
            yield from _find_leaves(path, value[chosen], elements)
            return
        leaves = [element for element in value if not isinstance(element, dict | list)]
        if leaves and not path:
            yield leaves, elements
        for index, element in enumerate(value):
            if is_object(element) or is_array(element):
                yield from _find_leaves(path, element, (*elements, (id(value), index)))
    elif not path:
        yield [value], elements


def _is_equal(a: object, b: object) -> bool:
    # In Python, True == 1. In JSON, true does not equal 1.
    return isinstance(a, bool) is isinstance(b, bool) and a == b


# --- Tests of a leaf value, by operator -----------------------------------------------------------------------

_COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "=": operator.eq,
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
}


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


def _test_anything_but(operand: object, leaf: object) -> bool:
    return not any(_is_equal(value, leaf) for value in (operand if is_array(operand) else [operand]))


def _test_numeric(operand: object, leaf: object) -> bool:
    if not is_comparable(leaf):
        return False
    parts = cast("list[str | float]", operand)
    return all(
        _COMPARISONS[cast("str", comparison)](leaf, cast("float", number))
        for comparison, number in zip(parts[::2], parts[1::2], strict=True)
    )


def _test_exists(operand: object, _leaf: object) -> bool:
    return operand is True


_TESTS: Mapping[str, Callable[[object, object], bool]] = {
    "prefix": _test_prefix,
    "suffix": _test_suffix,
    "equals-ignore-case": _test_equals_ignore_case,
    "anything-but": _test_anything_but,
    "numeric": _test_numeric,
    "exists": _test_exists,
}
"""Functions that return whether a leaf value matches an operand: (operand, leaf) -> bool."""
