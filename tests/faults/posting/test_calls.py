"""A call of `deliver`: order, closing, deadlines, pace, and what one that ended early leaves behind."""

from __future__ import annotations

import logging
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from threading import Barrier, Event, Lock
from types import SimpleNamespace

import pytest

from bench.connections_server import SECRET_KEY, is_signed
from formbridge.posting import poster as poster_module
from formbridge.posting.delivery import Delivery, Outcome, build_probe
from formbridge.posting.pacing import Pacer
from formbridge.posting.poster import MAX_TRIES
from tests.faults.posting.conftest import PATIENCE, TOKEN, Clock, connection, deliver, deliver_one, delivery, poster_to
from tests.support.posting.server import OK, Peer, Server

Serve = Callable[..., Server]


def answering(peer: Peer) -> None:
    peer.answer()


def holding(peer: Peer) -> None:
    peer.read()
    peer.hold()


class Allowance(Pacer):
    """Lets so many through, and then none."""

    def __init__(self, left: int) -> None:
        super().__init__(1_000_000, time.monotonic_ns)
        self.left = left

    def take(self) -> float:
        self.left -= 1
        return 0.0 if self.left >= 0 else math.inf


class TestFrames:
    def test_of_a_connection_go_in_order_one_after_the_other(self, serve: Serve) -> None:
        server = serve(answering)
        frames = [str(n).encode() for n in range(20)]

        receipts = deliver(poster_to(server.endpoint), [delivery(name, *frames) for name in ("one", "two", "three")])

        assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 3
        assert [(receipt.frames, receipt.sent_bytes) for receipt in receipts] == [(20, 30)] * 3
        for name in ("one", "two", "three"):
            assert [request.body for request in server.requests if request.connection_id == name] == frames

    def test_wait_for_the_one_before_to_be_tried_again(self, serve: Serve) -> None:
        def script(peer: Peer) -> None:
            while request := peer.read():
                first = request.body == b"2" and peer.server.bodies.count(b"2") == 1
                peer.send(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n" if first else OK)

        server = serve(script)

        receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"1", b"2", b"3"))

        assert server.bodies == [b"1", b"2", b"2", b"3"]
        assert (receipt.outcome, receipt.frames, receipt.retries) == (Outcome.POSTED, 3, 1)

    def test_none_goes_after_one_that_failed(self, serve: Serve) -> None:
        def script(peer: Peer) -> None:
            while request := peer.read():
                peer.send(OK if request.body == b"11" else b"HTTP/1.1 410 Gone\r\nContent-Length: 0\r\n\r\n")

        server = serve(script)

        receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"11", b"2", b"3"))

        assert server.bodies == [b"11", b"2"]
        assert (receipt.outcome, receipt.frames, receipt.sent_bytes) == (Outcome.GONE, 1, 2)

    def test_each_reach_the_connection_that_they_are_for(self, serve: Serve) -> None:
        server = serve(answering)
        wanted = {f"{n}": f"frame {n}".encode() for n in range(300)}

        receipts = deliver(poster_to(server.endpoint), [delivery(name, frame) for name, frame in wanted.items()])

        assert Counter(receipt.outcome for receipt in receipts) == {Outcome.POSTED: 300}
        assert {request.connection_id: request.body for request in server.requests} == wanted
        assert len(server.requests) == 300

    def test_may_be_none_and_then_nothing_is_asked(self, serve: Serve) -> None:
        server = serve(answering)

        receipts = deliver(poster_to(server.endpoint), [Delivery(connection("none"), []), delivery("one")])

        assert [(receipt.outcome, receipt.frames) for receipt in receipts] == [
            (Outcome.POSTED, 0),
            (Outcome.POSTED, 1),
        ]
        assert [request.method for request in server.requests] == ["POST"]

    def test_are_signed_as_they_go_over_the_wire(self, serve: Serve) -> None:
        server = serve(answering)

        deliver_one(poster_to(server.endpoint), delivery("L0SM9cOFvHcCIhw=", b"frame", closes=True))
        deliver_one(poster_to(server.endpoint), delivery("a/b+c~ ä", b"", closes=True))

        assert [request.method for request in server.requests] == ["POST", "DELETE"] * 2
        assert [is_signed(request.raw) for request in server.requests] == [True] * 4
        assert server.requests[0].connection_id == "L0SM9cOFvHcCIhw%3D"
        assert not is_signed(server.requests[0].raw.replace(b"%3D", b"%3E"))


class TestClosing:
    def test_follows_the_frames(self, serve: Serve) -> None:
        server = serve(answering)

        receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"1", b"2", closes=True))

        assert [request.method for request in server.requests] == ["POST", "POST", "DELETE"]
        assert (receipt.outcome, receipt.frames, receipt.sent_bytes) == (Outcome.POSTED, 2, 2)

    @pytest.mark.parametrize(("refused", "posts"), [(410, 1), (403, 1), (413, 1), (429, MAX_TRIES), (500, MAX_TRIES)])
    def test_follows_frames_that_were_not_taken(self, serve: Serve, refused: int, posts: int) -> None:
        def script(peer: Peer) -> None:
            while request := peer.read():
                no = f"HTTP/1.1 {refused} No\r\nContent-Length: 0\r\n\r\n".encode()
                peer.send(OK if request.method == "DELETE" else no)

        server = serve(script)

        receipt = deliver_one(poster_to(server.endpoint), delivery("one", b"1", closes=True))

        assert [request.method for request in server.requests] == ["POST"] * posts + ["DELETE"]
        assert (receipt.outcome, receipt.failure, receipt.frames) == (Outcome.POSTED, None, 0)

    @pytest.mark.parametrize(
        ("status", "outcome", "fails"),
        [(204, "posted", False), (410, "gone", False), (429, "behind", False), (403, "behind", True)],
    )
    def test_decides_the_outcome(self, serve: Serve, status: int, outcome: str, fails: bool) -> None:
        def script(peer: Peer) -> None:
            while request := peer.read():
                answer = f"HTTP/1.1 {status} Well\r\nContent-Length: 0\r\n\r\n".encode()
                peer.send(answer if request.method == "DELETE" else OK)

        receipt = deliver_one(poster_to(serve(script).endpoint), delivery("one", b"1", closes=True))

        assert (receipt.outcome.value, receipt.failure is not None) == (outcome, fails)
        if receipt.failure:
            assert str(receipt.failure) == f"DELETE of connection one was answered with status {status}"


class TestProbe:
    def test_is_one_signed_request_without_a_body(self, serve: Serve) -> None:
        server = serve(answering)

        receipts = deliver(poster_to(server.endpoint), [build_probe(connection("a")), delivery("b")])

        asked = {request.connection_id: (request.method, request.body) for request in server.requests}
        assert asked == {"a": ("GET", b""), "b": ("POST", b"frame")}
        assert [is_signed(request.raw) for request in server.requests] == [True, True]
        assert [(receipt.outcome, receipt.frames) for receipt in receipts] == [(Outcome.POSTED, 0), (Outcome.POSTED, 1)]

    def test_reads_past_the_answer_and_uses_its_connection_again(self, serve: Serve) -> None:
        body = b'{"connectedAt":"2026-11-22T20:00:00Z","lastActiveAt":"2026-11-22T20:00:00Z"}'
        answer = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body)

        def script(peer: Peer) -> None:
            peer.answer(answer)

        server = serve(script)
        poster = poster_to(server.endpoint, max_concurrency=1)

        receipts = deliver(poster, [build_probe(connection("a")), build_probe(connection("b"))])

        assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 2
        assert server.connections == 1


class TestDeadline:
    def test_ends_what_is_in_flight_what_waits_and_what_never_began(
        self, serve: Serve, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(poster_module, "BACKOFF_SECONDS", 1_000_000)
        others_came = Barrier(3)

        def script(peer: Peer) -> None:
            while request := peer.read():
                others_came.wait(PATIENCE)
                if request.connection_id == "held":
                    peer.hold()
                waits = request.connection_id == "waits"
                peer.send(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n" if waits else OK)

        server = serve(script)
        poster = poster_to(server.endpoint, pacer=Allowance(3))
        names = ["fine", "held", "waits", "zz1", "zz2"]

        coming = poster.deliver(map(delivery, names), clock.monotonic() + PATIENCE)
        receipts = [next(coming)]
        clock.pass_deadlines()
        receipts = sorted([*receipts, *coming], key=lambda receipt: receipt.delivery.connection.connection_id)

        assert [receipt.outcome.value for receipt in receipts] == ["posted", *["behind"] * 4]
        assert [receipt.failure for receipt in receipts] == [None] * 5
        assert {request.connection_id for request in server.requests} == {"fine", "held", "waits"}

    def test_that_is_over_already_asks_nothing(self, serve: Serve) -> None:
        server = serve(answering)

        receipts = deliver(poster_to(server.endpoint), map(delivery, ["one", "two"]), seconds=-1)

        assert [receipt.outcome for receipt in receipts] == [Outcome.BEHIND] * 2
        assert server.connections == 0

    def test_is_not_outlived_by_a_try_that_would_come_later(
        self, serve: Serve, clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def pause(_least: float, _most: float) -> float:
            clock.pass_deadlines()
            return 1_000_000

        monkeypatch.setattr(poster_module, "random", SimpleNamespace(uniform=pause))

        def script(peer: Peer) -> None:
            peer.answer(b"HTTP/1.1 503 No\r\nContent-Length: 0\r\n\r\n")

        server = serve(script)

        receipt = deliver_one(poster_to(server.endpoint))

        assert (receipt.outcome, receipt.retries) == (Outcome.BEHIND, 1)
        assert len(server.requests) == 1

    def test_that_ends_a_call_is_forgotten_by_the_next(self, serve: Serve) -> None:
        server = serve(holding, answering)
        poster = poster_to(server.endpoint)

        assert deliver_one(poster, delivery("held"), seconds=0.3).outcome is Outcome.BEHIND
        receipt = deliver_one(poster, delivery("next"))

        assert (receipt.delivery.connection.connection_id, receipt.outcome) == ("next", Outcome.POSTED)

    def test_does_not_lose_the_answers_that_came_before_it(self, serve: Serve, clock: Clock) -> None:
        both_came, go_on, answered = Barrier(2), Event(), Event()

        def script(peer: Peer) -> None:
            while request := peer.read():
                both_came.wait(PATIENCE)
                if request.connection_id == "two":
                    go_on.wait(PATIENCE)
                    peer.send(OK)
                    answered.set()
                else:
                    peer.send(OK)

        deadline = clock.monotonic() + PATIENCE
        receipts = poster_to(serve(script).endpoint).deliver(map(delivery, ["one", "two"]), deadline)

        outcomes = [next(receipts).outcome]
        go_on.set()
        assert answered.wait(PATIENCE)
        clock.pass_deadlines()  # while the caller has other things to do
        outcomes += [receipt.outcome for receipt in receipts]

        assert outcomes == [Outcome.POSTED] * 2


class TestPace:
    def test_is_that_of_the_pacer(self, serve: Serve, clock: Clock) -> None:
        """Every request is one of those that it lets through: later frames, tries and closings, too."""

        class UntilTheDeadline(Allowance):
            def take(self) -> float:
                pause = super().take()
                if pause and len(server.requests) == 4:
                    clock.pass_deadlines()
                return pause

        def script(peer: Peer) -> None:
            while request := peer.read():
                first = request.body == b"1" and peer.server.bodies.count(b"1") == 1
                peer.send(b"HTTP/1.1 429 No\r\nContent-Length: 0\r\n\r\n" if first else OK)

        server = serve(script)
        poster = poster_to(server.endpoint, pacer=UntilTheDeadline(4))
        wanted = [delivery("one", b"1", b"2", closes=True), delivery("two")]

        receipts = deliver(poster, wanted)

        assert len(server.requests) == 4
        assert Outcome.BEHIND in {receipt.outcome for receipt in receipts}

    def test_is_kept_from_one_call_to_the_next(self, serve: Serve) -> None:
        server = serve(answering)
        poster = poster_to(server.endpoint, pacer=Allowance(3))

        outcomes = [deliver_one(poster).outcome for _ in range(3)]
        outcomes.append(deliver_one(poster, seconds=0.3).outcome)

        assert outcomes == [Outcome.POSTED] * 3 + [Outcome.BEHIND]
        assert len(server.requests) == 3

    def test_goes_on_when_it_may(self, serve: Serve) -> None:
        waits = iter([0.0, 0.01, 0.01, 0.0, 0.01, 0.0])

        class Halting(Pacer):
            def take(self) -> float:
                return next(waits)

        server = serve(answering)

        receipts = deliver(
            poster_to(server.endpoint, pacer=Halting(1, time.monotonic_ns)), map(delivery, ["one", "two", "three"])
        )

        assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 3
        assert list(waits) == []


class TestWindow:
    def test_many_are_in_flight_at_a_time_and_no_more_than_may_be(self, serve: Serve) -> None:
        together, lock = Barrier(4), Lock()
        in_flight: list[int] = [0, 0]

        def script(peer: Peer) -> None:
            while peer.read():
                with lock:
                    in_flight[0] += 1
                    in_flight[1] = max(in_flight)
                together.wait(PATIENCE)
                with lock:
                    in_flight[0] -= 1
                peer.send(OK)

        server = serve(script)

        receipts = deliver(poster_to(server.endpoint, max_concurrency=4), (delivery(f"{n}") for n in range(40)))

        assert {receipt.outcome for receipt in receipts} == {Outcome.POSTED}
        assert in_flight[1] == 4
        assert server.connections == 4

    def test_it_grows_with_what_there_is_to_do(self, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(poster_module, "INITIAL_CONCURRENCY", 1)
        together = Barrier(8)

        def script(peer: Peer) -> None:
            while request := peer.read():
                if request.connection_id.startswith("z"):
                    together.wait(PATIENCE)
                peer.send(OK)

        poster = poster_to(serve(script).endpoint)

        receipts = deliver(poster, [*(delivery(f"a{n}") for n in range(20)), *(delivery(f"z{n}") for n in range(8))])

        assert {receipt.outcome for receipt in receipts} == {Outcome.POSTED}

    def test_no_more_deliveries_are_asked_for_than_there_is_room_for(self, serve: Serve) -> None:
        asked: list[int] = []

        def deliveries() -> Iterator[Delivery]:
            for n in range(100):
                asked.append(n)
                yield delivery(f"{n}", b"1", b"2", b"3")

        server = serve(answering)
        receipts = poster_to(server.endpoint, max_concurrency=2).deliver(deliveries(), time.monotonic() + PATIENCE)

        next(receipts)
        assert len(asked) <= 3
        assert len(list(receipts)) == 99


class TestDeliveriesThatAreSlowToCome:
    """As they are while the table is read for them, in the thread that posts."""

    def test_hold_up_no_request_that_was_made(self, serve: Serve) -> None:
        seen = Event()
        waited: list[bool] = []

        def script(peer: Peer) -> None:
            while request := peer.read():
                if request.connection_id == "one":
                    seen.set()
                peer.send(OK)

        def deliveries() -> Iterator[Delivery]:
            time.sleep(2 * poster_module.SLOW_DELIVERY_SECONDS)
            yield delivery("one")
            waited.append(seen.wait(PATIENCE))
            yield delivery("two")

        poster = poster_to(serve(script).endpoint)
        deliver_one(poster, delivery("before"))  # which leaves a connection that takes a request at once

        receipts = deliver(poster, deliveries())

        assert waited == [True]
        assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 2

    def test_hold_up_no_frame_that_follows_an_answer(self, serve: Serve) -> None:
        followed = Event()

        def script(peer: Peer) -> None:
            while request := peer.read():
                if request.body == b"2":
                    followed.set()
                peer.send(OK)

        asked: list[str] = []

        def deliveries() -> Iterator[Delivery]:
            yield delivery("one", b"1", b"2")
            while not followed.wait(0.2) and len(asked) < poster_module.INITIAL_CONCURRENCY - 1:
                asked.append(f"other{len(asked)}")
                yield delivery(asked[-1])

        receipts = deliver(poster_to(serve(script).endpoint), deliveries())

        assert {receipt.outcome for receipt in receipts} == {Outcome.POSTED}
        assert len(asked) < poster_module.INITIAL_CONCURRENCY - 1, "only what there was no room for any more came later"


class TestACallThatEndsEarly:
    def test_leaves_nothing_to_the_next(self, serve: Serve) -> None:
        def script(peer: Peer) -> None:
            while request := peer.read():
                if request.connection_id.startswith("held"):
                    peer.hold()
                peer.send(OK)

        server = serve(script)
        poster = poster_to(server.endpoint)
        wanted = [delivery("fine"), *(delivery(f"held{n}") for n in range(10))]
        for receipt in poster.deliver(wanted, time.monotonic() + PATIENCE):
            assert receipt.delivery.connection.connection_id == "fine"
            break

        receipts = deliver(poster, [delivery(f"next{n}") for n in range(10)])

        assert [receipt.delivery.connection.connection_id for receipt in receipts] == [f"next{n}" for n in range(10)]
        assert {receipt.outcome for receipt in receipts} == {Outcome.POSTED}

    def test_may_even_be_kept_by_someone(self, serve: Serve) -> None:
        server = serve(answering)
        poster = poster_to(server.endpoint, max_concurrency=2)
        kept = poster.deliver([delivery(f"{n}") for n in range(10)], time.monotonic() + PATIENCE)
        next(kept)
        receipts = poster.deliver(map(delivery, "abcd"), time.monotonic() + PATIENCE)
        outcomes = [next(receipts).outcome]

        with pytest.raises(RuntimeError, match="another call of `deliver` has ended this one"):
            next(kept)
        outcomes += [receipt.outcome for receipt in receipts]
        assert outcomes == [Outcome.POSTED] * 4

    def test_since_what_there_was_to_deliver_could_not_be_told(self, serve: Serve) -> None:
        def deliveries() -> Iterator[Delivery]:
            yield from map(delivery, ["held", "fine"])
            raise ConnectionError("the table cannot be read")

        def script(peer: Peer) -> None:
            while request := peer.read():
                if request.connection_id == "held":
                    peer.hold()
                peer.send(OK)

        server = serve(script)
        poster = poster_to(server.endpoint, max_concurrency=2)

        with pytest.raises(ConnectionError, match="the table cannot be read"):
            deliver(poster, deliveries())
        receipts = deliver(poster, map(delivery, ["one", "two"]))

        assert [receipt.delivery.connection.connection_id for receipt in receipts] == ["one", "two"]
        assert [receipt.outcome for receipt in receipts] == [Outcome.POSTED] * 2

    def test_since_its_deadline_was_over_and_the_rest_could_not_be_told(self, serve: Serve) -> None:
        def deliveries() -> Iterator[Delivery]:
            yield delivery("one")
            raise ConnectionError("the table cannot be read")

        poster = poster_to(serve(answering).endpoint)

        with pytest.raises(ConnectionError):
            deliver(poster, deliveries(), seconds=-1)
        assert deliver_one(poster).outcome is Outcome.POSTED


def test_a_poster_that_nobody_has_any_more_has_no_connections(serve: Serve) -> None:
    ended = Event()

    def script(peer: Peer) -> None:
        peer.answer()
        ended.set()

    poster = poster_to(serve(script).endpoint)
    deliver_one(poster)
    assert not ended.is_set()

    del poster
    assert ended.wait(PATIENCE)


def test_failures_are_logged_by_their_reason_and_neither_frame_nor_secret_is(
    serve: Serve, caplog: pytest.LogCaptureFixture
) -> None:
    statuses = {"gone": 410, "slow": 429, "large": 413, "forbidden": 403}

    def script(peer: Peer) -> None:
        while request := peer.read():
            if request.connection_id == "broken":
                return
            status = statuses.get(request.connection_id, 200)
            peer.send(f"HTTP/1.1 {status} Whatever\r\nContent-Length: 5\r\n\r\nbody!".encode())

    server = serve(script)
    names = ["fine", "broken", *statuses]
    with caplog.at_level(logging.DEBUG):
        deliver(poster_to(server.endpoint), [delivery(name, b"a secret frame") for name in names])

    (record,) = caplog.records
    assert record.getMessage() == "failed posts"
    assert record.__dict__["reasons"] == {
        f"status {429}": MAX_TRIES,
        "status 413": 1,
        "status 403": 1,
        "curl 52": MAX_TRIES,
    }
    written = repr(record.__dict__)
    assert not [secret for secret in ("a secret frame", "body!", SECRET_KEY, TOKEN) if secret in written]


def test_a_call_without_failures_logs_nothing(serve: Serve, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        deliver_one(poster_to(serve(answering).endpoint))

    assert caplog.records == []
