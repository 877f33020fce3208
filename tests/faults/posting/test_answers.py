"""What a server may answer: each has one meaning, and most that is odd is only passing."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from formbridge.posting.delivery import Outcome
from formbridge.posting.poster import MAX_TRIES, PostRefused
from tests.faults.posting.conftest import deliver, deliver_one, delivery, poster_to
from tests.support.posting.server import OK, Peer, Script, Server

Serve = Callable[..., Server]


def status(number: int, body: bytes = b"") -> bytes:
    return f"HTTP/1.1 {number} Whatever\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body


def answering(*answers: bytes) -> Script:
    """Answers in this order, and goes on with the last."""

    def script(peer: Peer) -> None:
        while peer.read():
            peer.send(answers[min(len(peer.server.requests), len(answers)) - 1])

    return script


PAGE = b"<html><body><h1>502 Bad Gateway</h1></body></html>"


@pytest.mark.parametrize(
    "passing",
    [
        status(429, b'{"message": "Limit Exceeded"}'),
        status(500),
        status(502, PAGE),
        status(503, PAGE * 10_000),
        b"HTTP/1.1 504 Gateway Timeout\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    ],
)
def test_what_may_pass_is_tried_again_over_the_same_connection(serve: Serve, passing: bytes) -> None:
    server = serve(answering(passing, OK))

    receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"frame"))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.POSTED, None, 1)
    assert server.bodies == [b"frame", b"frame"]
    assert server.connections == 1


@pytest.mark.parametrize("number", [429, 500, 502, 503])
def test_what_does_not_pass_is_behind_in_the_end(serve: Serve, number: int) -> None:
    server = serve(answering(status(number)))

    receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"1", b"2"))

    assert (receipt.outcome, receipt.failure) == (Outcome.BEHIND, None)
    assert server.bodies == [b"1"] * MAX_TRIES
    assert (receipt.frames, receipt.sent_bytes, receipt.retries) == (0, 0, MAX_TRIES - 1)


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        b"HTTP/1.1 204 No Content\r\n\r\n",
        b"HTTP/1.1 100 Continue\r\n\r\n" + OK,
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nContent-Type: application/json\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: %s\r\n" % (i, b"y" * 100) for i in range(500)) + b"\r\n",
    ],
)
def test_a_post_is_taken_however_that_is_said(serve: Serve, answer: bytes) -> None:
    def script(peer: Peer) -> None:
        while peer.read():
            peer.send(answer)
            if b"X-1" in answer:
                return  # it says no length, and so lasts until the connection ends

    server = serve(script)
    poster = poster_to(server.endpoint)

    receipts = [deliver_one(poster) for _ in range(2)]

    assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 2
    assert [receipt.retries for receipt in receipts] == [0, 0]
    assert len(server.requests) == 2


def test_gone_is_gone_at_once(serve: Serve) -> None:
    server = serve(answering(status(410, b'{"message": "Gone"}')))

    receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"1", b"2"))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.GONE, None, 0)
    assert server.bodies == [b"1"]


def test_a_frame_that_is_too_large_is_dropped_at_once(serve: Serve) -> None:
    server = serve(answering(status(413)))

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, 0)
    assert len(server.requests) == 1


@pytest.mark.parametrize("number", [400, 401, 403, 404, 301, 302, 307])
def test_any_other_status_is_a_fault_of_the_stack(serve: Serve, number: int) -> None:
    answer = f"HTTP/1.1 {number} No\r\nLocation: /elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    server = serve(answering(answer))

    receipt = deliver_one(poster_to(server.endpoint))

    assert receipt.outcome is Outcome.BEHIND
    assert isinstance(receipt.failure, PostRefused)
    assert receipt.failure.status == number
    assert str(receipt.failure) == f"POST of connection one was answered with status {number}"
    assert len(server.requests) == 1, "neither tried again nor followed"


@pytest.mark.parametrize(
    "garbage", [b"SSH-2.0-OpenSSH_9.9\r\n", b"\x00\xff" * 50, b"ICY 200 OK\r\n\r\n", b"HTTP/1.1 2x0 OK\r\n\r\n"]
)
def test_what_is_not_http_is_no_answer(serve: Serve, garbage: bytes) -> None:
    def script(peer: Peer) -> None:
        peer.read()
        peer.send(garbage)

    server = serve(script)

    receipt = deliver_one(poster_to(server.endpoint))

    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, MAX_TRIES - 1)
    assert len(server.requests) == MAX_TRIES


def test_the_body_of_an_answer_is_not_kept(serve: Serve, capfd: pytest.CaptureFixture[str]) -> None:
    server = serve(answering(status(200, b"x" * 5_000_000)))

    assert deliver_one(poster_to(server.endpoint)).outcome is Outcome.POSTED
    assert capfd.readouterr().out == ""


def test_one_that_fails_holds_up_no_other(serve: Serve) -> None:
    statuses = {"gone": 410, "slow": 429, "forbidden": 403}

    def script(peer: Peer) -> None:
        while request := peer.read():
            peer.send(status(statuses.get(request.connection_id, 200)))

    server = serve(script)

    receipts = deliver(poster_to(server.endpoint), map(delivery, ["fine", "forbidden", "gone", "slow", "well"]))

    assert [receipt.outcome.value for receipt in receipts] == ["posted", "behind", "gone", "behind", "posted"]
    assert [receipt.failure is not None for receipt in receipts] == [False, True, False, False, False]
