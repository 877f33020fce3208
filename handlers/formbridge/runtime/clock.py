"""The clocks. Adapters and entry points read them; pure modules get the time from their caller."""

from __future__ import annotations

import time


def now_ms() -> int:
    """Return the current time in epoch milliseconds."""
    return time.time_ns() // 1_000_000


def monotonic_seconds() -> float:
    """Return the time of a clock that never goes back, in seconds. Deadlines use this clock."""
    return time.monotonic()
