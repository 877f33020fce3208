"""TLS: nothing is said to a server that is not who it must be."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from bench.certificates import write_certificate
from formbridge.posting.delivery import Outcome
from formbridge.posting.poster import MAX_TRIES
from formbridge.runtime import aws
from tests.faults.posting.conftest import deliver, deliver_one, delivery, poster_to
from tests.support.posting.server import Peer, Server

if TYPE_CHECKING:
    from pathlib import Path

Serve = Callable[..., Server]


def answering(peer: Peer) -> None:
    peer.answer()


def test_a_trusted_server_is_posted_to_over_connections_that_are_kept(serve: Serve, pem: Path, unhurried: None) -> None:
    server = serve(answering, pem=pem)
    poster = poster_to(server.endpoint, ca_file=str(pem))

    for _ in range(2):
        receipts = deliver(poster, [delivery(f"{n}", b"x" * 100_000) for n in range(3)])
        assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 3

    assert server.bodies == [b"x" * 100_000] * 6
    assert server.connections == 3


def test_one_that_nobody_vouches_for_learns_nothing(serve: Serve, pem: Path) -> None:
    server = serve(answering, pem=pem)

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, MAX_TRIES - 1)
    assert server.connections == MAX_TRIES
    assert server.requests == []


def test_one_with_another_name_learns_nothing(serve: Serve, tmp_path: Path) -> None:
    other = write_certificate(tmp_path / "other.pem", "example.com")
    server = serve(answering, pem=other)

    receipt = deliver_one(poster_to(server.endpoint, ca_file=str(other)))

    assert receipt.outcome is Outcome.BEHIND
    assert server.connections == MAX_TRIES
    assert server.requests == []


@pytest.mark.parametrize(
    "said", [b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", b"\x15\x03\x03\x00\x02\x02\x28"]
)
def test_one_that_speaks_no_tls_is_no_answer(serve: Serve, said: bytes, pem: Path) -> None:
    def script(peer: Peer) -> None:
        peer.socket.recv(65_536)
        peer.send(said)

    server = serve(script)

    receipt = deliver_one(poster_to(server.endpoint.replace("http:", "https:"), ca_file=str(pem)))

    assert (receipt.outcome, receipt.failure) == (Outcome.BEHIND, None)


def test_the_authorities_are_those_of_the_environment(serve: Serve, pem: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_CA_BUNDLE", str(pem))
    aws.session.cache_clear()
    server = serve(answering, pem=pem)
    poster = poster_to(server.endpoint)
    aws.session.cache_clear()

    assert deliver_one(poster).outcome is Outcome.POSTED


def test_one_that_breaks_off_without_a_farewell_is_tried_again(serve: Serve, pem: Path) -> None:
    def cut_off(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
        peer.reset()

    server = serve(cut_off, answering, pem=pem)

    receipt = deliver_one(poster_to(server.endpoint, ca_file=str(pem)))

    assert (receipt.outcome, receipt.retries) == (Outcome.POSTED, 1)
