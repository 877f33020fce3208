from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from bench import cost
from bench.arithmetic import Deployment
from bench.cost import CONNECTIONS, Cpu, Load, Prices
from formbridge.posting.delivery import Deadlines, Delivery, Outcome, Receipt

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

FREE = Prices(0, 0, 0, 0, 0, 0, 0, 0, 0)


class TakesAll:
    """A poster whose every post is taken."""

    def deliver(self, deliveries: Iterable[Delivery], deadline: float) -> Iterator[Receipt]:
        for delivery in deliveries:
            yield Receipt(delivery, Outcome.POSTED, frames=len(delivery.frames))


def test_the_broadcaster_that_is_measured_posts_to_every_row_of_every_page() -> None:
    broadcaster = cost.build_broadcaster(10_000, TakesAll())

    tally = broadcaster.broadcast({cost.TENANT: [cost.build_change(1)]}, Deadlines(float("inf"), float("inf")))

    assert tally.outcomes == {Outcome.POSTED: 10_000}
    assert tally.frames == 10_000


def test_from_what_was_measured_comes_what_each_part_adds() -> None:
    measured = {
        (connections, updates): 2.0 + 0.5 * updates + 0.01 * connections
        for connections in CONNECTIONS
        for updates in (1, 90)
    }

    cpu = cost.fit_cpu(measured)

    assert (cpu.batch, cpu.update, cpu.post) == (pytest.approx(2.0), pytest.approx(0.5), pytest.approx(0.01))
    assert cpu.compute_total(4, 300) == pytest.approx(2.0 + 2.0 + 3.0)


def test_frames_are_billed_by_the_million() -> None:
    load = Load(1_000, 1)

    dollars = load.dollars(Prices(1e-6, 0, 0, 0, 0, 0, 0, 0, 0))

    # Of one update a second, about one in thirty shares a frame with another.
    assert dollars["frames"] == pytest.approx(1_000 * cost.SECONDS_PER_MONTH / 1e6, rel=0.05)
    assert sum(load.dollars(FREE).values()) == 0


def test_connection_minutes_are_billed_by_the_million() -> None:
    dollars = Load(1_000, 1).dollars(Prices(0, 0.25e-6, 0, 0, 0, 0, 0, 0, 0))

    assert dollars["connections"] == pytest.approx(1_000 * 730 * 60 * 0.25e-6)


@pytest.mark.parametrize("connections", CONNECTIONS)
def test_more_updates_are_more_a_batch_and_not_as_many_more_frames(connections: int) -> None:
    slow, fast = Load(connections, 1), Load(connections, 10)

    assert fast.updates_per_batch > slow.updates_per_batch
    assert fast.frames_per_second < 10 * slow.frames_per_second


def test_no_load_that_fits_takes_more_frames_than_are_posted() -> None:
    loads = [Load(connections, updates) for connections in CONNECTIONS for updates in cost.UPDATES_PER_SECOND]

    fitting = [load for load in loads if load.fits]

    assert len(fitting) < len(loads)
    assert all(load.frames_per_second <= Deployment().posts_per_second for load in fitting)


def test_cpu_is_of_a_batch_its_updates_and_its_posts() -> None:
    assert Cpu(1.0, 0.1, 0.01).compute_total(10, 100) == pytest.approx(3.0)
