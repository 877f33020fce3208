from __future__ import annotations

import math
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.handshake import Unauthorized
from formbridge.access.token_checks import (
    CLOCK_LEEWAY_SECONDS,
    MAX_LIFETIME_SECONDS,
    MAX_TOKEN_LENGTH,
    check_claims,
    parse_token,
    read_seconds,
)
from tests.support.handlers import issuer
from tests.support.handlers.builders import NOW
from tests.support.handlers.issuer import AUDIENCE, ISSUER, handmade, token
from tests.support.handlers.strategies import ANY_TEXT, JSON

NOW_S = NOW // 1000
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "iat": NOW_S, "exp": NOW_S + 3_600}


def refusal(**changes: object) -> str | None:
    """Why a token with these claims is refused. None: it is not."""
    try:
        check_claims({**GOOD, **changes}, issuer=ISSUER, audience=AUDIENCE, now=NOW_S)
    except Unauthorized as error:
        return str(error)
    return None


# --- The header -----------------------------------------------------------------------------------------------


def test_a_token_is_taken_apart() -> None:
    bearer = token(issuer.claims(sub="user-2"))
    parsed = parse_token(bearer)
    assert (parsed.algorithm, parsed.key_id, parsed.claims["sub"]) == ("RS256", "rsa-1", "user-2")
    assert parsed.signed.decode() == bearer.rpartition(".")[0]
    assert issuer.segment(parsed.signature) == bearer.rpartition(".")[2]


@pytest.mark.parametrize("typ", ["JWT", "jwt", "Jwt", "application/jwt", "application/JWT"])
def test_the_type_may_be_that_of_a_plain_token(typ: str) -> None:
    assert parse_token(handmade({"alg": "RS256", "kid": "rsa-1", "typ": typ})).key_id == "rsa-1"


def test_the_type_may_be_absent() -> None:
    assert parse_token(handmade({"alg": "RS256", "kid": "rsa-1"})).key_id == "rsa-1"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"alg": "HS256"}, "alg: must be an accepted algorithm"),
        ({"alg": "none"}, "alg: must be an accepted algorithm"),
        ({"alg": ["RS256"]}, "alg: must be an accepted algorithm"),
        ({"typ": "at+jwt"}, "typ: must be that of an ID token"),
        ({"typ": "logout+jwt"}, "typ: must be that of an ID token"),
        ({"typ": None}, "typ: must be that of an ID token"),
        ({"kid": None}, "kid: must be a string of 1 to 256 characters"),
        ({"kid": ""}, "kid: must be a string of 1 to 256 characters"),
        ({"kid": "k" * 257}, "kid: must be a string of 1 to 256 characters"),
        ({"crit": []}, "crit: must be absent, because no extension is supported"),
        ({"b64": True}, "b64: must be absent, because no extension is supported"),
    ],
    ids=str,
)
def test_a_header_that_is_refused(header: dict[str, Any], reason: str) -> None:
    with pytest.raises(Unauthorized) as refused:
        parse_token(handmade({"alg": "RS256", "kid": "rsa-1", **header}))
    assert str(refused.value) == reason


def test_a_token_has_a_longest_length() -> None:
    def padded(length: int) -> str:
        return handmade(
            {"alg": "RS256", "kid": "rsa-1"}, sign=lambda signed: b"s" * ((length - len(signed) - 1) * 3 // 4)
        )

    longest = padded(MAX_TOKEN_LENGTH)
    assert len(longest) == MAX_TOKEN_LENGTH
    assert parse_token(longest).key_id == "rsa-1"
    with pytest.raises(Unauthorized, match=r"^token: must be at most 10,240 characters$"):
        parse_token(padded(MAX_TOKEN_LENGTH + 4))


@given(ANY_TEXT | st.lists(ANY_TEXT, min_size=3, max_size=3).map(".".join))
def test_any_text_is_refused(text: str) -> None:
    with pytest.raises(Unauthorized):
        parse_token(text)


@given(JSON, JSON)
def test_any_header_and_claims_are_read_or_refused(header: object, claims: object) -> None:
    with suppress(Unauthorized):
        parse_token(handmade(header, claims))


@given(st.binary(max_size=8))
def test_a_part_has_one_encoding(signature: bytes) -> None:
    """A token whose text can be changed without its meaning would have several hashes."""
    bearer = handmade({"alg": "RS256", "kid": "rsa-1"}, {}, lambda _: signature)
    assert parse_token(bearer).signature == signature
    for letter in "AZaz09-_=+/ \n":
        other = bearer[:-1] + letter
        if other != bearer and signature:
            with suppress(Unauthorized):
                assert parse_token(other).signature != signature


# --- Times ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW_S + 1},
        {"exp": NOW_S + 1.5},
        {"exp": NOW_S + MAX_LIFETIME_SECONDS},
        {"iat": NOW_S + CLOCK_LEEWAY_SECONDS},
        {"iat": NOW_S - 0.5},
        {"iat": NOW_S + 3_600 - MAX_LIFETIME_SECONDS},
        {"nbf": NOW_S + CLOCK_LEEWAY_SECONDS},
        {"nbf": 0},
        {"nbf": -(10**60)},
    ],
    ids=str,
)
def test_times_that_are_accepted(changes: dict[str, object]) -> None:
    assert refusal(**changes) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"exp": NOW_S}, "exp: must be later than now"),
        ({"exp": NOW_S + 0.9}, "exp: must be later than now"),
        ({"exp": -(10**60)}, "exp: must be later than now"),
        ({"exp": 10**60}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"exp": 10**400}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"exp": 1e308}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"exp": NOW_S + MAX_LIFETIME_SECONDS + 1}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"exp": math.inf}, "exp: must be a number of epoch seconds"),
        ({"exp": math.nan}, "exp: must be a number of epoch seconds"),
        ({"exp": True}, "exp: must be a number of epoch seconds"),
        ({"exp": str(NOW_S + 60)}, "exp: must be a number of epoch seconds"),
        ({"exp": [NOW_S + 60]}, "exp: must be a number of epoch seconds"),
        ({"exp": None}, "exp: must be a number of epoch seconds"),
        ({"iat": None}, "iat: must be a number of epoch seconds"),
        ({"iat": "then"}, "iat: must be a number of epoch seconds"),
        ({"iat": NOW_S + CLOCK_LEEWAY_SECONDS + 1}, "iat: must not be later than now"),
        ({"iat": 10**60}, "iat: must not be later than now"),
        ({"iat": -(10**60)}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"iat": NOW_S + 10, "exp": NOW_S + 10}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"nbf": NOW_S + CLOCK_LEEWAY_SECONDS + 1}, "nbf: must not be later than now"),
        ({"nbf": 10**60}, "nbf: must not be later than now"),
        ({"nbf": None}, "nbf: must be a number of epoch seconds"),
    ],
    ids=str,
)
def test_times_that_are_refused(changes: dict[str, object], reason: str) -> None:
    assert refusal(**changes) == reason


TIMES = st.integers() | st.floats() | st.integers(-(10**7), 10**7).map(lambda seconds: NOW_S + seconds)


@given(TIMES, TIMES)
def test_an_accepted_token_ends_soon_after_it_was_issued(iat: float, exp: float) -> None:
    """A revocation that is kept for this time outlives all tokens that were issued before it."""
    if refusal(iat=iat, exp=exp) is None:
        assert NOW_S < math.floor(exp) <= math.floor(iat) + MAX_LIFETIME_SECONDS
        assert math.floor(iat) <= NOW_S + CLOCK_LEEWAY_SECONDS


def test_a_fraction_of_a_second_is_left_out() -> None:
    assert read_seconds({"exp": 1_790_000_000.9}, "exp") == 1_790_000_000


# --- By whom, for whom ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE]},
        {"azp": AUDIENCE},
        {"client_id": AUDIENCE},
        {"aud": [AUDIENCE], "azp": AUDIENCE},
        {"aud": ["another", AUDIENCE], "azp": AUDIENCE},
        {"sub": "u" * 255},
        {"sub": "auth0|5f7c8ec7c33c6c004bbafe82"},
        {"sub": "user 1 <ada@example.com>"},
        {"token_use": "id"},
    ],
    ids=str,
)
def test_claims_that_are_accepted(changes: dict[str, object]) -> None:
    assert refusal(**changes) is None


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"iss": f"{ISSUER}/"}, "iss: must be the configured issuer"),
        ({"iss": [ISSUER]}, "iss: must be the configured issuer"),
        ({"aud": "another"}, "aud: must contain the configured audience"),
        ({"aud": []}, "aud: must contain the configured audience"),
        ({"aud": [[AUDIENCE]]}, "aud: must contain the configured audience"),
        ({"aud": f"{AUDIENCE} another"}, "aud: must contain the configured audience"),
        ({"aud": [AUDIENCE, "another"]}, "azp: must be present in a token with several audiences"),
        ({"aud": [AUDIENCE, "another"], "azp": "another"}, "azp: must be the configured audience"),
        ({"azp": "another"}, "azp: must be the configured audience"),
        ({"azp": None}, "azp: must be the configured audience"),
        ({"client_id": "another"}, "client_id: must be the configured audience"),
        ({"sub": ""}, "sub: must be 1 to 255 printable ASCII characters"),
        ({"sub": "u" * 256}, "sub: must be 1 to 255 printable ASCII characters"),
        ({"sub": "é"}, "sub: must be 1 to 255 printable ASCII characters"),
        ({"sub": "a\nb"}, "sub: must be 1 to 255 printable ASCII characters"),
        ({"sub": 5}, "sub: must be 1 to 255 printable ASCII characters"),
        ({"token_use": "access"}, "token_use: must be that of an ID token"),
        ({"token_use": None}, "token_use: must be that of an ID token"),
    ],
    ids=str,
)
def test_claims_that_are_refused(changes: dict[str, object], reason: str) -> None:
    assert refusal(**changes) == reason


@pytest.mark.parametrize("name", GOOD)
def test_a_claim_that_must_be_there(name: str) -> None:
    claims = {key: value for key, value in GOOD.items() if key != name}
    with pytest.raises(Unauthorized, match=f"^{name}: "):
        check_claims(claims, issuer=ISSUER, audience=AUDIENCE, now=NOW_S)
