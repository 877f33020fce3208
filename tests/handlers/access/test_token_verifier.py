from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from formbridge.access import token_verifier
from formbridge.access.handshake import Identity, Unauthorized
from formbridge.access.key_cache import KeyCache, KeysUnavailable
from formbridge.access.key_set import KeyFetchFailed, parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.access.token_verifier import MAX_LOGGED_KEYS, TokenVerifier, fetch_keys
from formbridge.runtime import clock
from tests.support.handlers import issuer
from tests.support.handlers.issuer import AUDIENCE, BAD_TOKENS, CLAIM, ISSUER, KeysInMemory, claims, token
from tests.support.handlers.strategies import ANY_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.handlers.server import Answer, LocalServer

VERIFIER = TokenVerifier(ISSUER, AUDIENCE, CLAIM, KeysInMemory())


# --- Tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [issuer.token, issuer.ec_token], ids=["RS256", "ES256"])
def test_a_token_of_the_issuers_key_says_who_it_is(sign: Callable[..., str]) -> None:
    now = clock.now_ms() // 1000
    said = claims(exp=now + 60, iat=now - 60)
    assert VERIFIER.verify(sign(said)) == Identity("user-1", ("t_acme",), now + 60, now - 60)


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_token_that_does_not_verify_is_unauthorized_and_not_quoted(make: Callable[[], str]) -> None:
    bad = make()
    with pytest.raises(Unauthorized) as refused:
        VERIFIER.verify(bad)
    assert not any(word in str(refused.value) for word in issuer.words(bad))


def seconds(offset: int) -> int:
    return clock.now_ms() // 1000 + offset


@pytest.mark.parametrize(
    ("auth_time", "signed_in_at"), [(-60, -60), (-9_000, -9_000), (-59, -60), (None, -60)], ids=str
)
def test_a_refreshed_token_says_when_the_user_signed_in(auth_time: int | None, signed_in_at: int) -> None:
    said = claims(iat=seconds(-60), exp=seconds(60), auth_time=None if auth_time is None else seconds(auth_time))
    assert VERIFIER.verify(token(said)).signed_in_at == seconds(signed_in_at)


@pytest.mark.parametrize("auth_time", [0, -5])
def test_a_sign_in_before_the_epoch_counts_as_none(auth_time: int) -> None:
    said = claims(iat=seconds(-60), exp=seconds(60), auth_time=auth_time)
    assert VERIFIER.verify(token(said)).signed_in_at == seconds(-60)


def test_a_sign_in_that_is_null_counts_as_none() -> None:
    assert VERIFIER.verify(token(claims(iat=seconds(-60)) | {"auth_time": None})).signed_in_at == seconds(-60)


@pytest.mark.parametrize("auth_time", ["then", True, float("inf"), [1]], ids=str)
def test_a_sign_in_at_no_time_is_refused(auth_time: object) -> None:
    with pytest.raises(Unauthorized, match=r"^(auth_time|claims): "):
        VERIFIER.verify(token(claims(auth_time=auth_time)))


@pytest.mark.parametrize(
    ("said", "session_id"),
    [
        ({"sid": "s1"}, "s1"),
        ({"origin_jti": "o1"}, "o1"),
        ({"sid": "s1", "origin_jti": "o1"}, "s1"),
        ({"sid": "", "origin_jti": "o1"}, "o1"),
        ({"sid": 5}, ""),
        ({}, ""),
    ],
    ids=str,
)
def test_a_session_is_read_where_a_token_names_one(said: dict[str, object], session_id: str) -> None:
    assert VERIFIER.verify(token(claims(**said))).session_id == session_id


@pytest.mark.parametrize(("said", "token_id"), [({"jti": "j1"}, "j1"), ({}, "")], ids=str)
def test_a_token_may_have_an_id(said: dict[str, object], token_id: str) -> None:
    assert VERIFIER.verify(token(claims(**said))).token_id == token_id


def test_no_repr_of_an_identity_tells_who_it_is() -> None:
    identity = VERIFIER.verify(token(claims(sub="somebody", sid="session-5", jti="token-5")))
    assert not [name for name in ("somebody", "session-5", "token-5") if name in repr(identity)]


@given(ANY_TEXT)
def test_any_text_is_unauthorized(text: str) -> None:
    with pytest.raises(Unauthorized):
        VERIFIER.verify(text)


def test_keys_that_cannot_be_fetched_are_not_the_clients_fault() -> None:
    def fail() -> Any:
        raise KeyFetchFailed("the issuer is down")

    verifier = TokenVerifier(ISSUER, AUDIENCE, CLAIM, KeyCache(fail, clock.now_ms))
    with pytest.raises(KeysUnavailable):
        verifier.verify(token())


# --- Tokens of another library --------------------------------------------------------------------------------

THEIR_KEYS = KeySet([RSAKey.generate_key(2_048, auto_kid=True), ECKey.generate_key("P-256", auto_kid=True)])
"""The `kid` is the thumbprint of RFC 7638."""


@pytest.fixture
def theirs() -> TokenVerifier:
    """A verifier of the keys that joserfc made and publishes."""
    document = json.dumps(THEIR_KEYS.as_dict(private=False)).encode()
    return TokenVerifier(
        ISSUER, AUDIENCE, CLAIM, KeyCache(lambda: parse_key_set(document, load_public_key), clock.now_ms)
    )


@pytest.mark.parametrize("key", THEIR_KEYS.keys, ids=["RS256", "ES256"])
def test_a_token_that_another_library_signed_verifies(theirs: TokenVerifier, key: RSAKey | ECKey) -> None:
    header = {"alg": "RS256" if key.key_type == "RSA" else "ES256", "kid": key.kid, "typ": "JWT"}
    identity = theirs.verify(joserfc_jwt.encode(header, claims(), key))
    assert (identity.subject, identity.tenants) == ("user-1", ("t_acme",))


@pytest.mark.parametrize("key", THEIR_KEYS.keys, ids=["RS256", "ES256"])
@pytest.mark.parametrize("typ", ["at+jwt", "logout+jwt"])
def test_another_librarys_token_of_another_type_does_not(theirs: TokenVerifier, key: RSAKey | ECKey, typ: str) -> None:
    header = {"alg": "RS256" if key.key_type == "RSA" else "ES256", "kid": key.kid, "typ": typ}
    with pytest.raises(Unauthorized, match=r"^typ: "):
        theirs.verify(joserfc_jwt.encode(header, claims(), key))


def test_a_key_that_another_library_signed_with_is_needed(theirs: TokenVerifier) -> None:
    stranger = RSAKey.generate_key(2_048)
    header = {"alg": "RS256", "kid": THEIR_KEYS.keys[0].kid}
    with pytest.raises(Unauthorized, match=r"^signature: does not verify$"):
        theirs.verify(joserfc_jwt.encode(header, claims(), stranger))


# --- The request for the keys ---------------------------------------------------------------------------------


def test_fetched_keys_are_counted_and_those_that_are_not_used_are_logged(
    serve: Callable[[Answer], LocalServer], caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level("INFO", logger="formbridge")
    document = issuer.published("rsa-1", *(f"oct-{number}" for number in range(9)))
    key_set = fetch_keys(serve(lambda _method, _path: (200, json.dumps(document))).url)
    assert set(key_set.keys) == {("rsa-1", "RS256")}
    line = vars(caplog.records[-1])
    assert (line["msg"], line["keys"], len(line["ignored"])) == ("keys fetched", 1, MAX_LOGGED_KEYS)
    assert line["ignored"][0] == "keys[1]: k: must be absent from a public key"
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["KeyFetches"], metrics["KeyFetchFailures"]) == (1, 0)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ((503, "{}"), "status: must be 200, got 503"),
        ((200, "<html>"), "key set: must be one JSON object in UTF-8, with each field once"),
        ((200, '{"keys": []}'), "the key set has no usable key: keys: must not be empty"),
    ],
    ids=str,
)
def test_a_failed_request_is_counted_and_logged_with_its_reason(
    answer: tuple[int, str],
    reason: str,
    serve: Callable[[Answer], LocalServer],
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level("INFO", logger="formbridge")
    with pytest.raises(KeyFetchFailed):
        fetch_keys(serve(lambda _method, _path: answer).url)
    line = vars(caplog.records[-1])
    assert (line["msg"], line["reason"]) == ("key fetch failed", reason)
    metrics = json.loads(capsys.readouterr().out)
    assert (metrics["KeyFetches"], metrics["KeyFetchFailures"]) == (1, 1)


def test_making_a_verifier_requests_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"ISSUER": ISSUER, "AUDIENCE": AUDIENCE, "TENANT_CLAIM": CLAIM, "JWKS_URL": ISSUER}.items():
        monkeypatch.setenv(name, value)
    asked: list[str] = []
    monkeypatch.setattr(token_verifier, "fetch_document", asked.append)
    verifier = TokenVerifier.from_environment()
    assert (verifier.issuer, verifier.audience, verifier.tenant_claim, asked) == (ISSUER, AUDIENCE, CLAIM, [])


# --- The tenant -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "tenants"),
    [
        ("t_acme", ("t_acme",)),
        (["t_acme", "t_globex"], ("t_acme", "t_globex")),
        (["t_acme", 5, None, "globex", "t_globex#1"], ("t_acme",)),
        (None, ()),
        ([], ()),
        ([["t_acme"]], ()),
        (5, ()),
        (True, ()),
        ("", ()),
        ("acme", ()),
        ("t_acme ", ()),
        ("t_acme,t_globex", ()),
        ({"t_acme": True}, ()),
    ],
    ids=str,
)
def test_the_tenants_are_those_of_the_claim_that_are_well_formed(claim: object, tenants: tuple[str, ...]) -> None:
    assert VERIFIER.verify(token(claims(**{CLAIM: claim}))).tenants == tenants


def test_the_tenant_claim_is_a_setting() -> None:
    verifier = TokenVerifier(ISSUER, AUDIENCE, "org", KeysInMemory())
    assert verifier.verify(token(claims(org="t_globex"))).tenants == ("t_globex",)
