"""Indexes of subscription filters, which make a match cheap. Pure: no I/O, no clock.

`event_matcher` tests the alternatives of a pattern one by one. A broadcast matches each filter with each change, so a
filter is indexed once instead. The index of a field maps a value to the combinations of fields that accept the value.
Literals and the operands of `anything-but` are looked up, so a match takes the same time for one value as for hundreds.

The answers are those of `event_matcher`. A test compares the two.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, AnyStr, Generic, Literal, NamedTuple, cast

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Part = Literal["whole", "prefix", "suffix"]
"""The part of a value that an operand is compared with."""


class FieldIndex:
    """An index of the alternatives for one field whose values are strings.

    Sets of combinations are integers with one bit per combination.
    """

    __slots__ = ("_always", "_exact", "_excluding", "_foldings", "_lowercase", "_unless")

    def __init__(self, combinations: Sequence[Sequence[object] | None]) -> None:
        """Index the alternatives of a valid subscription filter.

        Args:
            combinations: For each combination, the alternatives for the field, or None if the combination accepts
                every value.
        """
        self._always = 0
        """The combinations that accept every string."""
        self._excluding = 0
        """The combinations with `anything-but`."""
        self._unless = defaultdict[object, int](int)
        """The combinations with `anything-but`, by each value that they do not accept."""
        self._exact = _Operands[str]()
        """Operands that do not ignore case."""
        self._lowercase = _Operands[bytes]()
        """Operands in ASCII that ignore case. They are compared as bytes, because `bytes.lower` changes only the
        letters of ASCII."""
        self._foldings: list[_Folding] = []
        """The other operands that ignore case."""
        # Combinations have lists in common.
        positions = defaultdict[int, int](int)
        for position, alternatives in enumerate(combinations):
            positions[id(alternatives)] |= 1 << position
        for alternatives in {id(each): each for each in combinations}.values():
            self._add(positions[id(alternatives)], alternatives)

    def find(self, value: str) -> int:
        """Return the combinations that accept a value of the field."""
        found = self._always | self._exact.find(value)
        if self._excluding:
            found |= self._excluding & ~self._unless.get(value, 0)
        if self._lowercase.has_any:
            found |= self._lowercase.find(_lower_ascii(value))
        for folding in self._foldings:
            if folding.accepts(value):
                found |= folding.combinations
        return found

    def _add(self, combinations: int, alternatives: Sequence[object] | None) -> None:
        """Add the alternatives that some combinations have for the field."""
        if alternatives is None:
            self._always |= combinations
            return
        excluded: list[frozenset[object]] = []
        for alternative in alternatives:
            if isinstance(alternative, str):
                self._exact.add("whole", alternative, combinations)
            elif isinstance(alternative, dict):
                ((name, operand),) = cast("Mapping[str, object]", alternative).items()
                if name == "anything-but":
                    values = cast("list[object]", operand) if isinstance(operand, list) else [operand]
                    excluded.append(frozenset(values))
                elif name == "exists":
                    self._always |= combinations if operand else 0
                elif name == "equals-ignore-case":
                    self._add_ignoring_case("whole", cast("str", operand), combinations)
                elif isinstance(operand, str):
                    self._exact.add(cast("Part", name), operand, combinations)
                else:
                    text = cast("Mapping[str, str]", operand)["equals-ignore-case"]
                    self._add_ignoring_case(cast("Part", name), text, combinations)
            # A number, true, false or null accepts no string.
        if excluded:
            self._excluding |= combinations
            for value in excluded[0].intersection(*excluded):
                self._unless[value] |= combinations

    def _add_ignoring_case(self, part: Part, operand: str, combinations: int) -> None:
        if operand.isascii():
            self._lowercase.add(part, _lower_ascii(operand), combinations)
        else:
            self._foldings.append(_Folding.prepare(part, operand, combinations))


class _Operands(Generic[AnyStr]):
    """Operands that are compared character by character, and the combinations that have them."""

    __slots__ = ("_by_length", "_whole", "has_any")

    def __init__(self) -> None:
        self._whole = dict[AnyStr, int]()
        self._by_length = dict[tuple[Part, int], dict[AnyStr, int]]()
        """The combinations by prefix or suffix, for each length. A test then takes one step for each length."""
        self.has_any = False

    def add(self, part: Part, operand: AnyStr, combinations: int) -> None:
        self.has_any = True
        found = self._whole if part == "whole" else self._by_length.setdefault((part, len(operand)), {})
        found[operand] = found.get(operand, 0) | combinations

    def find(self, value: AnyStr) -> int:
        """Return the combinations that have an operand for the value."""
        found = self._whole.get(value, 0)
        length = len(value)
        for (part, size), combinations in self._by_length.items():
            if size <= length:
                found |= combinations.get(value[:size] if part == "prefix" else value[length - size :], 0)
        return found


class _Folding(NamedTuple):
    """An operand outside ASCII that ignores case.

    As in EventBridge, each character of the operand stands for its lowercase and its uppercase. Therefore `ß` matches
    `SS`, but `SS` does not match `ß`.
    """

    part: Part
    characters: Sequence[tuple[str, str]]
    """The lowercase and the uppercase of each character. For a suffix, everything is reversed."""
    combinations: int

    @classmethod
    def prepare(cls, part: Part, operand: str, combinations: int) -> _Folding:
        characters = [(character.lower(), character.upper()) for character in operand]
        if part == "suffix":
            characters = [(lower[::-1], upper[::-1]) for lower, upper in reversed(characters)]
        return cls(part, characters, combinations)

    def accepts(self, value: str) -> bool:
        if self.part == "suffix":
            value = value[::-1]
        length = 0
        for lower, upper in self.characters:
            if value.startswith(lower, length):
                length += len(lower)
            elif value.startswith(upper, length):
                length += len(upper)
            else:
                return False
        return self.part != "whole" or length == len(value)


def _lower_ascii(text: str) -> bytes:
    """Return a string as UTF-8, with the letters of ASCII in lowercase."""
    return text.encode("utf-8", "surrogatepass").lower()
