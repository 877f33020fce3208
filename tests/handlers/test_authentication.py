from __future__ import annotations

import time
from collections.abc import Callable

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.authentication import Identity, TokenVerifier
from formbridge.handshake import Forbidden, Unauthorized
from tests.handlers import issuer
from tests.handlers.issuer import AUDIENCE, CLAIM, ISSUER, KeysInMemory, claims, token

VERIFIER = TokenVerifier(ISSUER, AUDIENCE, CLAIM, KeysInMemory())


# --- Tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [issuer.token, issuer.ec_token], ids=["RS256", "ES256"])
def test_a_token_of_the_issuers_key_says_who_it_is(sign: Callable[..., str]) -> None:
    expires_at = int(time.time()) + 60
    assert VERIFIER.verify(sign(claims(exp=expires_at))) == Identity("user-1", ("t_acme",), expires_at)


def test_one_of_several_audiences_is_enough() -> None:
    assert VERIFIER.verify(token(claims(aud=["another", AUDIENCE]))).tenants == ("t_acme",)


def test_an_issuers_clock_may_be_ahead() -> None:
    assert VERIFIER.verify(token(claims(iat=int(time.time()) + 600))).subject == "user-1"


BAD_TOKENS: dict[str, Callable[[], str]] = {
    "empty": lambda: "",
    "garbage": lambda: "garbage",
    "three parts of garbage": lambda: "a.b.c",
    "not ASCII": lambda: "é.é.é",
    "signed with another key": lambda: token(key="rsa-2"),
    "signature cut off": lambda: token().rpartition(".")[0] + ".",
    "claims of another token": lambda: _with_claims_of(token(claims(**{CLAIM: "t_globex"}))),
    "alg none": issuer.unsigned_token,
    "HS256 with the public key as the secret": issuer.confused_token,
    "HS256 with a secret that is published": issuer.shared_secret_token,
    "RS256 that names the EC key": lambda: token(kid="ec-1"),
    "ES256 that names the RSA key": lambda: issuer.ec_token(kid="rsa-1"),
    "RS512": lambda: jwt.encode(claims(), issuer.rsa_key("rsa-1"), algorithm="RS512", headers={"kid": "rsa-1"}),
    "PS256": lambda: jwt.encode(claims(), issuer.rsa_key("rsa-1"), algorithm="PS256", headers={"kid": "rsa-1"}),
    "an unknown kid": lambda: token(kid="rsa-9"),
    "no kid": lambda: token(kid=None),
    "another issuer": lambda: token(claims(iss="https://issuer.example/pool-2")),
    "no issuer": lambda: token(claims(iss=None)),
    "another audience": lambda: token(claims(aud="client-2")),
    "no audience": lambda: token(claims(aud=None)),
    "expired": lambda: token(claims(exp=int(time.time()) - 1)),
    "no expiry": lambda: token(claims(exp=None)),
    "an expiry that is no number": lambda: token(claims(exp="soon")),
    "not good before tomorrow": lambda: token(claims(nbf=int(time.time()) + 86_400)),
    "no subject": lambda: token(claims(sub=None)),
    "a subject that is no text": lambda: token(claims(sub=5)),
}


def _with_claims_of(other: str) -> str:
    header, _, signature = token().split(".")
    return ".".join([header, other.split(".")[1], signature])


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_token_that_does_not_verify_is_unauthorized(make: Callable[[], str]) -> None:
    bad = make()
    with pytest.raises(Unauthorized) as refused:
        VERIFIER.verify(bad)
    assert not any(part in str(refused.value) for part in bad.split(".") if len(part) > 8)


@given(st.text())
def test_any_text_is_unauthorized(text: str) -> None:
    with pytest.raises(Unauthorized):
        VERIFIER.verify(text)


def test_keys_that_cannot_be_fetched_are_not_the_clients_fault() -> None:
    nowhere = jwt.PyJWKClient("http://127.0.0.1:1/jwks.json", timeout=5)
    with pytest.raises(jwt.PyJWKClientConnectionError):
        TokenVerifier(ISSUER, AUDIENCE, CLAIM, nowhere).verify(token())


def test_an_issuer_that_answers_no_key_set_is_not_the_clients_fault() -> None:
    class NoKeys(jwt.PyJWKClient):
        def fetch_data(self) -> object:
            return {"message": "not found"}

    with pytest.raises(jwt.PyJWTError):
        TokenVerifier(ISSUER, AUDIENCE, CLAIM, NoKeys("http://127.0.0.1:1/jwks.json")).verify(token())


# --- The tenant -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "tenants"),
    [
        ("t_acme", ("t_acme",)),
        (["t_acme", "t_globex"], ("t_acme", "t_globex")),
        (["t_acme", 5, None, "globex", "t_globex#1"], ("t_acme",)),
        (None, ()),
        ([], ()),
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


def identity(*tenants: str) -> Identity:
    return Identity("user-1", tenants, 0)


def test_the_one_tenant_of_a_token_is_chosen() -> None:
    assert identity("t_acme").choose_tenant(None) == "t_acme"


def test_a_tenant_that_the_token_grants_may_be_named() -> None:
    assert identity("t_acme").choose_tenant("t_acme") == "t_acme"
    assert identity("t_acme", "t_globex").choose_tenant("t_globex") == "t_globex"


@pytest.mark.parametrize("wanted", ["t_globex", "", "t_acme ", "T_ACME", "t_"])
def test_a_tenant_that_the_token_does_not_grant_is_forbidden(wanted: str) -> None:
    with pytest.raises(Forbidden, match=r"^tenant_id: the token does not grant "):
        identity("t_acme").choose_tenant(wanted)


@pytest.mark.parametrize("tenants", [(), ("t_acme", "t_globex")], ids=["none", "two"])
def test_without_a_name_a_token_of_none_or_several_tenants_is_forbidden(tenants: tuple[str, ...]) -> None:
    with pytest.raises(Forbidden, match=rf"^the token grants {len(tenants)} tenants"):
        identity(*tenants).choose_tenant(None)
