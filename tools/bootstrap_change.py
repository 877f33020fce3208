"""One thing that `python -m tools bootstrap` makes sure of."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable


@dataclass(frozen=True, slots=True)
class Change:
    """A difference between what exists and what the stack needs, and the function that removes it."""

    verb: str
    """What is done: `create`, `update` and others, or `keep` if nothing differs."""
    what: str
    """The resource or the setting, with its name."""
    apply: Callable[[], object] | None = None
    """Makes the change. None: nothing differs."""

    @classmethod
    def keep(cls, what: str) -> Change:
        """Return what exists already as the stack needs it."""
        return cls("keep", what)
