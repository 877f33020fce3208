"""A limit on the messages of a connection, or on the messages or connects of a tenant. Pure: no I/O, no clock."""

from __future__ import annotations

from dataclasses import dataclass

from ..runtime.token_bucket import TokenBucket

MICROSECONDS_PER_SECOND = 1_000_000
MICROSECONDS_PER_MILLISECOND = 1_000


@dataclass(frozen=True, slots=True)
class Rate:
    """A limit on messages or connects: a token bucket whose times are epoch microseconds.

    The connections table stores the `full_at` of the bucket, and conditional writes check it.
    """

    per_second: int
    """Maximum number of messages or connects per second in the long run."""
    burst: int
    """Maximum number of messages or connects at once."""

    @property
    def interval_us(self) -> int:
        """Microseconds in which one token is added."""
        return self._bucket.interval

    @property
    def tolerance_us(self) -> int:
        """The longest time until `full_at` at which a message is still accepted, in microseconds."""
        return self._bucket.tolerance

    def wait_us(self, full_at_us: int, now_us: int, tokens: int = 1) -> int:
        """Return the time until the bucket holds so many tokens, in microseconds; 0 if it holds them now."""
        return self._bucket.wait(full_at_us, now_us, tokens)

    def wait_ms(self, full_at_us: int, now_us: int) -> int:
        """Return the time until a message is accepted, in milliseconds rounded up; 0 if it is now."""
        return -(-self.wait_us(full_at_us, now_us) // MICROSECONDS_PER_MILLISECOND)

    @property
    def _bucket(self) -> TokenBucket:
        return TokenBucket.per_second(self.per_second, self.burst, MICROSECONDS_PER_SECOND)
