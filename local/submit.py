"""What `python -m local submit` does: form submissions on the stack's bus, at a steady pace."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from formbridge.submissions.event import RECEIVED

from .bus import BATCH_SIZE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from .bus import Bus, FormSubmission


def send(
    bus: Bus,
    submissions: Sequence[FormSubmission],
    *,
    rate: float,
    on_progress: Callable[[int], None] = lambda _count: None,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Put `submission.received` events in batches, `rate` of them a second.

    `on_progress` hears how many each batch had.
    """
    # A batch is what a tenth of a second holds, so that events come evenly and not ten at once.
    size = max(1, min(BATCH_SIZE, int(rate / 10)))
    started = clock()
    for first in range(0, len(submissions), size):
        sleep(max(0.0, started + first / rate - clock()))
        batch = submissions[first : first + size]
        bus.put(RECEIVED, [submission.detail() for submission in batch])
        on_progress(len(batch))
