"""What a subscription asks to see of its tenant's submissions. Never access control: the tenant alone is that."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING, Final, cast

from . import event_pattern
from .event_pattern import BadPattern

if TYPE_CHECKING:
    from ..submissions.submission import Submission

FIELDS: Final = ("form_id", "status", "submission_id")
"""What of a submission a filter may ask about."""

MAX_ALTERNATIVES: Final = 50
"""How many alternatives the lists of a filter may hold in all."""


@dataclass(frozen=True, slots=True)
class SubscriptionFilter:
    """An event pattern over a submission's `FIELDS`."""

    text: str
    """As JSON, always the same for the same pattern."""
    pattern: Mapping[str, object] = field(compare=False)

    @property
    def id(self) -> str:
        """Tells frames that were made through this filter from those made through the one before it."""
        return hashlib.sha256(self.text.encode()).hexdigest()[:12]

    @classmethod
    def parse(cls, value: object, max_length: int) -> SubscriptionFilter:
        """The filter that a client asks for, as decoded JSON.

        Raises:
            BadPattern: it is no event pattern, has a field or an operator that the protocol does not, or more than 50
                alternatives or `max_length` characters.
        """
        event_pattern.validate(value)
        pattern = cast("Mapping[str, object]", value)
        alternatives = sum(1 for _ in _alternatives(pattern, ""))
        if alternatives > MAX_ALTERNATIVES:
            raise BadPattern("", f"has {alternatives} alternatives, at most {MAX_ALTERNATIVES} are allowed")
        length = len(_compact(pattern, ascii_only=False))
        if length > max_length:
            raise BadPattern("", f"has {length:,} characters as JSON, at most {max_length:,} are allowed")
        return cls(_compact(pattern, ascii_only=True), pattern)

    @classmethod
    @lru_cache(maxsize=1_024)
    def from_text(cls, text: str) -> SubscriptionFilter:
        """A filter as `text` had it, when it was checked."""
        return cls(text, json.loads(text))

    def matches(self, submission: Submission) -> bool:
        """Whether the subscription sees this state of a submission."""
        return event_pattern.matches(self.pattern, {name: getattr(submission, name) for name in FIELDS})


def _alternatives(pattern: Mapping[str, object], path: str) -> Iterator[object]:
    """The alternatives of all lists of a pattern that is valid for Pipes.

    Raises:
        BadPattern: the pattern says something that a subscription's filter may not.
    """
    for name, rule in pattern.items():
        at = f"{path}.{name}" if path else name
        if name == "$or":
            for index, either in enumerate(cast("Sequence[Mapping[str, object]]", rule)):
                yield from _alternatives(either, f"{at}[{index}]")
            continue
        if name not in FIELDS:
            raise BadPattern(at, f"is none of {', '.join(FIELDS)}")
        if isinstance(rule, dict):
            raise BadPattern(at, "must be a list of alternatives, not an object")
        for index, alternative in enumerate(cast("Sequence[object]", rule)):
            if isinstance(alternative, dict) and "numeric" in alternative:
                raise BadPattern(f"{at}[{index}].numeric", "is no operator of a subscription's filter")
            yield alternative


def _compact(pattern: Mapping[str, object], *, ascii_only: bool) -> str:
    return json.dumps(pattern, separators=(",", ":"), sort_keys=True, ensure_ascii=ascii_only)
