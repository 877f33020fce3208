"""How long events can be replayed, and how long the row of a deleted submission is kept. Pure: no I/O, no clock.

A deletion is final because the row of the deleted submission outlives every event that could create the submission
again. Each constant is therefore computed from the constants before it.
"""

from __future__ import annotations

from typing import Final

MS_PER_DAY: Final = 24 * 3600 * 1000
"""Milliseconds in one day."""
SECONDS_PER_DAY: Final = 24 * 3600
"""Seconds in one day."""

RETRY_DAYS: Final = 1
"""Days after which neither EventBridge nor Lambda retries an event. `SubmissionIngest` sets a shorter time."""
DEAD_LETTER_DAYS: Final = 14
"""Days for which a dead-letter queue keeps a message. This is the maximum that SQS allows.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html"""
REPLAY_DAYS: Final = RETRY_DAYS + DEAD_LETTER_DAYS + RETRY_DAYS
"""Maximum age of an event in days. Persist refuses an older event. An event can fail for `RETRY_DAYS`, then wait in the
dead-letter queue for `DEAD_LETTER_DAYS`, and be retried for `RETRY_DAYS` after an operator has sent it again. An
archive of the event bus may keep events for longer. A replay has the original time of each event, so persist refuses
the older events of the replay."""
TOMBSTONE_DAYS: Final = REPLAY_DAYS + 1
"""Days for which the table keeps the row of a deleted submission. The extra day allows for clocks that differ. A cursor
that a client can resume from is always younger than this, so every client receives the deletion."""


def compute_max_age_days(retention_days: int) -> int:
    """Return the maximum age of an event in days.

    The row of a submission is deleted `retention_days` after its last change, and an older event must not create the
    row again.

    Args:
        retention_days: Days after which a submission expires; 0 if it never expires.
    """
    return min(REPLAY_DAYS, retention_days) if retention_days else REPLAY_DAYS
