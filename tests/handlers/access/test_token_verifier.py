from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import ECKey, KeySet, RSAKey

from formbridge.access import key_source
from formbridge.access.handshake import Identity, Unauthorized
from formbridge.access.key_cache import KeyCache, KeysUnavailable
from formbridge.access.key_set import KeyFetchFailed, parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.access.token_verifier import TokenVerifier
from formbridge.runtime import clock
from formbridge.runtime.environment import EnvironmentVariableError
from tests.support.handlers import issuer
from tests.support.handlers.issuer import BAD_TOKENS, CLAIM, ISSUER, KeysInMemory, claims, token
from tests.support.handlers.strategies import ANY_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable


VERIFIER = TokenVerifier(issuer.rules(), KeysInMemory())


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

    verifier = TokenVerifier(issuer.rules(), KeyCache(fail, clock.now_ms))
    with pytest.raises(KeysUnavailable):
        verifier.verify(token())


# --- Tokens of another library --------------------------------------------------------------------------------

THEIR_KEYS = KeySet([RSAKey.generate_key(2_048, auto_kid=True), ECKey.generate_key("P-256", auto_kid=True)])
"""The `kid` is the thumbprint of RFC 7638."""


@pytest.fixture
def theirs() -> TokenVerifier:
    """A verifier of the keys that joserfc made and publishes."""
    document = json.dumps(THEIR_KEYS.as_dict(private=False)).encode()
    return TokenVerifier(issuer.rules(), KeyCache(lambda: parse_key_set(document, load_public_key), clock.now_ms))


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


# --- Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jwks_url", [None, "https://keys.example/jwks"])
def test_making_a_verifier_requests_nothing(jwks_url: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    environment = {**issuer.ENVIRONMENT, "AUDIENCES": "client-1 client-2", "CLOCK_TOLERANCE_SECONDS": "60"}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    if jwks_url is not None:
        monkeypatch.setenv("JWKS_URL", jwks_url)
    asked: list[str] = []

    def refuse(url: str, _deadline: float) -> bytes:
        asked.append(url)
        raise KeyFetchFailed("down")

    monkeypatch.setattr(key_source, "fetch_document", refuse)
    verifier = TokenVerifier.from_environment()
    assert (verifier.rules.issuer, verifier.rules.audiences) == (ISSUER, ["client-1", "client-2"])
    assert (verifier.rules.clock_tolerance_seconds, verifier.rules.tenant_claim.path) == (60, (CLAIM,))
    assert asked == []
    with pytest.raises(KeysUnavailable):
        verifier.verify(token())
    assert asked == [jwks_url or f"{ISSUER}/.well-known/openid-configuration"]


@pytest.mark.parametrize("name", issuer.ENVIRONMENT)
def test_each_setting_is_required(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for other, value in issuer.ENVIRONMENT.items():
        monkeypatch.setenv(other, "" if other == name else value)
    with pytest.raises(EnvironmentVariableError, match=f"^{name}: "):
        TokenVerifier.from_environment()


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
        ({"t_acme": True, "t_globex": False, "t_other": None}, ("t_acme",)),
        (["t_acme", "t_acme"], ("t_acme",)),
    ],
    ids=str,
)
def test_the_tenants_are_those_of_the_claim_that_are_well_formed(claim: object, tenants: tuple[str, ...]) -> None:
    assert VERIFIER.verify(token(claims(**{CLAIM: claim}))).tenants == tenants


def test_the_tenant_claim_is_a_setting() -> None:
    verifier = TokenVerifier(issuer.rules(claim="/org/ids", pattern="[a-z]{3}"), KeysInMemory())
    assert verifier.verify(token(claims(org={"ids": ["abc", "t_globex"]}))).tenants == ("abc",)
