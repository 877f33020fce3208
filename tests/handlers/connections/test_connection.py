from __future__ import annotations

import json

import pytest

from formbridge.posting.delivery import build_closing_delivery
from formbridge.wire import protocol
from tests.support.handlers.builders import NOW
from tests.support.handlers.connections import connection


def test_a_connection_is_told_why_it_ends_and_then_closed() -> None:
    ended = connection("a")
    end = build_closing_delivery(ended, protocol.REVOKED)
    assert (end.connection, end.closes) == (ended, True)
    assert [json.loads(frame) for frame in end.frames] == [{"type": "disconnect", "code": "revoked", "reconnect": True}]


@pytest.mark.parametrize(
    ("full_at", "probed_at", "seen_at"),
    [(0, 0, 1_000), (2_500_999, 0, 2_500), (2_500_999, 3_000, 3_000), (500_000, 600, 1_000)],
)
def test_a_connection_was_last_seen_when_it_came_sent_a_frame_or_was_found_open(
    full_at: int, probed_at: int, seen_at: int
) -> None:
    assert connection(connected_at=1_000, full_at=full_at, probed_at=probed_at).seen_at == seen_at


@pytest.mark.parametrize(("expires_at", "has_expired"), [(NOW // 1000, True), (NOW // 1000 + 1, False)])
def test_a_token_is_good_until_the_second_in_which_it_expires(expires_at: int, has_expired: bool) -> None:
    assert connection("a", expires_at=expires_at).has_expired(NOW) is has_expired
