from __future__ import annotations

import json
import logging
import time
from collections import Counter
from typing import TYPE_CHECKING, Any, Final

import pytest

import authorize
from formbridge.access.key_cache import KeysUnavailable
from tests.support.handlers import issuer
from tests.support.handlers.builders import METHOD_ARN, LambdaContext, authorizer_event
from tests.support.handlers.issuer import BAD_TOKENS, CLAIM, claims, token
from tests.support.handlers.principals import HASHES, USER, USER_HASH_KEY

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from tests.support.handlers.server import Answer, LocalServer

JWKS: Final = "/.well-known/jwks.json"


class Jwks:
    """The issuer's JWKS over HTTP. tests/handlers/test_issuer_outages.py has the cases in which it fails."""

    def __init__(self, serve: Callable[[Answer], LocalServer]) -> None:
        self.keys = issuer.published()
        self.answer: Callable[[str], str] = lambda _path: json.dumps(self.keys)
        self.server = serve(lambda _method, path: (200, self.answer(path)))


@pytest.fixture(autouse=True)
def jwks(serve: Callable[[Answer], LocalServer], monkeypatch: pytest.MonkeyPatch, forgetful_handlers: None) -> Jwks:
    """An authorizer that trusts the issuer, with no list of pages, that takes no token in the query."""
    published = Jwks(serve)
    for name, value in issuer.ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("JWKS_URL", published.server.url + JWKS)
    monkeypatch.setenv("ALLOWED_ORIGINS", "")
    monkeypatch.setenv("TOKEN_IN_QUERY", "false")
    monkeypatch.setenv("CONNECTION_SHARDS", "1")
    monkeypatch.setenv("USER_HASH_KEY", USER_HASH_KEY)
    return published


def authorization(
    bearer: str | None, headers: Mapping[str, str] | None = None, *, query: Mapping[str, str] | None = None
) -> dict[str, Any]:
    offered = {"Sec-WebSocket-Protocol": f"formbridge.v1, bearer.{bearer}"} if bearer is not None else {}
    return authorize.handler(authorizer_event({**offered, **(headers or {})}, query), LambdaContext())


def effect(answer: dict[str, Any]) -> str:
    (statement,) = answer["policyDocument"]["Statement"]
    return statement["Effect"]


def denied(answer: dict[str, Any]) -> bool:
    """Whether the answer is what API Gateway makes a 403 of; such an answer says nothing of a tenant."""
    return effect(answer) == "Deny" and answer["context"] == {"user": USER} and answer["principalId"] == USER


def unauthorized(
    bearer: str | None, headers: Mapping[str, str] | None = None, *, query: Mapping[str, str] | None = None
) -> bool:
    """Whether the answer is an error of exactly the text of which API Gateway makes a 401, and tells nothing else."""
    with pytest.raises(Exception, match=r"^Unauthorized$") as refused:
        authorization(bearer, headers, query=query)
    error = refused.value
    return (type(error), error.args, error.__context__) == (Exception, ("Unauthorized",), None)


def said(caplog: pytest.LogCaptureFixture) -> str:
    """All that was logged, by whatever logger: messages, errors, and the fields beside them."""
    plain = vars(logging.makeLogRecord({}))
    fields = [{name: value for name, value in vars(line).items() if name not in plain} for line in caplog.records]
    return caplog.text + str(fields)


# --- Let in ---------------------------------------------------------------------------------------------------


def test_a_good_token_may_connect_as_its_tenant() -> None:
    now = int(time.time())
    assert authorization(token(claims(exp=now + 60, iat=now - 60))) == {
        "principalId": USER,
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": METHOD_ARN}],
        },
        "context": {
            "tenant_id": "t_acme",
            "expires_at": str(now + 60),
            "user": USER,
            "signed_in_at": str(now - 60),
            "shard": "0",
        },
    }


def test_the_context_names_user_session_and_token_by_their_hashes() -> None:
    now = int(time.time())
    said = claims(iat=now, auth_time=now - 600, origin_jti="session-1", jti="token-1")
    context = authorization(token(said))["context"]
    assert (context["user"], context["signed_in_at"]) == (USER, str(now - 600))
    assert context["session"] == HASHES.hash_session("session-1")
    assert context["token_id"] == HASHES.hash_token_id("token-1")


@pytest.mark.parametrize("query", [{}, {"tenant_id": "t_globex"}, {"tenant_id": "t_globex", "refusal": "frame"}])
def test_neither_the_answer_nor_the_log_names_the_user(query: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    answer = authorization(token(claims(sub="somebody", sid="session-5", jti="token-5")), query=query)
    kept = said(caplog) + json.dumps(answer)
    assert HASHES.hash_user("somebody") in said(caplog)
    assert not [name for name in ("somebody", "session-5", "token-5") if name in kept]


def test_a_connection_has_one_of_so_many_shards_by_its_id_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTION_SHARDS", "4")

    def chosen(connection_id: str, tenant_id: str = "t_acme") -> str:
        offered = {"Authorization": f"Bearer {token(claims(**{CLAIM: tenant_id}))}"}
        answer = authorize.handler(authorizer_event(offered, connection_id=connection_id), LambdaContext())
        return answer["context"]["shard"]

    assert [chosen(f"WvEZxeGsIAMCKqA{n}=") for n in range(4)] == ["0", "1", "2", "3"]
    assert chosen("WvEZxeGsIAMCKqA2=", "t_globex") == "2"


@pytest.mark.parametrize("shards", [1, 3, 1_000])
def test_connections_are_spread_evenly(shards: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONNECTION_SHARDS", str(shards))
    spread = Counter(authorize.choose_shard(f"WvEZxe{n:05}GsIA=") for n in range(20 * shards))
    assert set(spread) == set(range(shards))
    assert max(spread.values()) < 3 * 20


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer TOKEN"},
        {"authorization": "bearer TOKEN"},
        {"Sec-WebSocket-Protocol": "bearer.TOKEN"},
        {"sec-websocket-protocol": "bearer.TOKEN, formbridge.v1"},
    ],
    ids=str,
)
def test_a_client_brings_its_token_in_a_header(headers: dict[str, str]) -> None:
    bearer = issuer.ec_token()
    sent = {name: value.replace("TOKEN", bearer) for name, value in headers.items()}
    assert effect(authorization(None, sent)) == "Allow"


def test_a_token_may_be_good_from_a_moment_ahead() -> None:
    assert effect(authorization(token(claims(nbf=int(time.time()) + 20)))) == "Allow"


def test_the_query_chooses_one_of_several_tenants() -> None:
    answer = authorization(token(claims(**{CLAIM: ["t_acme", "t_globex"]})), query={"tenant_id": "t_globex"})
    assert effect(answer) == "Allow"
    assert answer["context"]["tenant_id"] == "t_globex"


# --- 401 ------------------------------------------------------------------------------------------------------


def test_there_are_enough_bad_tokens() -> None:
    assert len(BAD_TOKENS) > 60


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_bad_token_is_401_and_no_word_of_it_is_logged(
    make: Callable[[], str], caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    bad = make()
    assert unauthorized(bad)
    logged = said(caplog) + "".join(capfd.readouterr())
    assert "unauthorized" in logged
    assert "conn-1" in logged
    assert [word for word in issuer.words(bad) if word in logged] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-WebSocket-Protocol": "formbridge.v1"},
        {"Sec-WebSocket-Protocol": "formbridge.v1, bearer"},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Cookie": "token"},
    ],
    ids=str,
)
def test_a_handshake_without_a_token_is_401(headers: dict[str, str], caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    assert unauthorized(None, headers)
    assert "no token" in said(caplog)
    assert "dXNlcjpwYXNz" not in said(caplog)


@pytest.mark.parametrize("header", ["jku", "x5u"])
def test_what_a_header_points_to_is_not_fetched(header: str, jwks: Jwks) -> None:
    elsewhere = f"{jwks.server.url}/elsewhere.json"
    bad = issuer.handmade({"alg": "RS256", "kid": "rsa-9", header: elsewhere}, sign=issuer.rs256)
    assert unauthorized(bad)
    assert {path for _, path, _ in jwks.server.requests} == {JWKS}


def test_a_bad_token_is_401_on_any_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example")
    assert unauthorized("garbage", {"Origin": "https://evil.example"})


# --- 403 ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tenant_id", ["t_globex", "", "acme", "t_acme ", "T_ACME", "t_acme,t_globex"])
def test_403_for_a_tenant_that_the_token_does_not_grant(tenant_id: str) -> None:
    assert denied(authorization(token(), query={"tenant_id": tenant_id}))


UNSAID: dict[str, object] = {
    "missing": None,
    "empty": "",
    "of no shape": "acme-of-somebody",
    "white space after it": "t_acme ",
    "two in a text": "t_acme,t_globex",
    "a number": 555555,
    "true": True,
    "an object of what is off": {"t_acme": False, "t_globex": None},
    "an object of two": {"t_acme": {"id": "t_acme"}, "t_globex": {}},
    "a list of none": [],
    "a list of what is none": ["acme-of-somebody", 5, None],
    "a list of lists": [["t_acme"]],
    "a list of two": ["t_acme", "t_globex"],
}


@pytest.mark.parametrize("claim", UNSAID.values(), ids=UNSAID.keys())
def test_403_for_a_token_that_does_not_say_which_tenant(claim: object, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    bearer = token(claims(**{CLAIM: claim}))
    assert denied(authorization(bearer))
    assert [word for word in issuer.words(bearer) if word in said(caplog)] == []


FOREIGN: Final = [
    "https://evil.example",
    "http://app.example",
    "https://app.example:8443",
    "https://app.example.evil.example",
    "https://app.exampl",
    "https://evil.example/https://app.example",
    "https://sub.app.example",
    "https://app.example/",
    "https://app.example https://other.example",
    "null",
    "",
    "*",
]


@pytest.mark.parametrize("origin", FOREIGN)
@pytest.mark.parametrize("name", ["Origin", "origin"])
def test_403_for_a_page_that_is_not_on_the_list(
    name: str, origin: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example https://other.example")
    bearer = token()
    assert denied(authorization(bearer, {name: origin}))
    assert [word for word in issuer.words(bearer) if word in said(caplog)] == []


@pytest.mark.parametrize("headers", [{}, {"Origin": "https://app.example"}, {"Origin": "https://other.example"}])
def test_a_page_on_the_list_may_connect_and_what_is_no_page(
    headers: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example https://other.example")
    assert effect(authorization(token(), headers)) == "Allow"


# --- Refused by a frame ---------------------------------------------------------------------------------------

BY_FRAME: Final = {"refusal": "frame"}


@pytest.mark.parametrize("tenant_id", ["t_globex", "", "acme"])
def test_a_wrong_tenant_may_connect_to_be_refused_and_has_no_tenant(
    tenant_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = authorization(token(), query={"tenant_id": tenant_id, **BY_FRAME})
    assert effect(answer) == "Allow"
    assert answer["context"] == {"refusal": "forbidden", "user": USER}
    assert caplog.messages[-1] == "forbidden"


@pytest.mark.parametrize("claim", UNSAID.values(), ids=UNSAID.keys())
def test_so_may_a_token_that_does_not_say_which_tenant(claim: object) -> None:
    answer = authorization(token(claims(**{CLAIM: claim})), query=BY_FRAME)
    assert (effect(answer), answer["context"]) == ("Allow", {"refusal": "forbidden", "user": USER})


@pytest.mark.parametrize("refusal", ["", "Frame", "frames", "status", "403"])
def test_another_value_is_ignored(refusal: str) -> None:
    assert denied(authorization(token(), query={"tenant_id": "t_globex", "refusal": refusal}))
    assert authorization(token(), query={"refusal": refusal})["context"].keys() == {
        "tenant_id",
        "expires_at",
        "user",
        "signed_in_at",
        "shard",
    }


@pytest.mark.parametrize("tenant_id", ["t_acme", "t_globex"])
def test_a_page_that_is_not_on_the_list_is_403_all_the_same(tenant_id: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALLOWED_ORIGINS", "https://app.example")
    query = {"tenant_id": tenant_id, **BY_FRAME}
    assert denied(authorization(token(), {"Origin": "https://evil.example"}, query=query))


def test_a_bad_token_is_401_all_the_same() -> None:
    assert unauthorized("garbage", query=BY_FRAME)
    assert unauthorized(None, query=BY_FRAME)


def test_a_client_that_is_let_in_keeps_its_wish() -> None:
    context = authorization(token(), query=BY_FRAME)["context"]
    assert (context["tenant_id"], context["refusal_by_frame"]) == ("t_acme", "true")
    assert "refusal" not in context


# --- The token in the query -----------------------------------------------------------------------------------


def test_a_token_in_the_query_is_no_token() -> None:
    assert unauthorized(None, query={"token": token()})


class TestWhereTheQueryMayBringOne:
    @pytest.fixture(autouse=True)
    def turned_on(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("TOKEN_IN_QUERY", "true")

    def test_it_is_taken(self) -> None:
        answer = authorization(
            None, query={"token": token(claims(**{CLAIM: ["t_acme", "t_globex"]})), "tenant_id": "t_globex"}
        )
        assert effect(answer) == "Allow"
        assert answer["context"]["tenant_id"] == "t_globex"

    def test_a_bad_one_is_401_and_no_word_of_it_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.DEBUG)
        bad = token(claims(sub="somebody"), key="rsa-2")
        assert unauthorized(None, query={"token": bad})
        assert [word for word in issuer.words(bad) if word in said(caplog)] == []

    def test_it_counts_only_where_no_header_brings_one(self) -> None:
        of_globex = token(claims(**{CLAIM: "t_globex"}))
        assert authorization(token(), query={"token": of_globex})["context"]["tenant_id"] == "t_acme"
        assert unauthorized("garbage", query={"token": token()})
        assert unauthorized("", query={"token": token()})


# --- The issuer's keys ----------------------------------------------------------------------------------------


def test_keys_that_cannot_be_fetched_are_no_401_and_logged_with_the_connection(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("JWKS_URL", "http://127.0.0.1:1/jwks.json")
    bearer = token()
    with pytest.raises(KeysUnavailable):
        authorization(bearer)
    assert vars(caplog.records[-1])["connection_id"] == "conn-1"
    assert [word for word in issuer.words(bearer) if word in said(caplog)] == []


# --- What the log says of a refusal ---------------------------------------------------------------------------


def refusal(caplog: pytest.LogCaptureFixture) -> dict[str, object]:
    """The message and the fields of the last log line that say why a handshake was refused."""
    line = vars(caplog.records[-1])
    return {name: line[name] for name in ("msg", "reason", "check", "setting") if name in line}


def test_the_log_names_the_check_and_the_setting_of_a_bad_token(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert unauthorized(token(claims(iss="https://other.example")))
    assert refusal(caplog) == {
        "msg": "unauthorized",
        "reason": "iss: must be the configured issuer",
        "check": "iss",
        "setting": "issuer",
    }


def test_the_log_names_the_limit_for_a_token_of_many_groups(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    assert unauthorized(token(claims(groups=[f"{number:036}" for number in range(180)])))
    reason = str(refusal(caplog)["reason"])
    assert reason.startswith(
        "token: must be at most 9,000 characters, because API Gateway accepts at most 10,240 bytes"
    )


@pytest.mark.parametrize(
    ("claim", "reason", "setting"),
    [
        (None, "tenant: claim missing, must be in the ID token", "tenantClaim"),
        ([], "tenant: claim empty, must name a tenant", "tenantClaim"),
        ("org_9ybsU1dN2dKfDkBi", "tenant: shape, must match the pattern of a tenant id", "tenantIdPattern"),
        (5, "tenant: shape, must be a string, a list of strings, or an object", "tenantClaim"),
    ],
    ids=str,
)
@pytest.mark.parametrize("query", [{}, {"tenant_id": "t_acme"}, {"refusal": "frame"}], ids=str)
def test_the_log_says_why_a_token_grants_no_tenant_and_the_answer_does_not(
    claim: object, reason: str, setting: str, query: dict[str, str], caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    answer = authorization(token(claims(**{CLAIM: claim})), query=query)
    assert refusal(caplog) == {"msg": "forbidden", "reason": reason, "check": "tenant", "setting": setting}
    assert reason not in json.dumps(answer)
    assert "org_9ybsU1dN2dKfDkBi" not in said(caplog)


# --- Discovery ------------------------------------------------------------------------------------------------


def test_without_a_setting_the_keys_are_found_by_discovery(jwks: Jwks, monkeypatch: pytest.MonkeyPatch) -> None:
    own = jwks.server.url
    documents = {"/.well-known/openid-configuration": {"issuer": own, "jwks_uri": f"{own}/certs"}, "/certs": jwks.keys}
    jwks.answer = lambda path: json.dumps(documents[path])
    monkeypatch.setenv("ISSUER", own)
    monkeypatch.delenv("JWKS_URL")
    assert effect(authorization(token(claims(iss=own)))) == "Allow"
    assert [path for _, path, _ in jwks.server.requests] == list(documents)
