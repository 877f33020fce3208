"""What the tests of faults share: bad servers, and posters to them that lose patience soon."""

from __future__ import annotations

import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Any

import pytest

from bench.certificates import write_certificate
from bench.connections_server import ACCESS_KEY, REGION, SECRET_KEY
from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.posting import poster
from formbridge.posting.delivery import Delivery, Receipt
from formbridge.posting.pacing import Pacer
from formbridge.posting.poster import ConnectionPoster
from formbridge.posting.signing import Credentials, Signer
from tests.support.posting.server import Script, Server, running

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from pathlib import Path

PATIENCE = 30.0
"""Far more than anything here takes, in seconds: what hangs fails."""

TOKEN = "the-session-token"


def connection(connection_id: str = "one") -> Connection:
    return Connection(ConnectionKey("t_acme", connection_id), connected_at=0, expires_at=2**31)


def delivery(connection_id: str = "one", *frames: bytes, closes: bool = False) -> Delivery:
    return Delivery(connection(connection_id), frames or [b"frame"], closes)


@pytest.fixture
def serve() -> Iterator[Callable[..., Server]]:
    """Starts servers that end with the test."""
    with ExitStack() as servers:

        def serve(*scripts: Script, pem: Path | None = None) -> Server:
            return servers.enter_context(running(*scripts, pem=pem))

        yield serve


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is tried again is tried at once, and an answer counts however busy the machine is."""
    monkeypatch.setattr(poster, "BACKOFF_SECONDS", 0.001)
    monkeypatch.setattr(poster, "CONNECT_SECONDS", PATIENCE)
    monkeypatch.setattr(poster, "REQUEST_SECONDS", PATIENCE)


@pytest.fixture
def impatient(soon: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that has no answer after a second gets none. A server here that answers takes milliseconds."""
    monkeypatch.setattr(poster, "REQUEST_SECONDS", 1)


@pytest.fixture
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """All deliveries that there is room for go out before the first answer is taken up, however slow the machine is."""
    monkeypatch.setattr(poster, "SLOW_DELIVERY_SECONDS", PATIENCE)


class Clock:
    """The clock by which the poster knows its deadline: the real one, ahead by what a test adds."""

    def __init__(self) -> None:
        self.ahead = 0.0
        """Seconds."""

    def monotonic(self) -> float:
        return time.monotonic() + self.ahead

    def pass_deadlines(self) -> None:
        """Make it later than any deadline of these tests."""
        self.ahead += 2 * PATIENCE


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A test says when a deadline is over, so that no test needs a short one and a fast machine."""
    clock = Clock()
    monkeypatch.setattr(poster, "time", clock)
    return clock


@pytest.fixture(scope="session")
def pem(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The certificate of 127.0.0.1, and its key."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


def poster_to(endpoint: str, **options: Any) -> ConnectionPoster:
    signer = Signer(endpoint, REGION, lambda: Credentials(ACCESS_KEY, SECRET_KEY, TOKEN))
    pacer = options.pop("pacer", Pacer(1_000_000, time.monotonic_ns))
    return ConnectionPoster(signer, pacer, **options)


def deliver(poster: ConnectionPoster, deliveries: Iterable[Delivery], seconds: float = PATIENCE) -> list[Receipt]:
    """All receipts, by connection: those that end at once come in any order."""
    receipts = poster.deliver(deliveries, time.monotonic() + seconds)
    return sorted(receipts, key=lambda receipt: receipt.delivery.connection.connection_id)


def deliver_one(poster: ConnectionPoster, one: Delivery | None = None, seconds: float = PATIENCE) -> Receipt:
    (receipt,) = deliver(poster, [one or delivery()], seconds)
    return receipt
