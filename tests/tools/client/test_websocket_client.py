"""The client on real sockets: what it does when a connection ends, and that it tells nobody the token."""

from __future__ import annotations

import json
import logging
import socket
import time
from itertools import islice
from threading import Event, Thread

import pytest

from tests.support.tools.frames import error, push, subscribed, synced, update
from tests.support.tools.gateway import PATIENCE, TOKEN, Talk, gateway
from tools.client import Client, Disconnected, HandshakeRefused, Subscription
from tools.client.websocket_client import STABLE_CONNECTION_SECONDS


def at_once(_least: float, _most: float) -> float:
    """No wait before the next connection."""
    return 0


def take(client: Client, count: int) -> list[tuple[str, int]]:
    """The next changes, as submission and version."""
    return [(change["data"]["submission_id"], change["data"]["version"]) for change in islice(client, count)]


def first_view(talk: Talk) -> None:
    """Submission s1; then the gateway closes the connection."""
    talk.send(subscribed(talk.asked(), update("insert", 1)))


def resumed(talk: Talk) -> None:
    """The connection after that: s1 has changed."""
    request = talk.asked()
    assert request["cursor"] == "of 1"
    talk.send(subscribed(request, update("modify", 2)))
    talk.until_closed()


# --- Connections ----------------------------------------------------------------------------------------------


def test_it_yields_the_changes_and_holds_the_view() -> None:
    def script(talk: Talk) -> None:
        first_view(talk)
        talk.send(push(update("insert", 1, "s2"), update("insert", 1)), push(update("leave", 2)))
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 3) == [("s1", 1), ("s2", 1), ("s1", 2)]
        assert client.submissions.keys() == {"s2"}
    assert running.tokens == [TOKEN]


@pytest.mark.parametrize("status", [401, 403, 404])
def test_a_refused_handshake_ends_it_with_its_status(status: int) -> None:
    with (
        gateway(status) as running,
        Client(running.url, TOKEN) as client,
        pytest.raises(HandshakeRefused, match=f"HTTP {status}$") as refused,
    ):
        next(client)
    assert refused.value.status == status


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_gateway_in_trouble_is_tried_again(status: int) -> None:
    with gateway(status, status, first_view) as running, Client(running.url, TOKEN, jitter=at_once) as client:
        assert take(client, 1) == [("s1", 1)]


def test_nobody_there_is_tried_again_and_each_time_later() -> None:
    waits: list[tuple[float, float]] = []

    def jitter(least: float, most: float) -> float:
        waits.append((least, most))
        if len(waits) == 7:
            client.close()
        return 0

    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))  # so that no other process listens there
        with Client(f"ws://127.0.0.1:{bound.getsockname()[1]}/live", TOKEN, jitter=jitter) as client:
            assert list(client) == []
    assert waits == [(0, 1), (0, 2), (0, 4), (0, 8), (0, 16), (0, 30), (0, 30)]


def test_after_a_connection_that_lasted_the_next_comes_soon_again() -> None:
    waits: list[float] = []
    now = time.time()
    later = Event()

    def jitter(_least: float, most: float) -> float:
        waits.append(most)
        return 0

    def lasting(talk: Talk) -> None:
        first_view(talk)
        assert later.wait(PATIENCE)

    with (
        gateway(503, 503, lasting, resumed) as running,
        Client(running.url, TOKEN, jitter=jitter, clock=lambda: now) as client,
    ):
        assert take(client, 1) == [("s1", 1)]
        now += STABLE_CONNECTION_SECONDS
        later.set()
        assert take(client, 1) == [("s1", 2)]
    assert waits == [1, 2, 1]


def test_a_lost_connection_is_resumed_and_the_view_kept() -> None:
    def first(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), update("insert", 1), update("insert", 1, "s2")))

    with gateway(first, resumed) as running, Client(running.url, TOKEN, jitter=at_once) as client:
        assert take(client, 3) == [("s2", 1), ("s1", 1), ("s1", 2)]
        assert client.submissions.keys() == {"s1", "s2"}


def test_disconnect_with_reconnect_is_resumed() -> None:
    def first(talk: Talk) -> None:
        first_view(talk)
        talk.send({"type": "disconnect", "code": "server_shutdown", "reconnect": True})
        talk.until_closed()

    with gateway(first, resumed) as running, Client(running.url, TOKEN, jitter=at_once) as client:
        assert take(client, 2) == [("s1", 1), ("s1", 2)]


@pytest.mark.parametrize(
    ("query", "path"), [("", "/live?refusal=frame"), ("?tenant_id=t_acme", "/live?tenant_id=t_acme&refusal=frame")]
)
def test_it_wants_to_be_refused_by_a_frame(query: str, path: str) -> None:
    with gateway(first_view) as running, Client(running.url + query, TOKEN) as client:
        assert take(client, 1) == [("s1", 1)]
    assert running.paths == [path]


def test_a_tenant_with_too_many_connections_is_tried_again_and_each_time_later() -> None:
    waits: list[float] = []

    def jitter(_least: float, most: float) -> float:
        waits.append(most)
        return 0

    def full(talk: Talk) -> None:
        assert talk.asked()["action"] == "subscribe"
        talk.send({"type": "disconnect", "code": "too_many_connections", "reconnect": True})
        talk.until_closed()

    with gateway(full, full, full, first_view) as running, Client(running.url, TOKEN, jitter=jitter) as client:
        assert take(client, 1) == [("s1", 1)]
    assert waits == [1, 2, 4]


def test_a_wrong_tenant_ends_it() -> None:
    def script(talk: Talk) -> None:
        talk.asked()
        talk.send({"type": "disconnect", "code": "forbidden", "reconnect": False})
        talk.until_closed()

    with (
        gateway(script) as running,
        Client(running.url, TOKEN) as client,
        pytest.raises(Disconnected, match=r"^forbidden$"),
    ):
        next(client)


def test_disconnect_without_reconnect_ends_it_with_its_code() -> None:
    def script(talk: Talk) -> None:
        first_view(talk)
        talk.send({"type": "disconnect", "code": "protocol_error", "reconnect": False})
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 1) == [("s1", 1)]
        with pytest.raises(Disconnected, match=r"^protocol_error$"):
            next(client)


def test_what_was_rate_limited_is_asked_again() -> None:
    def script(talk: Talk) -> None:
        talk.send(error(talk.asked(), "rate_limited", retryable=True, retry_after_ms=1))
        first_view(talk)
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 1) == [("s1", 1)]


def test_silence_makes_it_sync() -> None:
    def script(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), heartbeat_seconds=0.01))
        request = talk.asked()
        assert (request["action"], request["cursor"]) == ("sync", "of 1")
        talk.send(synced(request, update("modify", 2)))
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 1) == [("s1", 2)]


def test_a_new_filter_is_asked_for_on_the_same_connection() -> None:
    def script(talk: Talk) -> None:
        first_view(talk)
        request = talk.asked()
        assert request["filter"] == {"status": ["done"]}
        talk.send(subscribed(request, update("insert", 1, "s2"), filter_id="b"))
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 1) == [("s1", 1)]
        client.set_filter({"status": ["done"]})
        assert take(client, 1) == [("s2", 1)]
        assert client.submissions.keys() == {"s2"}


def test_a_new_filter_that_finds_the_connection_lost_is_asked_for_on_the_next() -> None:
    lost = Event()

    def first(talk: Talk) -> None:
        first_view(talk)
        talk.socket.close()
        lost.set()

    def second(talk: Talk) -> None:
        request = talk.asked()
        assert (request["filter"], request.get("cursor")) == ({"status": ["done"]}, None)
        talk.send(subscribed(request, update("insert", 1, "s2")))
        talk.until_closed()

    with gateway(first, second) as running, Client(running.url, TOKEN, jitter=at_once) as client:
        assert take(client, 1) == [("s1", 1)]
        assert lost.wait(PATIENCE)
        client.set_filter({"status": ["done"]})
        assert take(client, 1) == [("s2", 1)]


def test_it_ends_when_another_thread_closes_it() -> None:
    def script(talk: Talk) -> None:
        first_view(talk)
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 1) == [("s1", 1)]
        closing = Thread(target=client.close)
        closing.start()
        assert list(client) == []
        closing.join()


# --- The cursor -----------------------------------------------------------------------------------------------


def test_the_cursor_to_resume_from_acknowledges_only_what_was_yielded() -> None:
    def script(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), update("insert", 1), update("insert", 1, "s2")))
        talk.send(push(update("insert", 1, "s3")))
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN) as client:
        assert take(client, 2) == [("s2", 1), ("s1", 1)]
        assert client.cursor is None
        assert take(client, 1) == [("s3", 1)]
        assert client.cursor == "of 1"


def test_an_earlier_runs_cursor_is_resumed_from() -> None:
    def script(talk: Talk) -> None:
        request = talk.asked()
        assert request["cursor"] == "from an earlier run"
        talk.send(subscribed(request, update("remove", 2)))
        talk.until_closed()

    subscription = Subscription(cursor="from an earlier run")
    with gateway(script) as running, Client(running.url, TOKEN, subscription) as client:
        assert client.cursor == "from an earlier run"
        assert take(client, 1) == [("s1", 2)]


# --- The token ------------------------------------------------------------------------------------------------


def test_each_connection_gets_a_fresh_token_and_so_does_one_that_ends_with_its_token() -> None:
    def renewed(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), update("insert", 1)))
        request = talk.asked()
        assert (request["action"], request["token"]) == ("authenticate", "c.c.c")
        talk.send(push(update("modify", 2)))
        talk.until_closed()

    tokens = iter(["a.a.a", "b.b.b", "c.c.c"])
    with gateway(503, renewed) as running, Client(running.url, lambda: next(tokens), jitter=at_once) as client:
        assert take(client, 1) == [("s1", 1)]
        client.subscription.renew_at = time.time() + 0.01
        assert take(client, 1) == [("s1", 2)]
    assert running.tokens == ["a.a.a", "b.b.b"]


def test_no_log_and_no_repr_tells_the_token(caplog: pytest.LogCaptureFixture) -> None:
    def script(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), update("insert", 1)))
        assert talk.asked()["token"] == TOKEN
        talk.send(push(update("modify", 2)))
        talk.until_closed()

    caplog.set_level(logging.DEBUG)
    with gateway(script) as running, Client(running.url, lambda: TOKEN) as client:
        assert take(client, 1) == [("s1", 1)]
        client.subscription.renew_at = 0
        assert take(client, 1) == [("s1", 2)]
        assert TOKEN not in repr([client, client.subscription])
    # The server's side has the token too, and logs what it pleases.
    mine = [record.getMessage() for record in caplog.records if record.name.startswith("tools.")]
    assert "connected" in mine
    assert TOKEN not in "".join(mine)
    assert not [record for record in caplog.records if record.name == "websockets.client"]


@pytest.mark.parametrize("token", ["not a token", "a.b", f"{TOKEN}\r\nX-More: 1", f"bearer.{TOKEN}", "a.b.c.d", ""])
@pytest.mark.parametrize("given", ["as text", "by a function"])
def test_what_is_no_token_is_refused_and_not_quoted(token: str, given: str) -> None:
    with pytest.raises(ValueError, match=r"^token: must be a JWT") as refused:
        next(Client("ws://127.0.0.1:1/live", token if given == "as text" else lambda: token))
    assert not token or token not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("https://host/live", "wss://", "wss:///live", "host", "", "ws://"),
        # Without TLS to another machine, and what looks like this one.
        *("ws://gateway.example/live", "ws://127.0.0.1.example/live", "ws://localhost@gateway.example/live"),
        *("ws://127.0.0.2/live", "ws://0.0.0.0/live", "ws://[::2]/live", "WS://gateway.example/live"),
    ],
)
def test_what_is_no_url_is_refused_and_its_query_not_quoted(url: str) -> None:
    with pytest.raises(ValueError, match=r"^url: must be wss://") as refused:
        Client(f"{url}?token={TOKEN}", TOKEN)
    assert repr(url) in str(refused.value)
    assert TOKEN not in str(refused.value)


@pytest.mark.parametrize(
    "url",
    [
        *("wss://gateway.example/live", "wss://gateway.example:8443/live", "WSS://gateway.example"),
        *("ws://127.0.0.1:4566/live", "ws://localhost/live", "ws://LOCALHOST/live", "ws://[::1]:4566/live"),
    ],
)
def test_a_url_has_tls_or_leads_to_this_machine(url: str) -> None:
    Client(url, TOKEN).close()


@pytest.mark.parametrize("character", ["é", "\N{WAVING HAND SIGN}"], ids=ascii)
def test_the_longest_filter_is_a_small_frame_whatever_its_characters(character: str) -> None:
    """The gateway refuses a frame of more than 32 KB. With escapes, 4,096 characters may take twelve bytes each."""
    pattern = {"form_id": [character * 4_000]}

    def script(talk: Talk) -> None:
        text = talk.socket.recv(PATIENCE)
        assert isinstance(text, str)
        assert len(text.encode()) <= 4_000 * 4 + 200
        request = json.loads(text)
        assert request["filter"] == pattern
        talk.send(subscribed(request, update("insert", 1)))
        talk.until_closed()

    with gateway(script) as running, Client(running.url, TOKEN, Subscription(filter=pattern)) as client:
        assert take(client, 1) == [("s1", 1)]


def test_a_character_that_is_none_does_not_end_the_client() -> None:
    def script(talk: Talk) -> None:
        request = talk.asked()
        assert request["filter"] == {"form_id": ["?"]}
        talk.send(subscribed(request, update("insert", 1)))
        talk.until_closed()

    wanted = Subscription(filter={"form_id": ["\ud800"]})
    with gateway(script) as running, Client(running.url, TOKEN, wanted) as client:
        assert take(client, 1) == [("s1", 1)]
