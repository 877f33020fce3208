from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING, Any, Final

import pytest

import authenticate
import connect
import message
from formbridge.connections.rate_limit import Rate
from formbridge.revocations.revocation import FOREVER, Kind, Revocation, Target
from tests.support.handlers import issuer
from tests.support.handlers.builders import HOUR_S, NOW, LambdaContext, connect_event, message_event
from tests.support.handlers.issuer import BAD_TOKENS, CLAIM, claims, token
from tests.support.handlers.principals import HASHES

if TYPE_CHECKING:
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.gateway import Gateway
    from tests.support.handlers.region import Region

FIRST: Final = NOW // 1000 + HOUR_S
"""When the token expires that the connection was made with."""
LATER: Final = FIRST + HOUR_S
ISSUED: Final = NOW // 1000 - 60


@pytest.fixture(autouse=True)
def connected(region: Region, clock: Clock, trusted_issuer: None) -> None:
    """A connection of t_acme, conn-1."""
    connect.handler(connect_event("t_acme", "conn-1", expires_at=FIRST), LambdaContext())


def ask(body: object) -> dict[str, Any]:
    """The frame that answers a frame on the route `authenticate`."""
    answer = authenticate.handler(message_event(body, expires_at=FIRST), LambdaContext())
    assert answer["statusCode"] == 200
    return json.loads(answer["body"])


def bring(bearer: str) -> dict[str, Any]:
    return ask({"action": "authenticate", "id": "4", "token": bearer})


def ping() -> dict[str, Any]:
    """The answer of the other Lambda, whose authorizer's context still says when the first token expires."""
    return json.loads(message.handler(message_event({"action": "ping"}, expires_at=FIRST), LambdaContext())["body"])


def row(region: Region) -> dict[str, Any]:
    return dict(region.connection("t_acme", "conn-1") or {})


@pytest.mark.parametrize("claim", ["t_acme", ["t_globex", "t_acme"]], ids=str)
def test_a_connection_lasts_as_long_as_the_token_that_its_client_brings(
    region: Region, clock: Clock, claim: object
) -> None:
    reply = bring(token(claims(exp=LATER, iat=ISSUED, **{CLAIM: claim})))
    assert reply == {"type": "authenticated", "id": "4", "expires_at": LATER}
    assert (row(region)["expires_at"], row(region)["signed_in_at"]) == ({"N": str(LATER)}, {"N": str(ISSUED)})

    clock.ms = FIRST * 1000
    assert ping()["type"] == "pong"
    clock.ms = LATER * 1000
    assert ping()["code"] == "unauthorized"


def test_without_it_the_connection_ends_with_its_token(clock: Clock) -> None:
    clock.ms = FIRST * 1000 - 1
    assert ping()["type"] == "pong"
    clock.ms = FIRST * 1000
    assert ping()["code"] == "unauthorized"
    assert bring(token(claims(exp=LATER)))["code"] == "unauthorized"


def test_the_row_itself_stays_no_longer(region: Region) -> None:
    """API Gateway closes the connection after two hours all the same."""
    before = row(region)["ttl"]
    bring(token(claims(exp=LATER)))
    assert row(region)["ttl"] == before


@pytest.mark.parametrize(
    "name",
    [
        "empty",
        "no dots",
        "half a character",
        "a header without an end",
        "alg none",
        "HS256 with the RSA key's PEM as the secret",
        "another key",
        "an unknown kid",
        "keys of its own at jku",
        "expired",
        "another issuer",
        "another audience",
        "an access token",
    ],
)
def test_a_bad_token_is_unauthorized_and_no_word_of_it_comes_back_or_is_logged(
    name: str, region: Region, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    before = row(region)
    bad = BAD_TOKENS[name]()
    reply = bring(bad)
    assert (reply["type"], reply["id"], reply["code"], reply["retryable"]) == ("error", "4", "unauthorized", False)
    logged = caplog.text + str([vars(line) for line in caplog.records if line.name == "formbridge"])
    assert [word for word in issuer.words(bad) - {"t_acme"} if word in logged + json.dumps(reply)] == []
    # It goes on as it was: only its bucket has a message less.
    assert {name: value for name, value in row(region).items() if name != "full_at"} == before


def test_another_users_token_is_unauthorized_and_says_so(region: Region) -> None:
    before = row(region)
    reply = bring(token(claims(exp=LATER, sub="user-2")))
    assert (reply["code"], reply["message"]) == ("unauthorized", "token: belongs to another user than the connection")
    assert {name: value for name, value in row(region).items() if name != "full_at"} == before
    assert ping()["type"] == "pong"


def test_a_revoked_token_ends_the_connection(region: Region, gateway: Gateway) -> None:
    region.revoke(Target(Kind.SESSION, HASHES.hash_session("session-1")), Revocation(blocked_until=FOREVER))
    event = message_event({"action": "authenticate", "token": token(claims(exp=LATER, sid="session-1"))})
    assert authenticate.handler(event, LambdaContext()) == {"statusCode": 200}
    assert [frame["code"] for frame in gateway.posted("conn-1")] == ["revoked"]
    assert region.connection("t_acme", "conn-1") is None


def test_the_row_names_the_session_and_the_token_by_their_hashes_alone(region: Region) -> None:
    bring(token(claims(exp=LATER, sid="session-1", jti="token-1")))
    assert row(region)["session"] == {"S": HASHES.hash_session("session-1")}
    assert row(region)["token_id"] == {"S": HASHES.hash_token_id("token-1")}
    assert not [name for name in ("user-1", "session-1", "token-1") if name in str(row(region))]


@pytest.mark.parametrize("claim", ["t_globex", ["t_globex", "t_acme2"], [], 5], ids=str)
def test_another_tenants_token_is_unauthorized(region: Region, claim: object) -> None:
    assert bring(token(claims(exp=LATER, **{CLAIM: claim})))["code"] == "unauthorized"
    assert row(region)["expires_at"] == {"N": str(FIRST)}
    assert ping()["type"] == "pong"


@pytest.mark.parametrize("earlier", [0, 1])
def test_a_token_that_expires_no_later_is_unauthorized(region: Region, earlier: int) -> None:
    bring(token(claims(exp=LATER)))
    assert bring(token(claims(exp=LATER - earlier)))["code"] == "unauthorized"
    assert row(region)["expires_at"] == {"N": str(LATER)}


def test_keys_that_cannot_be_fetched_are_no_fault_of_the_token(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("JWKS_URL", "http://127.0.0.1:1/jwks.json")
    bearer = token(claims(exp=LATER))
    reply = bring(bearer)
    assert (reply["code"], reply["id"], reply["retryable"]) == ("internal", "4", True)
    assert '"InternalErrors": 1' in capsys.readouterr().out
    assert [word for word in issuer.words(bearer) if word in caplog.text] == []


def test_a_token_is_tried_as_often_as_any_message_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("formbridge.session.lambda_reply.read_rate", lambda: Rate(per_second=1, burst=2))
    assert [bring("guess")["code"] for _ in range(3)] == ["unauthorized", "unauthorized", "rate_limited"]


def test_a_connection_without_a_row_is_unauthorized(region: Region) -> None:
    region.clear()
    assert bring(token(claims(exp=LATER)))["code"] == "unauthorized"
    assert row(region) == {}


def test_the_other_lambda_verifies_nothing() -> None:
    body = {"action": "authenticate", "token": token(claims(exp=LATER))}
    reply = json.loads(message.handler(message_event(body), LambdaContext())["body"])
    assert reply["code"] == "unknown_action"
