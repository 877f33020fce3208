from __future__ import annotations

import math
import time
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Self

import jwt
import pytest
from hypothesis import given
from jwt import api_jwt

from formbridge.access.handshake import Identity, Unauthorized
from formbridge.access.token_verifier import CLOCK_LEEWAY_SECONDS, TokenVerifier
from tests.support.handlers import issuer
from tests.support.handlers.builders import NOW
from tests.support.handlers.issuer import AUDIENCE, BAD_TOKENS, CLAIM, ISSUER, KeysInMemory, claims, token
from tests.support.handlers.strategies import ANY_TEXT

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.handlers.clock import Clock

VERIFIER = TokenVerifier(ISSUER, AUDIENCE, CLAIM, KeysInMemory())


# --- Tokens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sign", [issuer.token, issuer.ec_token], ids=["RS256", "ES256"])
def test_a_token_of_the_issuers_key_says_who_it_is(sign: Callable[..., str]) -> None:
    now = int(time.time())
    said = claims(exp=now + 60, iat=now - 60)
    assert VERIFIER.verify(sign(said)) == Identity("user-1", ("t_acme",), now + 60, now - 60)


def test_one_of_several_audiences_is_enough() -> None:
    assert VERIFIER.verify(token(claims(aud=["another", AUDIENCE]))).tenants == ("t_acme",)


def test_when_it_was_issued_does_not_matter() -> None:
    assert VERIFIER.verify(token(claims(iat=int(time.time()) + 600))).subject == "user-1"


@pytest.mark.parametrize("make", BAD_TOKENS.values(), ids=BAD_TOKENS.keys())
def test_a_token_that_does_not_verify_is_unauthorized_and_not_quoted(make: Callable[[], str]) -> None:
    bad = make()
    with pytest.raises(Unauthorized) as refused:
        VERIFIER.verify(bad)
    assert not any(word in str(refused.value) for word in issuer.words(bad))


class StandingClock(datetime):
    """The clock by which PyJWT reads `exp` and `nbf`."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Self:
        return cls.fromtimestamp(NOW // 1000, tz)


def test_an_issuers_clock_may_be_ahead_by_the_leeway_and_no_more(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_jwt, "datetime", StandingClock)
    now = NOW // 1000
    assert VERIFIER.verify(token(claims(exp=now + 60, nbf=now + CLOCK_LEEWAY_SECONDS))).subject == "user-1"
    with pytest.raises(Unauthorized, match=r"^ImmatureSignatureError$"):
        VERIFIER.verify(token(claims(exp=now + 60, nbf=now + CLOCK_LEEWAY_SECONDS + 1)))


def test_a_token_ends_with_the_second_it_says_without_a_leeway(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api_jwt, "datetime", StandingClock)
    now = NOW // 1000
    assert VERIFIER.verify(token(claims(exp=now + 1))).expires_at == now + 1
    for moment in (now, now - CLOCK_LEEWAY_SECONDS + 1, now - CLOCK_LEEWAY_SECONDS):
        with pytest.raises(Unauthorized, match=r"^ExpiredSignatureError$"):
            VERIFIER.verify(token(claims(exp=moment)))


@pytest.mark.parametrize(
    ("iat", "signed_in_at"),
    [(1_790_000_000, 1_790_000_000), (1_790_000_000.9, 1_790_000_000), (None, 0), ("then", 0), (math.inf, 0)],
)
def test_when_a_user_signed_in_is_when_the_token_was_issued_where_it_says_so(iat: object, signed_in_at: int) -> None:
    assert VERIFIER.verify(token(claims(iat=iat))).signed_in_at == signed_in_at


@pytest.mark.parametrize(
    ("auth_time", "signed_in_at"),
    [
        (1_790_000_000, 1_790_000_000),
        (1_789_000_000, 1_789_000_000),
        (1_790_000_001, 1_790_000_000),
        (0, 1_790_000_000),
        (-5, 1_790_000_000),
        ("then", 1_790_000_000),
        (math.inf, 1_790_000_000),
    ],
)
def test_a_refreshed_token_says_when_the_user_signed_in(auth_time: object, signed_in_at: int) -> None:
    assert VERIFIER.verify(token(claims(iat=1_790_000_000, auth_time=auth_time))).signed_in_at == signed_in_at


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


def test_a_token_that_says_who_someone_is_may_say_so() -> None:
    assert VERIFIER.verify(token(claims(token_use="id"))).subject == "user-1"


@given(ANY_TEXT)
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
