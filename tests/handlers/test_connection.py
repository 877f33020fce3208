from __future__ import annotations

import json

import pytest

from formbridge import protocol
from formbridge.connection import Outcome, disconnect
from tests.handlers.builders import NOW
from tests.handlers.connections import Posts, Registered, connection


def end(posts: Posts, registered: Registered) -> Outcome:
    return disconnect(connection("a"), protocol.REVOKED, posts, registered)


def test_a_connection_is_told_why_it_ends_closed_and_forgotten() -> None:
    posts, registered = Posts(), Registered()
    assert end(posts, registered) is Outcome.GONE
    assert [json.loads(frame) for frame in posts.sent["a"]] == [
        {"type": "disconnect", "code": "revoked", "reconnect": True}
    ]
    assert posts.closed == ["a"]
    assert registered.removed == ["a"]


@pytest.mark.parametrize("outcome", [Outcome.GONE, Outcome.BEHIND])
def test_a_connection_that_cannot_be_told_is_closed_and_forgotten_all_the_same(outcome: Outcome) -> None:
    posts, registered = Posts({"a": outcome}), Registered()
    assert end(posts, registered) is Outcome.GONE
    assert posts.closed == ["a"]
    assert registered.removed == ["a"]


def test_a_connection_that_is_gone_already_is_forgotten() -> None:
    posts, registered = Posts({"a": Outcome.GONE}, closing=Outcome.GONE), Registered()
    assert end(posts, registered) is Outcome.GONE
    assert registered.removed == ["a"]


def test_a_connection_that_cannot_be_closed_now_keeps_its_row_for_the_next_try() -> None:
    posts, registered = Posts(closing=Outcome.BEHIND), Registered()
    assert end(posts, registered) is Outcome.BEHIND
    assert registered.untouched


@pytest.mark.parametrize(("expires_at", "has_expired"), [(NOW // 1000, True), (NOW // 1000 + 1, False)])
def test_a_token_is_good_until_the_second_in_which_it_expires(expires_at: int, has_expired: bool) -> None:
    assert connection("a", expires_at=expires_at).has_expired(NOW) is has_expired
