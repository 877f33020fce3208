"""A token bucket that is stored as one number. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """A token bucket whose whole state is `full_at`, the time at which the bucket is full again.

    This is the generic cell rate algorithm (GCRA). All times are integers in one unit, which the caller chooses.
    """

    burst: int
    """Number of tokens in a full bucket; 1 or more."""
    interval: int
    """Time in which one token is added."""

    @classmethod
    def per_second(cls, tokens: int, burst: int, units: int) -> TokenBucket:
        """Return a bucket that gains at most `tokens` per second.

        Args:
            tokens: Number of tokens per second; 1 or more.
            burst: Number of tokens in a full bucket; 1 or more.
            units: Units of time per second, such as 1,000,000 for microseconds.
        """
        return cls(burst, -(-units // tokens))

    @property
    def tolerance(self) -> int:
        """The longest time until `full_at` at which the bucket still holds a token."""
        return (self.burst - 1) * self.interval

    def wait(self, full_at: int, now: int, tokens: int = 1) -> int:
        """Return the time until the bucket holds so many tokens, at most `burst`; 0 if it holds them now."""
        return max(0, full_at - (self.burst - tokens) * self.interval - now)

    def take(self, full_at: int, now: int) -> int:
        """Return the new `full_at` after one token is taken."""
        return max(full_at, now) + self.interval
