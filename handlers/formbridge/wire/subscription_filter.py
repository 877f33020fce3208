"""Subscription filters, which select submissions of the client's own tenant.

A filter is not access control. The tenant of the connection alone decides what a client may see.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, NamedTuple, cast

from ..runtime.identifiers import quote
from . import event_matcher, event_pattern
from .event_pattern import BadPattern
from .filter_index import FieldIndex

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ..submissions.submission import Submission

FIELDS: Final = ("form_id", "status", "submission_id")
"""Fields of a submission that a filter may use."""

MAX_FILTER_COST: Final = 200
"""Maximum cost of a filter. It bounds the work of a match, and the work of preparing the filter for matches.

Every filter with at most 50 values has a lower cost, unless it compares characters outside ASCII without case."""


@dataclass(frozen=True)
class SubscriptionFilter:
    """An event pattern over a submission's `FIELDS`.

    It is decoded and indexed when it is used for the first time.
    """

    text: str
    """The pattern as JSON. Equal patterns have equal texts. It was checked before it was stored."""

    @cached_property
    def pattern(self) -> Mapping[str, object]:
        """The pattern as decoded JSON."""
        return json.loads(self.text)

    @cached_property
    def id(self) -> str:
        """Short hash of the filter. A client uses it to recognize frames that were made with its previous filter."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @property
    def cost(self) -> int:
        """Cost of the filter: the number of its values, and of the fields of all its combinations.

        - Each alternative is one value. Each value in a list of `anything-but` counts. An operand that ignores case and
          is not in ASCII counts two per character, because its characters are compared one by one.
        - A filter without `$or` has one combination. A combination chooses one member of each `$or`.
        """
        return _measure(self.pattern, "").cost

    @property
    def submission_ids(self) -> Sequence[str] | None:
        """Ids of the only submissions that can match; None if the filter does not name submissions by their ids."""
        alternatives = cast("Sequence[object]", self.pattern.get("submission_id", ()))
        ids = [alternative for alternative in alternatives if isinstance(alternative, str)]
        return ids if ids and len(ids) == len(alternatives) else None

    @classmethod
    def parse(cls, value: object, max_length: int) -> SubscriptionFilter:
        """Check the filter of a `subscribe` request and return it.

        Args:
            value: The filter as decoded JSON.
            max_length: Maximum number of characters of the filter as JSON.

        Raises:
            BadPattern: The value is not a valid event pattern, or it uses a field or an operator that a subscription
                filter may not use, or its cost is higher than `MAX_FILTER_COST`, or it has more than `max_length`
                characters.
        """
        event_pattern.validate(value)
        pattern = cast("Mapping[str, object]", value)
        cost = _measure(pattern, "").cost
        if cost > MAX_FILTER_COST:
            raise BadPattern("", f"must have a cost of at most {MAX_FILTER_COST}, got {cost:,}")
        length = len(_encode(pattern, ascii_only=False))
        if length > max_length:
            raise BadPattern("", f"must have at most {max_length:,} characters as JSON, got {length:,}")
        return cls(_encode(pattern, ascii_only=True))

    def matches(self, submission: Submission) -> bool:
        """Return whether this state of a submission matches the filter."""
        accepting = -1  # all combinations
        for name, index in self._indexes:
            accepting &= index.find(getattr(submission, name))
        return accepting != 0

    @cached_property
    def _indexes(self) -> Sequence[tuple[str, FieldIndex]]:
        """The fields that the filter tests, and their indexes."""
        combinations = event_matcher.expand(self.pattern)
        alternatives = {name: [combination.get(f".{name}") for combination in combinations] for name in FIELDS}
        return [(name, FieldIndex(lists)) for name, lists in alternatives.items() if any(lists)]


class _Size(NamedTuple):
    """The size of a pattern, or of one of its `$or` lists."""

    values: int
    combinations: int
    """Number of combinations of fields."""
    fields: int
    """Number of fields in all combinations together."""

    @property
    def cost(self) -> int:
        return self.values + self.fields


def _measure(pattern: Mapping[str, object], path: str) -> _Size:
    """Return the size of a valid event pattern.

    Raises:
        BadPattern: The pattern uses a field or an operator that a subscription filter may not use.
    """
    values, combinations, fields = 0, 1, 0
    for name, rule in pattern.items():
        at = f"{path}.{name}" if path else name
        if name == "$or":
            members = cast("Sequence[Mapping[str, object]]", rule)
            sizes = [_measure(member, f"{at}[{index}]") for index, member in enumerate(members)]
            values += sum(size.values for size in sizes)
            chosen, added = sum(size.combinations for size in sizes), sum(size.fields for size in sizes)
        elif name not in FIELDS:
            raise BadPattern(at, f"must be one of {', '.join(FIELDS)}, got {quote(name)}")
        elif not isinstance(rule, list):
            raise BadPattern(at, f"must be a list of alternatives, got {quote(rule)}")
        else:
            alternatives = enumerate(cast("list[object]", rule))
            values += sum(_count_values(alternative, f"{at}[{index}]") for index, alternative in alternatives)
            chosen, added = 1, 1
        combinations, fields = combinations * chosen, fields * chosen + combinations * added
    return _Size(values, combinations, fields)


def _count_values(alternative: object, path: str) -> int:
    """Return how many values an alternative counts as."""
    match cast("str | Mapping[str, object]", alternative):
        case {"numeric": _}:
            raise BadPattern(path, "must be an operator that a subscription filter supports, got 'numeric'")
        case {"anything-but": operand} if isinstance(operand, list):
            return len(cast("list[object]", operand))
        case (
            {"equals-ignore-case": str(text)}
            | {"prefix": {"equals-ignore-case": str(text)}}
            | {"suffix": {"equals-ignore-case": str(text)}}
        ):
            return 1 if text.isascii() else 2 * len(text)
        case _:
            return 1


def _encode(pattern: Mapping[str, object], *, ascii_only: bool) -> str:
    return json.dumps(pattern, separators=(",", ":"), sort_keys=True, ensure_ascii=ascii_only)
