from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from formbridge.submissions.event import RECEIVED
from local.bus import Bus
from local.samples import make_submissions
from local.submit import send

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence


class RecordingBus(Bus):
    """A bus that keeps what was put, batch by batch."""

    def __init__(self) -> None:
        self.batches: list[Sequence[Mapping[str, Any]]] = []

    def put(self, detail_type: str, details: Sequence[Mapping[str, Any]]) -> None:
        assert detail_type == RECEIVED
        self.batches.append(details)


def test_batches_and_pace() -> None:
    now = 0.0
    progress: list[int] = []

    def sleep(seconds: float) -> None:
        nonlocal now
        now += seconds

    some = list(make_submissions("t_acme", "contact", 25))
    bus = RecordingBus()
    send(bus, some, rate=1000, on_progress=progress.append, clock=lambda: now, sleep=sleep)
    assert [len(batch) for batch in bus.batches] == progress == [10, 10, 5]
    assert [detail for batch in bus.batches for detail in batch] == [one.detail() for one in some]
    assert now == pytest.approx(0.02)

    now, bus = 0.0, RecordingBus()
    send(bus, some, rate=5, clock=lambda: now, sleep=sleep)
    assert [len(batch) for batch in bus.batches] == [1] * 25
    assert now == pytest.approx(24 / 5)
