from __future__ import annotations

from typing import TYPE_CHECKING

from formbridge.broadcast.fanout_queue import FanoutQueue
from formbridge.broadcast.fanout_task import FanoutTask

if TYPE_CHECKING:
    from tests.support.handlers.region import Region


def test_the_queue_takes_all_that_is_handed_over(region: Region) -> None:
    work = [FanoutTask("t_acme", None, shard) for shard in range(21)]
    FanoutQueue(lambda: region.sqs, region.fanout_queue_url).send(work)
    taken: list[FanoutTask] = []
    while messages := region.handed_over():
        taken += map(FanoutTask.decode, messages)
    assert sorted(taken, key=lambda one: one.shard or 0) == work


def test_nothing_to_hand_over_asks_nothing_of_the_queue() -> None:
    def no_client() -> None:
        raise AssertionError

    FanoutQueue(no_client, "https://queue").send([])  # pyright: ignore[reportArgumentType]
