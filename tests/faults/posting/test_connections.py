"""TCP connections that break, and servers that are slow: what is tried again, and what is given up."""

from __future__ import annotations

import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Semaphore

import pytest

from formbridge.posting.delivery import Outcome, Receipt
from formbridge.posting.poster import TRIES
from tests.faults.posting.conftest import PATIENCE, deliver, deliver_one, delivery, poster_to
from tests.support.posting.server import OK, Peer, Script, Server

Serve = Callable[..., Server]


def answering(peer: Peer) -> None:
    peer.answer()


def resetting_at_once(peer: Peer) -> None:
    peer.reset()


def resetting_after_the_request(peer: Peer) -> None:
    peer.read()
    peer.reset()


def closing_after_the_request(peer: Peer) -> None:
    peer.read()


def breaking_off(answer: bytes) -> Script:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(answer)

    return script


BROKEN = [
    resetting_at_once,
    resetting_after_the_request,
    closing_after_the_request,
    breaking_off(b"HTTP/1.1 2"),
    breaking_off(b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
    breaking_off(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel"),
    breaking_off(b"HTTP/1.1 100 Continue\r\n\r\n"),
]


@pytest.mark.parametrize("broken", BROKEN)
def test_a_request_that_breaks_is_made_again(serve: Serve, broken: Script) -> None:
    server = serve(broken, answering)

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.POSTED, None, 1)


@pytest.mark.parametrize("broken", BROKEN)
def test_one_that_breaks_each_time_is_behind(serve: Serve, broken: Script) -> None:
    server = serve(broken)

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, TRIES - 1)
    assert server.connections == TRIES


def test_an_answer_counts_once_its_status_is_there_and_no_body_is_announced(serve: Serve) -> None:
    server = serve(breaking_off(b"HTTP/1.1 200 OK\r\nContent-Le"))

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.retries) == (Outcome.POSTED, 0)


def test_nobody_listens() -> None:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # so that no other process listens there
        receipt = deliver_one(poster_to(f"http://127.0.0.1:{bound.getsockname()[1]}/live"))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, TRIES - 1)


def test_connections_are_kept_from_one_call_to_the_next(serve: Serve) -> None:
    server = serve(answering)
    poster = poster_to(server.endpoint)

    for _ in range(3):
        assert deliver_one(poster, delivery("one", b"1", b"2")).outcome is Outcome.POSTED

    assert server.connections == 1
    assert len(server.requests) == 6


def test_one_that_the_server_closed_meanwhile_costs_no_try(serve: Serve) -> None:
    closed = Semaphore(0)

    def one_answer(peer: Peer) -> None:
        peer.read()
        peer.send(OK)
        peer.close()
        closed.release()

    server = serve(one_answer)
    poster = poster_to(server.endpoint)

    receipts: list[Receipt] = []
    for _ in range(3):
        receipts.append(deliver_one(poster))
        assert closed.acquire(timeout=PATIENCE)

    assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 3
    assert [receipt.retries for receipt in receipts] == [0] * 3
    assert server.connections == 3


@pytest.mark.parametrize("end", [Peer.reset, Peer.close])
def test_one_that_breaks_when_it_is_used_again_loses_nothing(serve: Serve, end: Callable[[Peer], None]) -> None:
    def one_answer(peer: Peer) -> None:
        peer.read()
        peer.send(OK)
        peer.read()
        end(peer)

    server = serve(one_answer, answering)
    poster = poster_to(server.endpoint)

    receipts = [deliver_one(poster, delivery("one", frame)) for frame in (b"1", b"2")]

    assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 2
    assert server.bodies == [b"1", b"2", b"2"]


def test_kept_ones_that_lead_nowhere_are_not_tried_one_after_the_other(
    serve: Serve, impatient: None, unhurried: None
) -> None:
    """As many as three tries of each would take."""
    kept = 2 * TRIES

    def silent_after_one_answer(peer: Peer) -> None:
        peer.read()
        peer.send(OK)
        peer.read()
        peer.hold()

    server = serve(*[silent_after_one_answer] * kept, answering)
    poster = poster_to(server.endpoint)
    deliver(poster, [delivery(f"{n}") for n in range(kept)])
    assert server.connections == kept

    receipts = deliver(poster, map(delivery, ["one", "two"]))

    assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 2
    assert [receipt.retries for receipt in receipts] == [1] * 2
    assert server.connections == kept + 2


def test_only_the_next_request_after_no_answer_is_made_over_a_new_one(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        while request := peer.read():
            again = request.body == b"3" and peer.server.bodies.count(b"3") == 1
            peer.send(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n" if again else OK)

    server = serve(closing_after_the_request, script)
    poster = poster_to(server.endpoint)

    receipt = deliver_one(poster, delivery("one", b"1", b"2", b"3"))

    assert (receipt.outcome, receipt.retries) == (Outcome.POSTED, 2)
    assert [(request.body, request.over) for request in server.requests] == [
        (b"1", 0),
        (b"1", 1),
        (b"2", 1),
        (b"3", 1),
        (b"3", 1),
    ]
    assert deliver_one(poster).outcome is Outcome.POSTED
    assert server.connections == 2


def test_a_server_that_says_connection_close_is_asked_over_a_new_one(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.hold()

    server = serve(script)
    poster = poster_to(server.endpoint)

    receipt = deliver_one(poster, delivery("one", b"1", b"2", b"3"))

    assert (receipt.outcome, receipt.retries) == (Outcome.POSTED, 0)
    assert server.connections == 3


def test_a_black_hole_is_given_up_and_holds_up_no_other(serve: Serve, impatient: None) -> None:
    def script(peer: Peer) -> None:
        while request := peer.read():
            if request.connection_id == "hole":
                peer.hold()
            peer.send(OK)

    server = serve(script)

    receipts = deliver(poster_to(server.endpoint), [delivery("hole"), *(delivery(f"z{n}") for n in range(20))])

    assert [receipt.outcome for receipt in receipts] == [Outcome.BEHIND] + [Outcome.POSTED] * 20
    assert receipts[0].retries == TRIES - 1


def test_an_answer_that_dribbles_in_is_taken(serve: Serve) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(*(bytes([byte]) for byte in b"HTTP/1.1 100 Continue\r\n\r\n" + OK))

    assert deliver_one(poster_to(serve(script).endpoint)).outcome is Outcome.POSTED


def test_one_that_never_ends_is_given_up(serve: Serve, impatient: None) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(b"HTTP/1.1 200 OK\r\nX-Endless: ")
        while not peer.server.over.wait(0.01):
            peer.send(b"x")

    server = serve(script)

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.retries) == (Outcome.BEHIND, TRIES - 1)
    assert server.connections == TRIES


@pytest.mark.parametrize(("size", "at_a_time"), [(131_072, 1_000), (16_777_216, 65_536)])
def test_a_large_frame_reaches_a_server_that_reads_slowly_whole(serve: Serve, size: int, at_a_time: int) -> None:
    """The first is as large as API Gateway takes; the second does not fit into the sockets' buffers."""
    frame = bytes(range(256)) * (size // 256)

    def script(peer: Peer) -> None:
        while peer.read(at_a_time):
            peer.send(OK)

    server = serve(script)

    receipts = deliver(poster_to(server.endpoint), [delivery(f"{n}", frame, b"small") for n in range(3)])

    assert [(receipt.outcome, receipt.sent_bytes) for receipt in receipts] == [(Outcome.POSTED, size + 5)] * 3
    assert sorted(server.bodies) == sorted([frame, b"small"] * 3)
    expecting = [request for request in server.requests if "expect:" in request.head.lower()]
    assert expecting == [] or size > 1_000_000, "nobody waits for 100 Continue before what API Gateway would take"


def test_an_answer_before_the_request_was_read_counts(serve: Serve) -> None:
    """A gateway that refuses a large frame by its length alone."""

    def script(peer: Peer) -> None:
        peer.socket.recv(100)
        peer.send(b"HTTP/1.1 413 Too Large\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
        peer.socket.shutdown(socket.SHUT_WR)
        with suppress(OSError):
            while peer.socket.recv(65_536):
                pass

    receipt = deliver_one(poster_to(serve(script).endpoint), delivery("one", b"x" * 900_000))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, 0)


def test_proxies_of_the_environment_are_none_of_ours(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    monkeypatch.delenv("no_proxy", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)

    assert deliver_one(poster_to(serve(answering).endpoint)).outcome is Outcome.POSTED
