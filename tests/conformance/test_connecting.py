"""Connecting: who gets a connection, and which."""

from __future__ import annotations

import hashlib
import hmac
from typing import TYPE_CHECKING

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from formbridge.revocations.revocation import FOREVER, Revocation, list_targets
from tests.support.conformance.backstage import Backstage, made
from tests.support.conformance.document import states
from tests.support.conformance.wire import Gateway, ids_of, updates_of
from tests.support.handlers.builders import inserted
from tests.support.handlers.issuer import handmade

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.conformance.tokens import Issuer

PAGE_ORIGIN = "https://dashboard.example"


@states(
    "A client connects to `wss://{api}.execute-api.{region}.amazonaws.com/{stage}` with the subprotocols "
    "`formbridge.v1` and `bearer.<JWT>`."
)
def test_a_browser_connects_by_two_subprotocols(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    assert gateway.url.endswith("/live")
    with gateway.connect(issuer.token(tenant)) as wire:
        assert wire.ask("ping")["type"] == "pong"


@states("A client that is not a browser may send `Authorization: Bearer <JWT>` instead.")
def test_a_token_is_taken_from_the_header(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    with gateway.connect(issuer.token(tenant), in_header=True) as wire:
        assert wire.ask("ping")["type"] == "pong"


@states("The server selects `formbridge.v1` and never echoes the token.")
def test_the_handshakes_answer_names_the_protocol_and_not_the_token(
    gateway: Gateway, issuer: Issuer, tenant: str
) -> None:
    token = issuer.token(tenant)
    with gateway.connect(token) as wire:
        response = wire.socket.response
        frames = [wire.ask("subscribe"), *(wire.ask("authenticate", token=one) for one in (token, token[1:]))]

    assert response is not None
    assert wire.socket.subprotocol == "formbridge.v1"
    assert response.headers["Sec-WebSocket-Protocol"] == "formbridge.v1"
    for part in token.split("."):
        assert part not in f"{response.headers}{response.body!r}{frames}"


@states("`?token=` works only if the configuration of the stack enables it.")
def test_a_token_in_the_query_is_taken_only_where_it_is_turned_on(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    query = f"?token={issuer.token(tenant)}"
    assert gateway.status(query=query) == 401
    with backstage.setting("gateway-authorize", TOKEN_IN_QUERY="true"):
        assert gateway.status(query=query) == 101


@states(
    (
        "The query parameter `?tenant_id=t_…` is optional: it must name a tenant that the token grants, and it "
        "chooses the tenant if the token grants several."
    ),
    "Any other value is refused.",
)
def test_the_query_chooses_among_the_tokens_tenants(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    second = f"{tenant}-2"
    one, several = issuer.token(tenant), issuer.token([tenant, second])
    with gateway.connect(several, query=f"?tenant_id={second}"):
        assert len(backstage.rows(second)) == 1
        assert backstage.rows(tenant) == []

    assert gateway.status(one) == 101
    assert gateway.status(one, query=f"?tenant_id={tenant}") == 101
    assert gateway.status(several) == 403
    for other in (second, "", "t_", tenant.upper(), f"{tenant}&tenant_id={second}"):
        assert gateway.status(one, query=f"?tenant_id={other}") == 403


@states("The tenant of a connection comes from the verified token alone.")
def test_no_field_or_header_makes_a_client_another_tenants(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    other = f"{tenant}-other"
    backstage.store(made(other, f"theirs-{tenant}"), made(tenant, f"mine-{tenant}"))
    forged = {"tenant_id": other, "tenant": other, "requestContext": {"authorizer": {"tenant_id": other}}}
    with gateway.connect(issuer.token(tenant, tenant=other), headers={"X-Tenant-Id": other}) as wire:
        subscribed = wire.ask("subscribe", **forged)
        backstage.broadcast(inserted(made(other, "theirs")), inserted(made(tenant, "mine")))
        wire.until_told("mine")
        synced = wire.ask("sync", cursor=subscribed["cursor"], **forged)

    assert synced["type"] == "synced"
    assert ids_of(subscribed) == [f"mine-{tenant}"]
    assert {update["data"]["tenant_id"] for frame in wire.frames for update in updates_of(frame)} == {tenant}


@states("By default, tenant ids match `^t_[A-Za-z0-9_-]{1,64}$`.")
@pytest.mark.parametrize(
    ("claim", "status"),
    [
        (f"t_{'Az09_-' * 10}4321", 101),
        (f"t_{'x' * 65}", 403),
        ("t_", 403),
        ("x_acme", 403),
        ("t_acmé", 403),
        ("t_acme\n", 403),
        ("t_acme#1", 403),
        (7, 403),
    ],
)
def test_a_tenants_id_has_one_shape(gateway: Gateway, issuer: Issuer, claim: object, status: int) -> None:
    assert gateway.status(issuer.token(claim)) == status


def _confused(issuer: Issuer, tenant: str) -> str:
    """Signed with the public key, as if that were a shared secret."""
    secret = issuer.key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    header = {"alg": "HS256", "typ": "JWT", "kid": issuer.key_id}
    return handmade(header, issuer.claims(tenant), lambda signed: hmac.digest(secret, signed, hashlib.sha256))


def _logout_token(issuer: Issuer, tenant: str) -> str:
    """Signed by the issuer for another purpose."""
    header = {"typ": "logout+jwt", "kid": issuer.key_id}
    return jwt.encode(issuer.claims(tenant), issuer.key, algorithm="RS256", headers=header)


BAD_TOKENS: Mapping[str, Callable[[Issuer, str], str]] = {
    "another key": lambda issuer, tenant: issuer.token(tenant, key=rsa.generate_private_key(65537, 2048)),
    "no signature": lambda issuer, tenant: handmade({"alg": "none", "kid": issuer.key_id}, issuer.claims(tenant)),
    "a shared secret": _confused,
    "another algorithm": lambda issuer, tenant: issuer.token(tenant, algorithm="RS512"),
    "another issuer": lambda issuer, tenant: issuer.token(tenant, iss="https://issuer.example/pool"),
    "another audience": lambda issuer, tenant: issuer.token(tenant, aud="another"),
    "a logout token": _logout_token,
    "for another party": lambda issuer, tenant: issuer.token(tenant, azp="another"),
    "no subject": lambda issuer, tenant: issuer.token(tenant, sub=""),
    "issued in the future": lambda issuer, tenant: issuer.token(tenant, iat=99_999_999_999),
    "expired": lambda issuer, tenant: issuer.token(tenant, exp=1_600_000_000),
    "not yet good": lambda issuer, tenant: issuer.token(tenant, nbf=99_999_999_999),
}

UNAUTHORIZED = (
    "The server answers the handshake with 401 if the client sent no token, or if the token does not verify "
    "(signature, algorithm, type, issuer, audience, authorized party, subject, expiry, issue time, not-before)."
)


@states(UNAUTHORIZED)
def test_without_a_token_it_is_401(gateway: Gateway) -> None:
    assert gateway.status() == 401


@states(UNAUTHORIZED)
@pytest.mark.parametrize("bad", BAD_TOKENS)
def test_a_token_that_does_not_verify_is_401(gateway: Gateway, issuer: Issuer, tenant: str, bad: str) -> None:
    assert gateway.status(BAD_TOKENS[bad](issuer, tenant)) == 401


FORBIDDEN = (
    "It answers with 403 if the token verifies, but does not grant the tenant, or if the Origin is not on the "
    "allow-list, or if the connection limit of the tenant or of the user is reached, or if the tenant, the user, the "
    "session or the token is revoked."
)


@states(FORBIDDEN)
def test_another_tenant_is_403(gateway: Gateway, issuer: Issuer, tenant: str) -> None:
    assert gateway.status(issuer.token(tenant), query=f"?tenant_id={tenant}-other") == 403


@states(FORBIDDEN)
def test_a_page_that_is_not_on_the_list_is_403(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token = issuer.token(tenant)
    with backstage.setting("gateway-authorize", ALLOWED_ORIGINS=f"https://other.example {PAGE_ORIGIN}"):
        assert gateway.status(token, origin="https://evil.example") == 403
        assert gateway.status(token, origin=PAGE_ORIGIN) == 101
        assert gateway.status(token) == 101  # no browser


@states(FORBIDDEN)
def test_a_connection_more_than_the_tenant_may_have_is_403(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token = issuer.token(tenant)
    with backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_TENANT="1"), gateway.connect(token):
        assert gateway.status(token) == 403
        assert gateway.status(issuer.token(f"{tenant}-other")) == 101


@states("It answers with 429 in any case if the tenant opens connections too fast.")
@pytest.mark.parametrize("query", ["", "?refusal=frame"])
def test_a_tenant_that_connects_too_fast_is_429(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, query: str
) -> None:
    assert gateway.status(issuer.token(tenant), query=query) == 101
    backstage.use_up_rates(tenant)
    assert gateway.status(issuer.token(tenant), query=query) == 429
    assert gateway.status(issuer.token(f"{tenant}-other"), query=query) == 101


@states(FORBIDDEN)
def test_whoever_is_revoked_is_403(gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str) -> None:
    token = issuer.token(tenant, sid=f"session of {tenant}")
    with gateway.connect(token):
        principal = backstage.row(tenant).principal
    for target in list_targets(tenant, principal):
        backstage.revoke(target, Revocation(blocked_until=FOREVER))
        assert gateway.status(token) == 403
        backstage.revoke(target, Revocation())
    assert gateway.status(token) == 101


@states(FORBIDDEN)
def test_a_dead_connection_is_found_and_makes_room(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token = issuer.token(tenant)
    with backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_TENANT="1"), gateway.connect(token) as wire:
        backstage.silence(tenant)
        backstage.sweep()
        assert wire.ask("ping")["type"] == "pong"
        assert backstage.row(tenant).probed_at > 0

    dead = f"{tenant}-dead"
    backstage.leave_a_row(dead)
    with backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_TENANT="1"):
        assert gateway.status(issuer.token(dead)) == 403
        backstage.sweep()
        assert backstage.rows(dead) == []
        assert gateway.status(issuer.token(dead)) == 101


@states(
    (
        "A client that adds the query parameter `refusal=frame` gets no 403 if the token does not grant the tenant, "
        "or if a connection limit is reached."
    ),
    "The server accepts its connection, answers its first frame with `disconnect`, and closes it.",
    (
        'The code is `forbidden` with `"reconnect": false`, or `too_many_connections` (of the tenant) or '
        '`too_many_connections_of_user` with `"reconnect": true`.'
    ),
    "Every client should use it.",
    "A browser needs it, because it cannot read the status of a refused handshake.",
    "Disconnect codes: `forbidden`",
)
def test_a_client_that_asks_for_it_is_refused_by_a_frame(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    token, by_frame = issuer.token(tenant), "?refusal=frame"
    with backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_TENANT="1"), gateway.connect(token):
        with gateway.connect(token, query=by_frame) as wire:
            wire.send({"action": "subscribe"})
            assert wire.until_closed() == [{"type": "disconnect", "code": "too_many_connections", "reconnect": True}]
        assert gateway.status(token, query="?refusal=status") == 403
        assert len(backstage.rows(tenant)) == 1
    one = issuer.token(tenant, sub="one")  # who has no connection that is still being removed
    with (
        backstage.setting("gateway-connect", MAX_CONNECTIONS_PER_USER="1"),
        backstage.setting("gateway-message", MAX_CONNECTIONS_PER_USER="1"),
        gateway.connect(one),
        gateway.connect(one, query=by_frame) as wire,
    ):
        wire.send({"action": "subscribe"})
        of_user = {"type": "disconnect", "code": "too_many_connections_of_user", "reconnect": True}
        assert wire.until_closed() == [of_user]
    with gateway.connect(token, query=by_frame) as wire:
        assert wire.ask("subscribe")["type"] == "subscribed"


@states(FORBIDDEN, "An Origin that is not on the allow-list and a revoked token get 403 in any case.")
@pytest.mark.parametrize("action", ["subscribe", "authenticate", "no action of the protocol"])
def test_a_wrong_tenant_is_refused_by_a_frame_if_the_client_asks_for_it(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str, action: str
) -> None:
    token, query = issuer.token(tenant), f"?tenant_id={tenant}-other&refusal=frame"
    backstage.store(made(f"{tenant}-other", f"theirs-{tenant}"))
    with gateway.connect(token, query=query) as wire:
        backstage.broadcast(inserted(made(f"{tenant}-other", "theirs")))
        wire.send({"action": action, "token": token, "tenant_id": f"{tenant}-other"})
        assert wire.until_closed() == [{"type": "disconnect", "code": "forbidden", "reconnect": False}]
    assert backstage.rows(f"{tenant}-other") == []
    with backstage.setting("gateway-authorize", ALLOWED_ORIGINS=PAGE_ORIGIN):
        assert gateway.status(token, query=query, origin="https://evil.example") == 403


@states("A connection receives no updates until it has subscribed.")
def test_a_connection_gets_nothing_until_it_has_subscribed(
    gateway: Gateway, issuer: Issuer, backstage: Backstage, tenant: str
) -> None:
    with gateway.connect(issuer.token(tenant)) as wire:
        backstage.broadcast(inserted(made(tenant, "before")))
        wire.ask("ping")
        assert [frame["type"] for frame in wire.frames] == ["pong"]
        wire.ask("subscribe")
        backstage.broadcast(inserted(made(tenant, "after")))
        wire.until_told("after")

    assert [ids_of(frame) for frame in wire.pushes] == [["after"]]
