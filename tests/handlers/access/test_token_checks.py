from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.key_set import ALGORITHMS, PublishedKey
from formbridge.access.token_checks import (
    DEFAULT_CLOCK_TOLERANCE_SECONDS,
    MAX_LIFETIME_SECONDS,
    check_token,
    read_seconds,
)
from formbridge.access.unverified_token import UnverifiedToken, parse_token
from tests.support.handlers import issuer
from tests.support.handlers.builders import NOW
from tests.support.handlers.issuer import AUDIENCE, ISSUER, handmade

if TYPE_CHECKING:
    from collections.abc import Mapping

    from formbridge.access.check import Check
    from formbridge.access.token_checks import TokenRules

NOW_S = NOW // 1000
GOOD = {"iss": ISSUER, "aud": AUDIENCE, "sub": "user-1", "iat": NOW_S, "exp": NOW_S + 3_600}


RULES = issuer.rules()
ANY_KEY = PublishedKey("", ALGORITHMS, lambda _algorithm, _signed, _signature: True)


def checks_of(token: UnverifiedToken, rules: TokenRules = RULES) -> list[Check]:
    """All checks of a token whose signature would verify."""
    return list(check_token(token, rules, NOW_S, lambda _token: ANY_KEY))


def check_claims(claims: Mapping[str, object], rules: TokenRules = RULES) -> Check | None:
    """The first check that claims fail. None: they pass all."""
    token = UnverifiedToken({"alg": "RS256"}, claims, b"", b"")
    return next((check for check in checks_of(token, rules) if not check.passes), None)


def refusal(**changes: object) -> str | None:
    """Why a token with these claims is refused. None: it is not."""
    failed = check_claims({**GOOD, **changes})
    return failed.reason if failed is not None else None


# --- The header -----------------------------------------------------------------------------------------------


def header_refusal(**header: object) -> str | None:
    """Why a token with this header is refused. None: it is not."""
    parsed = parse_token(handmade({"alg": "RS256", "kid": "rsa-1", **header}, GOOD))
    return next((check.reason for check in checks_of(parsed) if not check.passes), None)


@pytest.mark.parametrize("typ", ["JWT", "jwt", "Jwt", "application/jwt", "application/JWT"])
def test_the_type_may_be_that_of_a_plain_token(typ: str) -> None:
    assert header_refusal(typ=typ) is None


@pytest.mark.parametrize("alg", ALGORITHMS)
def test_every_algorithm_with_a_public_key_is_accepted(alg: str) -> None:
    assert header_refusal(alg=alg) is None


def test_these_are_the_algorithms() -> None:
    assert " ".join(ALGORITHMS) == "RS256 RS384 RS512 PS256 PS384 PS512 ES256 ES384 ES512 EdDSA"


NOT_ACCEPTED = f"alg: must be one of {', '.join(ALGORITHMS)}"
NO_KEY_ID = "kid: must be absent or a string of 1 to 256 characters"


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        *[({"alg": alg}, NOT_ACCEPTED) for alg in ("HS256", "HS384", "HS512", "none", "ES256K", "ES521", "", "rs256")],
        *[({"alg": alg}, NOT_ACCEPTED) for alg in (["RS256"], None, 5, {"RS256": 1})],
        ({"typ": "at+jwt"}, "typ: must be that of an ID token"),
        ({"typ": "logout+jwt"}, "typ: must be that of an ID token"),
        ({"typ": None}, "typ: must be that of an ID token"),
        ({"kid": None}, NO_KEY_ID),
        ({"kid": ""}, NO_KEY_ID),
        ({"kid": 5}, NO_KEY_ID),
        ({"kid": "k" * 257}, NO_KEY_ID),
        ({"crit": []}, "crit: must be absent, because no extension is supported"),
        ({"b64": True}, "b64: must be absent, because no extension is supported"),
    ],
    ids=str,
)
def test_a_header_that_is_refused(header: dict[str, Any], reason: str) -> None:
    assert header_refusal(**header) == reason


# --- Times ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"exp": NOW_S + 1},
        {"exp": NOW_S + 1.5},
        {"exp": NOW_S + MAX_LIFETIME_SECONDS},
        {"iat": NOW_S + DEFAULT_CLOCK_TOLERANCE_SECONDS},
        {"iat": NOW_S - 0.5},
        {"iat": NOW_S + 3_600 - MAX_LIFETIME_SECONDS},
        {"nbf": NOW_S + DEFAULT_CLOCK_TOLERANCE_SECONDS},
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
        ({"iat": NOW_S + DEFAULT_CLOCK_TOLERANCE_SECONDS + 1}, "iat: must be at most 30 seconds later than now"),
        ({"iat": 10**60}, "iat: must be at most 30 seconds later than now"),
        ({"iat": -(10**60)}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"iat": NOW_S + 10, "exp": NOW_S + 10}, "exp: must be at most 2,592,000 seconds later than iat"),
        ({"nbf": NOW_S + DEFAULT_CLOCK_TOLERANCE_SECONDS + 1}, "nbf: must be at most 30 seconds later than now"),
        ({"nbf": 10**60}, "nbf: must be at most 30 seconds later than now"),
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
        assert math.floor(iat) <= NOW_S + DEFAULT_CLOCK_TOLERANCE_SECONDS


def test_a_fraction_of_a_second_is_left_out() -> None:
    assert read_seconds({"exp": 1_790_000_000.9}, "exp") == 1_790_000_000


# --- By whom, for whom ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": [AUDIENCE]},
        {"aud": [AUDIENCE, AUDIENCE]},
        {"auth_time": NOW_S - 60},
        {"auth_time": None},
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
        ({"aud": "another"}, "aud: must contain a configured audience"),
        ({"aud": []}, "aud: must contain a configured audience"),
        ({"aud": [[AUDIENCE]]}, "aud: must contain a configured audience"),
        ({"aud": f"{AUDIENCE} another"}, "aud: must contain a configured audience"),
        ({"aud": [AUDIENCE, "another"]}, "azp: must be present in a token with other audiences"),
        ({"aud": [AUDIENCE, "another"], "azp": "another"}, "azp: must be a configured audience"),
        ({"azp": "another"}, "azp: must be a configured audience"),
        ({"azp": None}, "azp: must be a configured audience"),
        ({"client_id": "another"}, "client_id: must be a configured audience"),
        ({"auth_time": "then"}, "auth_time: must be a number of epoch seconds"),
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
    failed = check_claims({key: value for key, value in GOOD.items() if key != name})
    assert failed is not None
    assert failed.name == name


# --- Settings -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("tolerance", [0, 30, 300])
@pytest.mark.parametrize("name", ["iat", "nbf"])
def test_the_clock_tolerance_is_a_setting(name: str, tolerance: int) -> None:
    rules = issuer.rules(tolerance=tolerance)
    assert check_claims({**GOOD, name: NOW_S + tolerance}, rules) is None
    failed = check_claims({**GOOD, name: NOW_S + tolerance + 1}, rules)
    assert failed is not None
    assert (failed.name, failed.setting) == (name, "clockToleranceSeconds")


@pytest.mark.parametrize(
    "changes",
    [
        {"aud": "second"},
        {"aud": ["second"]},
        {"aud": [AUDIENCE, "second"]},
        {"aud": "second", "azp": AUDIENCE, "client_id": "second"},
        {"aud": AUDIENCE, "azp": "second"},
        {"aud": ["another", "second"], "azp": AUDIENCE},
    ],
    ids=str,
)
def test_further_audiences_are_a_setting(changes: dict[str, object]) -> None:
    assert check_claims({**GOOD, **changes}, issuer.rules(AUDIENCE, "second")) is None
    assert check_claims({**GOOD, **changes}) is not None


@pytest.mark.parametrize(
    ("changes", "setting"),
    [
        ({"iss": f"{ISSUER}/"}, "issuer"),
        ({"aud": "another"}, "audience"),
        ({"azp": "another"}, "additionalAudiences"),
        ({"client_id": "another"}, "additionalAudiences"),
        ({"iat": NOW_S + 31}, "clockToleranceSeconds"),
        ({"iat": None}, ""),
        ({"exp": NOW_S}, ""),
        ({"sub": ""}, ""),
    ],
    ids=str,
)
def test_a_refusal_names_the_setting_that_it_belongs_to(changes: dict[str, object], setting: str) -> None:
    failed = check_claims({**GOOD, **changes})
    assert failed is not None
    assert failed.setting == setting


# --- All checks -----------------------------------------------------------------------------------------------


def test_all_checks_are_made_although_one_fails() -> None:
    names = [check.name for check in checks_of(parse_token(issuer.token({**GOOD, "iss": "x", "exp": 5})))]
    assert names == [
        *("alg", "typ", "kid", "crit", "b64"),
        *("iss", "aud", "azp", "client_id", "iat", "exp", "auth_time", "sub", "token_use", "key", "signature"),
    ]


def test_no_key_is_looked_for_before_the_other_checks_have_passed() -> None:
    def find_key(_token: UnverifiedToken) -> PublishedKey | None:
        asked.append("key")
        return None

    asked: list[str] = []
    checks = check_token(parse_token(issuer.token({**GOOD, "sub": ""})), RULES, NOW_S, find_key)
    assert next(check for check in checks if not check.passes).name == "sub"
    assert asked == []
    assert [check.name for check in checks if not check.passes] == ["key"]
    assert asked == ["key"]


def test_a_signature_is_checked_with_the_key_of_the_token() -> None:
    never = PublishedKey("rsa-1", ["RS256"], lambda _algorithm, _signed, _signature: False)
    token = parse_token(issuer.token(GOOD))
    (failed,) = [check for check in check_token(token, RULES, NOW_S, lambda _token: never) if not check.passes]
    assert failed.reason == "signature: does not verify"
