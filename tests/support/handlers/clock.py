"""The time, in the test's hands."""

from __future__ import annotations

import time

from tests.support.handlers.builders import NOW


class Clock:
    """A clock that stands at the test's moment until it is moved."""

    def __init__(self) -> None:
        self.ms = NOW

    def now_ms(self) -> int:
        return self.ms

    def time_ns(self) -> int:
        return self.ms * 1_000_000

    def monotonic(self) -> float:
        """Return the real monotonic clock's time: deadlines of real sockets are compared with it."""
        return time.monotonic()

    def advance(self, ms: int) -> None:
        self.ms += ms
