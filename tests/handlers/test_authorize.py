from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Any

import jwt
import pytest

import authorize
from tests.handlers import issuer
from tests.handlers.builders import METHOD_ARN, LambdaContext, authorizer_event
from tests.handlers.issuer import CLAIM, claims, token
from tests.handlers.server import Answer, LocalServer

STARTED_S = int(time.time())
"""When these tests were collected, which in a whole run is minutes before they run."""


class Jwks:
    """The issuer's JWKS over HTTP; its keys change as the test says."""

    def __init__(self, serve: Callable[[Answer], LocalServer]) -> None:
        self.keys = issuer.published()
        self.server = serve(lambda method, path: (200, json.dumps(self.keys)))


@pytest.fixture(autouse=True)
def jwks(serve: Callable[[Answer], LocalServer], monkeypatch: pytest.MonkeyPatch, forgetful_handlers: None) -> Jwks:
    """An authorizer that trusts the issuer, with no list of pages."""
    published = Jwks(serve)
    monkeypatch.setenv("ISSUER", issuer.ISSUER)
    monkeypatch.setenv("AUDIENCE", issuer.AUDIENCE)
    monkeypatch.setenv("TENANT_CLAIM", CLAIM)
    monkeypatch.setenv("JWKS_URL", f"{published.server.url}/.well-known/jwks.json")
    monkeypatch.setenv("ALLOWED_ORIGINS", "")
    return published


def authorization(bearer: str | None, *, query: dict[str, str] | None = None, **headers: str) -> dict[str, Any]:
    offered = {"Sec-WebSocket-Protocol": f"formbridge.v1, bearer.{bearer}"} if bearer is not None else {}
    return authorize.handler(authorizer_event({**offered, **headers}, query), LambdaContext())


def effect(answer: dict[str, Any]) -> str:
    (statement,) = answer["policyDocument"]["Statement"]
    return statement["Effect"]


def test_a_good_token_may_connect_as_its_tenant() -> None:
    expires_at = int(time.time()) + 60
    assert authorization(token(claims(exp=expires_at))) == {
        "principalId": "user-1",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": METHOD_ARN}],
        },
        "context": {"tenant_id": "t_acme", "expires_at": str(expires_at)},
    }


def test_a_client_that_is_no_browser_may_use_the_authorization_header() -> None:
    answer = authorization(None, Authorization=f"Bearer {issuer.ec_token()}")
    assert effect(answer) == "Allow"


@pytest.mark.parametrize(
    "bearer",
    [
        None,
        "",
        "garbage",
        token(key="rsa-2"),
        token(kid="rsa-9"),
        issuer.unsigned_token(),
        issuer.confused_token(),
        token(claims(iss="https://issuer.example/pool-2")),
        token(claims(aud="client-2")),
        token(claims(exp=STARTED_S - 60)),
        token(claims(nbf=STARTED_S + 86_400)),
    ],
    ids=[
        "none",
        "empty",
        "garbage",
        "another key",
        "an unknown kid",
        "alg none",
        "HS256 with the public key",
        "another issuer",
        "another audience",
        "expired",
        "not yet good",
    ],
)
def test_401_is_an_error_of_exactly_this_text(bearer: str | None) -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$") as refused:
        authorization(bearer)
    assert type(refused.value) is Exception
    assert refused.value.args == ("Unauthorized",)


def test_a_token_in_the_query_is_no_token() -> None:
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        authorization(None, query={"token": token()})


def denied(answer: dict[str, Any]) -> bool:
    """Whether the answer is what API Gateway makes a 403 of; such an answer says nothing of a tenant."""
    return effect(answer) == "Deny" and answer["context"] == {} and answer["principalId"] == "user-1"


@pytest.mark.parametrize("tenant_id", ["t_globex", "", "acme"])
def test_403_for_a_tenant_that_the_token_does_not_grant(tenant_id: str) -> None:
    assert denied(authorization(token(), query={"tenant_id": tenant_id}))


@pytest.mark.parametrize("claim", [None, [], 5, "acme", ["t_acme", "t_globex"]], ids=str)
def test_403_for_a_token_that_does_not_say_which_tenant(claim: object) -> None:
    assert denied(authorization(token(claims(**{CLAIM: claim}))))


def test_the_query_chooses_one_of_several_tenants() -> None:
    answer = authorization(token(claims(**{CLAIM: ["t_acme", "t_globex"]})), query={"tenant_id": "t_globex"})
    assert effect(answer) == "Allow"
    assert answer["context"]["tenant_id"] == "t_globex"


def test_403_for_a_page_that_is_not_on_the_list(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example https://other.example")
    assert denied(authorization(token(), Origin="https://evil.example"))
    assert effect(authorization(token(), Origin="https://other.example")) == "Allow"
    assert effect(authorization(token())) == "Allow"


def test_a_bad_token_is_401_on_any_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example")
    with pytest.raises(Exception, match=r"^Unauthorized$"):
        authorization("garbage", Origin="https://evil.example")


def test_the_keys_are_fetched_once(jwks: Jwks) -> None:
    for _ in range(3):
        authorization(token())
    assert jwks.server.requests == [("GET", "/.well-known/jwks.json", "")]


def test_a_key_that_the_issuer_adds_later_is_fetched(jwks: Jwks) -> None:
    authorization(token())
    authorize.verifier().keys.cooldown_duration = 0  # PyJWT waits half a minute between such fetches
    jwks.keys = issuer.published("rsa-1", "rsa-2")
    assert effect(authorization(token(kid="rsa-2", key="rsa-2"))) == "Allow"


def test_keys_that_cannot_be_fetched_are_no_401_and_logged_with_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("JWKS_URL", "http://127.0.0.1:1/jwks.json")
    with pytest.raises(jwt.PyJWKClientConnectionError):
        authorization(token())
    assert vars(caplog.records[-1])["connection_id"] == "conn-1"
