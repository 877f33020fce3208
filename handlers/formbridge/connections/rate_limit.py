"""A token bucket that is one number: the moment at which it will be full again. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Rate:
    """So many messages a second, and so many at once.

    The bucket's one number is `full_at`, in epoch microseconds. A message moves it `interval_us` on, and is let through
    while it is at most `tolerance_us` ahead of the clock. (The generic cell rate algorithm: a bucket of `burst` tokens,
    with a new one each `interval_us`.)
    """

    per_second: int
    burst: int

    @property
    def interval_us(self) -> int:
        """Microseconds in which one token comes back."""
        return -(-1_000_000 // self.per_second)

    @property
    def tolerance_us(self) -> int:
        """How far ahead of the clock `full_at` may be for a message to be let through."""
        return (self.burst - 1) * self.interval_us

    def wait_ms(self, full_at_us: int, now_us: int) -> int:
        """Milliseconds, rounded up, until a message is let through; 0 where one is now."""
        return max(0, -(-(full_at_us - self.tolerance_us - now_us) // 1_000))
