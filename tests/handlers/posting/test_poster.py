"""What follows from an answer; `tests/faults/posting` has the poster itself, and servers that go wrong."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.posting import poster
from formbridge.posting.delivery import Delivery, Outcome, Receipt, build_probe
from formbridge.posting.poster import MAX_TRIES, NO_RESPONSE, PostRefused, Progress, build_connection_poster
from formbridge.runtime import environment
from tests.support.handlers.connections import connection

STATUSES = [200, 204, NO_RESPONSE, 410, 413, 429, 403, 302, 500, 503]


@given(
    frames=st.lists(st.binary(max_size=5), max_size=5),
    closes=st.booleans(),
    statuses=st.lists(st.sampled_from(STATUSES), min_size=18, max_size=18),
)
def test_every_delivery_ends_after_a_bounded_number_of_requests(
    frames: list[bytes], closes: bool, statuses: list[int]
) -> None:
    progress = Progress(Delivery(connection(), frames, closes))
    asked: list[tuple[bytes | None, int]] = []
    receipt = progress.build_receipt(Outcome.POSTED) if progress.is_complete else None
    answers = iter(statuses)
    while receipt is None:
        index, status = progress.index, next(answers)
        asked.append((progress.next_frame, status))
        followed = progress.handle_status(status)
        if isinstance(followed, Receipt):
            receipt = followed
        else:
            again = progress.index == index
            assert 0 <= followed <= poster.BACKOFF_SECONDS * 2 ** (MAX_TRIES - 2)
            assert followed == 0 or again, "only what is tried again waits"

    requests = [frame for frame, _ in asked]
    taken = [frame for frame, status in asked if frame is not None and 200 <= status < 300]
    assert len(requests) <= MAX_TRIES * (len(frames) + closes)
    assert (None in requests) == closes, "a connection is closed in any case, or in none"
    assert requests.index(None) == len(requests) - requests.count(None) if closes else True
    assert (receipt.frames, receipt.sent_bytes) == (len(taken), sum(map(len, taken)))
    assert taken == frames[: len(taken)]
    last = asked[-1][1] if asked else 200
    assert receipt.outcome is {200: Outcome.POSTED, 204: Outcome.POSTED, 410: Outcome.GONE}.get(last, Outcome.BEHIND)
    assert isinstance(receipt.failure, PostRefused) == (last in (403, 302))


@given(
    statuses=st.lists(
        st.sampled_from([NO_RESPONSE, 429, 500, 502, 503, 504, 599]), min_size=MAX_TRIES, max_size=MAX_TRIES
    )
)
def test_what_may_pass_is_tried_three_times(statuses: list[int]) -> None:
    progress = Progress(Delivery(connection(), [b"frame"]))

    *pauses, receipt = map(progress.handle_status, statuses)

    assert all(isinstance(pause, float) for pause in pauses)
    assert isinstance(receipt, Receipt)
    assert (receipt.outcome, receipt.failure, receipt.retries) == (Outcome.BEHIND, None, MAX_TRIES - 1)


def test_every_frame_may_be_tried_as_often() -> None:
    progress = Progress(Delivery(connection(), [b"1", b"2"]))

    *_, receipt = [progress.handle_status(status) for status in (429, 429, 200, 429, 429, 200)]

    assert isinstance(receipt, Receipt)
    assert (receipt.outcome, receipt.frames, receipt.retries) == (Outcome.POSTED, 2, 4)


@pytest.mark.parametrize(
    ("statuses", "outcome", "fails"),
    [
        ([200], Outcome.POSTED, False),
        ([410], Outcome.GONE, False),
        ([500, 200], Outcome.POSTED, False),
        ([429] * MAX_TRIES, Outcome.BEHIND, False),
        ([403], Outcome.BEHIND, True),
    ],
)
def test_a_probe_finds_out_whether_a_connection_is_open(statuses: list[int], outcome: Outcome, fails: bool) -> None:
    progress = Progress(build_probe(connection("conn-1")))
    assert not progress.is_complete
    assert (progress.next_method, progress.next_frame) == ("GET", None)
    *_, receipt = map(progress.handle_status, statuses)
    assert isinstance(receipt, Receipt)
    assert (receipt.outcome, receipt.frames, receipt.failure is not None) == (outcome, 0, fails)
    if receipt.failure:
        assert str(receipt.failure) == "GET of connection conn-1 was answered with status 403"


def test_what_is_refused_names_request_and_connection_and_holds_no_frame() -> None:
    receipt = Progress(Delivery(connection("conn-1"), [b"a secret"])).handle_status(403)

    assert isinstance(receipt, Receipt)
    assert str(receipt.failure) == "POST of connection conn-1 was answered with status 403"


class TestFromTheEnvironment:
    @pytest.fixture(autouse=True)
    def environment(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        monkeypatch.setenv("MANAGEMENT_ENDPOINT", "http://127.0.0.1:1/live")
        monkeypatch.setenv("POSTS_PER_SECOND", "1000")

    def test_it_posts_to_the_gateway_that_is_named(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "key")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        monkeypatch.setattr(poster, "MAX_TRIES", 1)

        (receipt,) = build_connection_poster().deliver([Delivery(connection(), [b"frame"])], time.monotonic() + 30)

        assert receipt.outcome is Outcome.BEHIND, "nobody listens there"

    @pytest.mark.parametrize("name", ["MANAGEMENT_ENDPOINT", "POSTS_PER_SECOND"])
    def test_what_is_missing_is_an_error_that_names_it(self, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv(name)

        with pytest.raises(
            environment.EnvironmentVariableError, match=f"^{name}: the environment variable is not set$"
        ):
            build_connection_poster()

    @pytest.mark.parametrize(
        ("name", "value", "message"),
        [
            ("MANAGEMENT_ENDPOINT", "wss://host/live", "endpoint: must be https://HOST/STAGE"),
            ("POSTS_PER_SECOND", "0", "per_second: must be at least 1"),
            ("POSTS_PER_SECOND", "many", "POSTS_PER_SECOND: must be an integer"),
        ],
    )
    def test_what_is_wrong_is_an_error(
        self, name: str, value: str, message: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(name, value)

        with pytest.raises(ValueError, match=f"^{message}"):
            build_connection_poster()
