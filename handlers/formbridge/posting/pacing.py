"""A limit on the posts per second of one Lambda. Pure.

Each Lambda has such a limit, so that all Lambdas together stay below the account's quota.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..runtime.token_bucket import TokenBucket

if TYPE_CHECKING:
    from collections.abc import Callable

BURST_SECONDS = 0.1
"""Size of a burst, in seconds. After a pause, the posts for this many seconds may be made at once."""
NANOSECONDS_PER_SECOND = 1_000_000_000


class Pacer:
    """A limit of `per_second` posts per second, with bursts of at most a tenth of `per_second` posts."""

    def __init__(self, per_second: int, clock: Callable[[], int]) -> None:
        """Start with a full bucket.

        Args:
            per_second: Posts per second; 1 or more.
            clock: Monotonic time in nanoseconds.

        Raises:
            ValueError: `per_second` is below 1.
        """
        if per_second < 1:
            raise ValueError(f"per_second: must be at least 1, got {per_second}")
        self.burst = max(1, int(per_second * BURST_SECONDS))
        self._bucket = TokenBucket.per_second(per_second, self.burst, NANOSECONDS_PER_SECOND)
        self._clock = clock
        self._full_at = clock()

    def take(self) -> float:
        """Count one post and return 0 if it may be made now; otherwise return the seconds to wait."""
        now = self._clock()
        if wait := self._bucket.wait(self._full_at, now):
            return wait / NANOSECONDS_PER_SECOND
        self._full_at = self._bucket.take(self._full_at, now)
        return 0.0
