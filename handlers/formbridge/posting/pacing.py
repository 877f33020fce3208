"""How many posts a second one Lambda makes, so that all of them together stay below the account's quota."""

from __future__ import annotations

import time
from collections.abc import Callable

BURST_SECONDS = 0.1
"""How much of a second's posts may be made at once after a pause."""


class Pacer:
    """Lets through at most `per_second` posts a second, and a tenth of that at once.

    This is the generic cell rate algorithm, in whole nanoseconds: what it keeps is when the posts that were made would
    all have been due, had each waited for its turn.
    """

    def __init__(self, per_second: int, clock: Callable[[], int] = time.monotonic_ns) -> None:
        """
        Raises:
            ValueError: `per_second` is below 1.
        """
        if per_second < 1:
            raise ValueError(f"per_second: must be at least 1, got {per_second}")
        self.burst = max(1, int(per_second * BURST_SECONDS))
        self._interval = -(-1_000_000_000 // per_second)
        self._clock = clock
        self._due = clock()

    def take(self) -> float:
        """0 if a post may be made now, which then counts as made; else for how many seconds none may."""
        now = self._clock()
        due = max(self._due, now)
        early = due - (self.burst - 1) * self._interval - now
        if early > 0:
            return early / 1e9
        self._due = due + self._interval
        return 0.0
