"""The first law: no frame carries another tenant's data, whatever clients send.

The real handlers, from the authorizer to the broadcast, work on tables in memory; only the posts to connections are
caught instead of sent. What a tenant owns is marked, so that it is known wherever it turns up.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

import authenticate
import authorize
import broadcast
import connect
import fanout
import janitor
import message
import persist
from formbridge.access.handshake import Identity
from formbridge.access.token_verifier import TokenVerifier
from formbridge.broadcast import wiring
from formbridge.connections import table as connections_table
from formbridge.connections import tenants
from formbridge.runtime import aws, keys
from formbridge.session import lambda_reply
from formbridge.submissions import table as submissions_table
from formbridge.wire.cursor import Cursor
from tests.support.handlers import issuer
from tests.support.handlers.builders import (
    HOUR_S,
    NOW,
    LambdaContext,
    authorizer_event,
    connect_event,
    disconnect_event,
    iso,
    message_event,
    record,
    submission,
    updated,
    with_context,
)
from tests.support.handlers.strategies import ANY_TEXT, JSON
from tests.support.handlers.world import Poster
from tools.client import extract_updates

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

TENANTS = ("t_a", "t_ab", "t_A", "t_a-b")
"""Each is nearly another."""
MARKS = {tenant: f"mark{number}mark" for number, tenant in enumerate(TENANTS)}
CONTEXT = LambdaContext()


@cache
def token_for(*granted: str) -> str:
    """A token that grants these tenants. It outlives every connection."""
    tomorrow = NOW // 1000 + issuer.DAY_S
    return issuer.token(issuer.claims(exp=tomorrow, **{issuer.CLAIM: list(granted)}))


@dataclass
class Client:
    """A connection, and all that its client was ever told or said."""

    connection_id: str
    granted: tuple[str, ...]
    """What its token grants."""
    tenant_id: str
    expires_at: int
    shard: int
    """Of the connections table, by the authorizer."""
    said: str = ""
    cursors: list[str] = field(default_factory=list[str])


@dataclass
class World:
    """Everything at once: tenants, their submissions, clients with tokens."""

    region: Region
    poster: Poster
    clients: list[Client] = field(default_factory=list[Client])
    connections: int = 0
    writes: int = 0

    def connect(self, granted: tuple[str, ...], wanted: str | None) -> None:
        """Someone with a token that grants some tenants connects, and asks for one by name or not."""
        query = {"tenant_id": wanted} if wanted is not None else None
        connection_id, headers = f"conn-{self.connections + 1}", {"Authorization": f"Bearer {token_for(*granted)}"}
        answer = authorize.handler(authorizer_event(headers, query, connection_id=connection_id), CONTEXT)
        if answer["policyDocument"]["Statement"][0]["Effect"] != "Allow":
            return
        self.connections += 1
        context = answer["context"]
        expires_at = NOW // 1000 + HOUR_S
        client = Client(connection_id, granted, context["tenant_id"], expires_at, int(context["shard"]))
        assert client.tenant_id in granted, "connected as a tenant that the token does not grant"
        event = connect_event(client.tenant_id, connection_id, expires_at=client.expires_at, shard=client.shard)
        assert connect.handler(event, CONTEXT)["statusCode"] == 200
        self.clients.append(client)

    def ask(self, client: Client, frame: Mapping[str, Any]) -> None:
        """A client sends a frame, and keeps what it is answered."""
        body = json.dumps(frame)
        is_comparison = frame.get("action") == "reconcile"
        client.said += "" if is_comparison else body
        event = message_event(
            body, client.tenant_id, client.connection_id, expires_at=client.expires_at, shard=client.shard
        )
        entry_point = authenticate if frame.get("action") == "authenticate" else message
        answer = entry_point.handler(event, CONTEXT).get("body", "{}")
        self.told(client, answer, body if is_comparison else "")
        reply = json.loads(answer)
        cursor = frame.get("cursor")
        if any(cursor in other.cursors for other in self.clients if other.tenant_id != client.tenant_id):
            assert reply.get("type") not in ("subscribed", "synced"), "a stolen cursor was taken"
        if reply.get("type") in ("subscribed", "synced"):
            client.cursors.append(reply["cursor"])

    def write(self, tenant: str, name: int, status: str) -> None:
        """The form product writes a submission of a tenant, and the pipe hands its record on."""
        submission_id, form_id = f"{MARKS[tenant]}-{name}", f"form-{MARKS[tenant]}"
        self.writes += 1
        before = self.region.item(submission_id, tenant)
        detail = {"tenant_id": tenant, "submission_id": submission_id, "form_id": form_id, "status": status}
        persist.handler(updated(**detail, payload={"secret": MARKS[tenant]}, updated_at=iso(self.writes)), CONTEXT)
        after = self.region.item(submission_id, tenant)
        if after != before:
            broadcast.handler([record("MODIFY" if before else "INSERT", new=after, old=before)], CONTEXT)
        while work := self.region.handed_over():
            fanout.handler({"Records": [{"messageId": "1", "body": body} for body in work]}, CONTEXT)
        for client in self.clients:
            for frame in self.poster.to(client.connection_id):
                self.told(client, frame)
        self.poster.posted.clear()

    def told(self, client: Client, frame: str, asked: str = "") -> None:
        """A frame reaches a client: it may hold what is its tenant's, and what the client said itself.

        What it `asked` for in a comparison may be in this reply and in no other: what is not there for it is removed.
        """
        for tenant, mark in MARKS.items():
            if tenant != client.tenant_id and mark not in client.said + asked:
                assert mark not in frame, f"{client.tenant_id} was told of {tenant}: {frame}"
        for update in extract_updates(json.loads(frame)):
            assert update["data"]["tenant_id"] == client.tenant_id


# --- What happens ---------------------------------------------------------------------------------------------

OF_TENANTS = st.sampled_from(TENANTS)
STATUSES = st.sampled_from(["new", "done", "deleted"])
ALTERNATIVES = st.sampled_from(
    [
        "new",
        {"prefix": ""},
        {"suffix": "mark"},
        {"exists": True},
        {"anything-but": "x"},
        {"equals-ignore-case": "NEW"},
    ]
)
FILTERS = st.dictionaries(
    st.sampled_from(["form_id", "status", "submission_id", "tenant_id"]), st.lists(ALTERNATIVES, max_size=2), max_size=2
)
FORGED = st.dictionaries(
    st.sampled_from(["tenant_id", "tenant", "connection_id", "PK", "GSI1PK", "requestContext", "authorizer", "id"]),
    OF_TENANTS | ANY_TEXT.filter(lambda text: "mark" not in text) | JSON,
    max_size=3,
)
ACTIONS = st.sampled_from(
    ["other", "subscribe", "subscribe", "sync", "sync", "reconcile", "unsubscribe", "authenticate", "ping"]
)


@st.composite
def made_up_cursors(draw: st.DrawFn) -> str:
    """What someone who knows how cursors are made would try."""
    epoch, started = draw(st.sampled_from([0, NOW])), draw(st.none() | st.just(NOW))
    return Cursor(draw(OF_TENANTS), epoch, iso(-HOUR_S * 1000), started).encode()


@st.composite
def steps(draw: st.DrawFn) -> Callable[[World], None]:
    """One thing that happens."""
    match draw(st.sampled_from(["connect", "write", "write", "ask", "ask", "ask", "ask", "leave", "clean"])):
        case "connect":
            granted = tuple(draw(st.lists(OF_TENANTS, min_size=1, max_size=2, unique=True)))
            wanted = draw(st.none() | OF_TENANTS)
            return lambda world: world.connect(granted, wanted)
        case "write":
            tenant, name, status = draw(OF_TENANTS), draw(st.integers(0, 2)), draw(STATUSES)
            return lambda world: world.write(tenant, name, status)
        case "leave":
            who = draw(st.integers(0, 9))
            return lambda world: leave(world, who)
        case "clean":
            return lambda world: janitor.handler({}, CONTEXT)
        case _:
            return draw(asks())


@st.composite
def asks(draw: st.DrawFn) -> Callable[[World], None]:
    """A client sends a frame, with what it should and what it should not know."""
    who, whose, which = (draw(st.integers(0, 9)) for _ in range(3))
    frame: dict[str, Any] = {**draw(FORGED), "action": draw(ACTIONS), "filter": draw(st.none() | FILTERS)}
    stolen, made_up = draw(st.booleans()), draw(st.none() | made_up_cursors())
    frame["held"] = [[f"{MARKS[draw(OF_TENANTS)]}-{n}", draw(st.sampled_from([0, NOW])), 1] for n in range(2)]
    if frame["action"] != "reconcile":
        del frame["held"]
    if draw(st.booleans()):
        frame["token"] = token_for(draw(OF_TENANTS))

    def ask(world: World) -> None:
        if not world.clients:
            return
        cursors = world.clients[whose % len(world.clients)].cursors
        if stolen and cursors:
            frame["cursor"] = cursors[which % len(cursors)]
        elif made_up is not None:
            frame["cursor"] = made_up
        world.ask(world.clients[who % len(world.clients)], frame)

    return ask


def leave(world: World, who: int) -> None:
    """A connection ends."""
    if world.clients:
        client = world.clients.pop(who % len(world.clients))
        connect.handler(disconnect_event(client.tenant_id, client.connection_id, shard=client.shard), CONTEXT)


HISTORIES = st.lists(steps(), min_size=5, max_size=30)


def live(history: Sequence[Callable[[World], None]], region: Region, poster: Poster) -> None:
    """Begin with what every tenant has, a submission and a client, and let a history happen."""
    region.clear()
    world = World(region, poster)
    for tenant in TENANTS:
        world.connect((tenant,), None)
        world.write(tenant, 0, "new")
    for client in world.clients:
        world.ask(client, {"action": "subscribe"})
    for step in history:
        step(world)


# --- The law, and that it would notice ------------------------------------------------------------------------


@pytest.fixture
def poster(region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Poster:
    """The poster of every handler; tokens are the test issuer's, whose keys are at hand."""
    caught = Poster()
    for module, name in (
        (lambda_reply, "poster"),
        (wiring, "build_connection_poster"),
        (janitor, "build_connection_poster"),
    ):
        monkeypatch.setattr(module, name, lambda: caught)
    # The second connection of a tenant makes it a large one, and the queue has the work.
    monkeypatch.setenv("FANOUT_THRESHOLD", "1")
    monkeypatch.setenv("CONNECTION_SHARDS", "3")
    monkeypatch.setenv("ALLOWED_ORIGINS", "")
    monkeypatch.setenv("TOKEN_IN_QUERY", "false")
    # As many frames as a test likes.
    monkeypatch.setenv("MESSAGE_BURST", "10000")
    monkeypatch.setenv("TENANT_MESSAGE_BURST", "10000")
    monkeypatch.setenv("TENANT_CONNECT_BURST", "10000")

    def verifier() -> TokenVerifier:
        return TokenVerifier(issuer.rules(), issuer.KeysInMemory())

    monkeypatch.setattr(TokenVerifier, "from_environment", verifier)
    return caught


LAW = settings(
    max_examples=40,
    # A history takes a good part of a second: one that fails is told as it was found.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


@pytest.mark.no_cover
@LAW
@given(HISTORIES)
def test_no_frame_carries_another_tenants_data(
    region: Region, poster: Poster, history: list[Callable[[World], None]]
) -> None:
    live(history, region, poster)


class Reached(BaseException):
    """A Lambda asked AWS for something. It is no `Exception`, so no handler answers it with an error frame."""


@dataclass(frozen=True)
class Forbidden:
    """A connection that the authorizer let in only to be refused by a frame."""

    context: Mapping[str, str]

    def on_it(self, event: Mapping[str, Any]) -> dict[str, Any]:
        """The same event, of this connection."""
        return with_context(event, self.context)


@pytest.fixture
def forbidden(poster: Poster, region: Region) -> Iterator[Forbidden]:
    """Such a connection. Until the test ends, nobody may ask AWS anything."""
    region.put(submission("s1", tenant_id="t_a"))
    headers, query = {"Authorization": f"Bearer {token_for('t_a')}"}, {"tenant_id": "t_ab", "refusal": "frame"}
    policy = authorize.handler(authorizer_event(headers, query), CONTEXT)
    assert policy["policyDocument"]["Statement"][0]["Effect"] == "Allow"

    def reach(**_: object) -> None:
        raise Reached

    aws.session.cache_clear()
    aws.session().register("before-call", reach)
    yield Forbidden({"principalId": policy["principalId"], **policy["context"]})
    aws.session.cache_clear()


@LAW
@given(frame=st.fixed_dictionaries({"action": ACTIONS, "tenant_id": OF_TENANTS}) | JSON)
def test_a_connection_with_a_wrong_tenant_reaches_nothing_and_is_told_only_that(
    poster: Poster, forbidden: Forbidden, frame: object
) -> None:
    told = '{"type":"disconnect","code":"forbidden","reconnect":false}'
    poster.posted.clear()
    assert connect.handler(forbidden.on_it(connect_event()), CONTEXT)["statusCode"] == 200
    for entry_point in (message, authenticate):
        answer = entry_point.handler(forbidden.on_it(message_event(frame)), CONTEXT)
        assert answer == {"statusCode": 200}
    renamed = message_event(frame)
    renamed["requestContext"]["routeKey"] = "$connect"
    assert connect.handler(forbidden.on_it(renamed), CONTEXT) == {"statusCode": 200}
    assert poster.posted == [("conn-1", told)] * 3
    assert connect.handler(forbidden.on_it(disconnect_event()), CONTEXT) == {"statusCode": 200}


def one_partition(_tenant_id: str, _shard: int = 0) -> str:
    return "TENANT#"


def keys_of_one_partition() -> SimpleNamespace:
    """The module `keys`, with the same partition for every tenant."""
    return SimpleNamespace(**{**vars(keys), "tenant_partition": one_partition})


def one_partition_of_submissions(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(submissions_table, "keys", keys_of_one_partition())


def one_partition_of_connections(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(tenants, "keys", keys_of_one_partition())
    patch.setattr(connections_table, "keys", keys_of_one_partition())


def any_tenant_that_is_asked_for(patch: pytest.MonkeyPatch) -> None:
    def choose(identity: Identity, wanted: str | None) -> str:
        return wanted or identity.tenants[0]

    patch.setattr(Identity, "choose_tenant", choose)


def cursors_of_anyone(patch: pytest.MonkeyPatch) -> None:
    decode = Cursor.decode

    def of_whoever_made_it(text: str, tenant_id: str, now_ms: int) -> Cursor:
        for owner in TENANTS:
            try:
                return decode(text, owner, now_ms)
            except ValueError:
                continue
        return decode(text, tenant_id, now_ms)

    patch.setattr(Cursor, "decode", of_whoever_made_it)


@pytest.mark.parametrize(
    "mutation",
    [one_partition_of_submissions, one_partition_of_connections, any_tenant_that_is_asked_for, cursors_of_anyone],
)
def test_a_check_of_the_tenant_that_is_left_out_is_noticed(
    region: Region, poster: Poster, monkeypatch: pytest.MonkeyPatch, mutation: Callable[[pytest.MonkeyPatch], None]
) -> None:
    mutation(monkeypatch)

    # It ends with the first history that shows the fault. With as few as the law has, chance would miss one at times.
    @settings(LAW, database=None, max_examples=400)
    @given(HISTORIES)
    def law(history: list[Callable[[World], None]]) -> None:
        live(history, region, poster)

    with pytest.raises((AssertionError, ExceptionGroup)):
        law()
