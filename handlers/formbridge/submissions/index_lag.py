"""The lag of the index `GSI1` behind the submissions table, measured for a sample of the writes."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final
from zlib import crc32

from ..runtime import clock

if TYPE_CHECKING:
    from .table import SubmissionsTable

SAMPLING: Final = 1_000
"""One of this many events is measured. A measurement takes the time of the lag, so it costs Lambda time."""
POLL_SECONDS: Final = 0.05
"""Time between two reads of the index."""
MAX_LAG_MS: Final = 3_000
"""Time after which a measurement ends. It is far below the timeout of the persist Lambda."""


def is_sampled(event_id: str) -> bool:
    """Return whether the write of this event is measured."""
    return crc32(event_id.encode()) % SAMPLING == 0


def measure_index_lag(table: SubmissionsTable, tenant_id: str, submission_id: str, written_ms: int) -> int:
    """Return the milliseconds after which the index shows a write, at most `MAX_LAG_MS`.

    Args:
        table: The submissions table.
        tenant_id: Tenant of the submission.
        submission_id: Id of the submission.
        written_ms: Time of the write in epoch milliseconds, as stored in `updated_at`.
    """
    started = clock.monotonic_seconds()
    while not table.is_indexed(tenant_id, submission_id, written_ms):
        if (clock.monotonic_seconds() - started) * 1000 >= MAX_LAG_MS:
            return MAX_LAG_MS
        time.sleep(POLL_SECONDS)
    return int((clock.monotonic_seconds() - started) * 1000)
