"""The time, in the test's hands."""

from __future__ import annotations

from tests.support.handlers.builders import NOW


class Clock:
    """A clock that stands at the test's moment until it is moved."""

    def __init__(self) -> None:
        self.ms = NOW

    def now_ms(self) -> int:
        return self.ms

    def time_ns(self) -> int:
        return self.ms * 1_000_000

    def advance(self, ms: int) -> None:
        self.ms += ms
