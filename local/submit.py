"""Form submissions sent to the stack's event bus at a steady rate, for `python -m local submit`."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from formbridge.submissions.event import RECEIVED

from .bus import BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .bus import Bus, FormSubmission

BATCHES_PER_SECOND: Final = 10
"""Approximate number of batches per second.

A batch has 1 to `BATCH_SIZE` events. There are therefore fewer batches per second if the rate is below 10 events per
second, and more if the rate is above 100 events per second.
"""


def send(
    bus: Bus,
    submissions: Sequence[FormSubmission],
    *,
    rate: float,
    on_progress: Callable[[int], None] = lambda _count: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Put one `submission.received` event per submission on the bus, in batches.

    Args:
        bus: The event bus.
        submissions: The submissions, sent in this order.
        rate: How many events to send per second.
        on_progress: A function that is called after each batch with its number of events.
        clock: Returns the current time, in seconds.
        sleep: Waits for a number of seconds.
    """
    # Small batches, about ten per second, let the events arrive evenly.
    size = max(1, min(BATCH_SIZE, int(rate / BATCHES_PER_SECOND)))
    started = clock()
    for first in range(0, len(submissions), size):
        sleep(max(0.0, started + first / rate - clock()))
        batch = submissions[first : first + size]
        bus.put(RECEIVED, [submission.detail() for submission in batch])
        on_progress(len(batch))
