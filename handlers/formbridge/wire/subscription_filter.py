"""Subscription filters, which select submissions of the client's own tenant.

A filter is not access control. The tenant of the connection alone decides what a client may see.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from ..runtime.identifiers import quote
from . import event_pattern
from .event_pattern import BadPattern

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from ..submissions.submission import Submission

FIELDS: Final = ("form_id", "status", "submission_id")
"""Fields of a submission that a filter may use."""

MAX_ALTERNATIVES: Final = 50
"""Maximum number of alternatives in all lists of a filter together. It bounds the work of a match.

Each value in a list of `anything-but` counts as one alternative."""


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """An event pattern over a submission's `FIELDS`."""

    text: str
    """The pattern as JSON. Equal patterns have equal texts."""
    pattern: Mapping[str, object] = field(compare=False)
    """The pattern as decoded JSON."""

    @property
    def id(self) -> str:
        """Short hash of the filter. A client uses it to recognize frames that were made with its previous filter."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

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
                filter may not use, or it has more than `MAX_ALTERNATIVES` alternatives or more than `max_length`
                characters.
        """
        event_pattern.validate(value)
        pattern = cast("Mapping[str, object]", value)
        alternatives = sum(1 for _ in _list_alternatives(pattern, ""))
        if alternatives > MAX_ALTERNATIVES:
            raise BadPattern("", f"must have at most {MAX_ALTERNATIVES} alternatives, got {alternatives}")
        length = len(_encode(pattern, ascii_only=False))
        if length > max_length:
            raise BadPattern("", f"must have at most {max_length:,} characters as JSON, got {length:,}")
        return cls(_encode(pattern, ascii_only=True), pattern)

    @classmethod
    @lru_cache(maxsize=1_024)
    def from_text(cls, text: str) -> SubscriptionFilter:
        """Return the filter that a connection's row stores as `text`. It was checked before it was stored."""
        return cls(text, json.loads(text))

    def matches(self, submission: Submission) -> bool:
        """Return whether this state of a submission matches the filter."""
        return event_pattern.matches(self.pattern, {name: getattr(submission, name) for name in FIELDS})


def _list_alternatives(pattern: Mapping[str, object], path: str) -> Iterator[object]:
    """Yield the alternatives of all lists of a valid event pattern, and the values in the lists of `anything-but`.

    Raises:
        BadPattern: The pattern uses a field or an operator that a subscription filter may not use.
    """
    for name, rule in pattern.items():
        at = f"{path}.{name}" if path else name
        if name == "$or":
            for index, either in enumerate(cast("Sequence[Mapping[str, object]]", rule)):
                yield from _list_alternatives(either, f"{at}[{index}]")
            continue
        if name not in FIELDS:
            raise BadPattern(at, f"must be one of {', '.join(FIELDS)}, got {quote(name)}")
        if not isinstance(rule, list):
            raise BadPattern(at, f"must be a list of alternatives, got {quote(rule)}")
        for index, alternative in enumerate(cast("list[object]", rule)):
            operators = cast("Mapping[str, object]", alternative if isinstance(alternative, dict) else {})
            if "numeric" in operators:
                problem = "must be an operator that a subscription filter supports, got 'numeric'"
                raise BadPattern(f"{at}[{index}]", problem)
            excluded = operators.get("anything-but")
            if isinstance(excluded, list):
                yield from cast("list[object]", excluded)
            else:
                yield alternative


def _encode(pattern: Mapping[str, object], *, ascii_only: bool) -> str:
    return json.dumps(pattern, separators=(",", ":"), sort_keys=True, ensure_ascii=ascii_only)
