"""Requests of many threads to moto, one by one in the order of a seed."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Event, Lock
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from mypy_boto3_dynamodb import DynamoDBClient

Item = TypeVar("Item")
Result = TypeVar("Result")


class Turns:
    """Lets the requests of many threads through one by one: of those that wait, a random one.

    DynamoDB does each request as a whole and interleaves those of different Lambdas as it comes; moto is not made for
    threads. Here a thread runs from one request to the next while all others wait, so that each request is whole, their
    order is drawn from a seed, and what fails fails again.
    """

    def __init__(self, threads: int, seed: int) -> None:
        self._random = Random(seed)
        self._running = threads
        self._waiting: list[Event] = []
        self._lock = Lock()

    def wait(self, **_: object) -> None:
        """Wait for this thread's turn; botocore calls it before each request."""
        turn = Event()
        with self._lock:
            self._waiting.append(turn)
        self.end()
        turn.wait()

    def end(self) -> None:
        """This thread has nothing to ask for now; once that is so for all, the next one's turn comes."""
        with self._lock:
            self._running -= 1
            if not self._running and self._waiting:
                self._running = 1
                self._waiting.pop(self._random.randrange(len(self._waiting))).set()


def map_in_turns(
    client: DynamoDBClient, function: Callable[[Item], Result], items: Iterable[Item], *, threads: int, seed: int
) -> list[Result]:
    """Call a function for each item, in threads whose requests over `client` take turns. Return the results."""
    turns = Turns(threads, seed)
    waiting = iter(items)

    def work() -> list[Result]:
        try:
            turns.wait()
            return [function(item) for item in waiting]
        finally:
            turns.end()

    client.meta.events.register("before-call.dynamodb", turns.wait)
    try:
        with ThreadPoolExecutor(threads) as pool:
            calls = [pool.submit(work) for _ in range(threads)]
        return [result for call in calls for result in call.result()]
    finally:
        client.meta.events.unregister("before-call.dynamodb", turns.wait)
