from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from components._gateway_access import MAX_CLOCK_TOLERANCE_SECONDS
from formbridge.access.principal import Principal
from formbridge.access.token_checks import MAX_LIFETIME_SECONDS
from formbridge.revocations.revocation import (
    FOREVER,
    RETENTION_SECONDS,
    Kind,
    Revocation,
    Revocations,
    Target,
    list_targets,
)

NOW = 1_800_000_000
TIMES = st.integers(0, 50)
REVOCATIONS = st.builds(Revocation, TIMES, TIMES, TIMES)
PRINCIPAL = Principal("u" * 32, "5" * 32, "7" * 32, signed_in_at=NOW - 60)
TARGETS = [
    Target(Kind.TENANT, "t_acme"),
    Target(Kind.USER, "u" * 32),
    Target(Kind.USER, "u" * 32, "t_acme"),
    Target(Kind.SESSION, "5" * 32),
    Target(Kind.TOKEN, "7" * 32),
]


# --- The laws -------------------------------------------------------------------------------------------------


@given(REVOCATIONS, REVOCATIONS, TIMES, TIMES)
def test_a_merge_refuses_whatever_one_of_the_two_refuses(
    one: Revocation, other: Revocation, signed_in_at: int, now: int
) -> None:
    refused = one.refuses(signed_in_at, now) or other.refuses(signed_in_at, now)
    assert one.merge(other).refuses(signed_in_at, now) >= refused


@given(REVOCATIONS, REVOCATIONS, REVOCATIONS)
def test_neither_order_nor_repetition_of_merges_matters(one: Revocation, two: Revocation, three: Revocation) -> None:
    assert one.merge(two) == two.merge(one)
    assert one.merge(two).merge(three) == one.merge(two.merge(three))
    assert one.merge(one) == one
    assert one.merge(Revocation()) == one


@given(REVOCATIONS, REVOCATIONS)
def test_a_merge_never_expires_earlier(one: Revocation, other: Revocation) -> None:
    assert one.merge(other).expires_at == max(one.expires_at, other.expires_at)


@given(REVOCATIONS, TIMES, TIMES)
def test_an_expired_revocation_refuses_nothing(revocation: Revocation, signed_in_at: int, now: int) -> None:
    assert not (now >= revocation.expires_at and revocation.refuses(signed_in_at, now))


# --- What is refused ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("revocation", "signed_in_at", "is_refused"),
    [
        (Revocation(NOW, NOW + 1), NOW - 1, True),
        (Revocation(NOW, NOW + 1), 0, True),
        (Revocation(NOW, NOW + 1), NOW, False),
        (Revocation(NOW, NOW), NOW - 1, False),
        (Revocation(blocked_until=NOW + 1), NOW, True),
        (Revocation(blocked_until=FOREVER), NOW + 10**6, True),
        (Revocation(blocked_until=NOW), NOW, False),
        (Revocation(), 0, False),
    ],
)
def test_a_sign_in_is_refused_if_it_was_before_or_while_all_are_blocked(
    revocation: Revocation, signed_in_at: int, is_refused: bool
) -> None:
    assert revocation.refuses(signed_in_at, NOW) is is_refused


def test_a_connection_has_its_tenant_its_user_its_session_and_its_token() -> None:
    assert list_targets("t_acme", PRINCIPAL) == TARGETS
    assert list_targets("t_acme", Principal()) == TARGETS[:1]


@pytest.mark.parametrize("target", TARGETS)
def test_each_of_its_targets_refuses_a_connection(target: Target) -> None:
    assert Revocations({target: Revocation(NOW, FOREVER)}).refuse("t_acme", PRINCIPAL, NOW)


@pytest.mark.parametrize(
    "target",
    [
        Target(Kind.TENANT, "t_acme2"),
        Target(Kind.TENANT, "u" * 32),
        Target(Kind.USER, "5" * 32),
        Target(Kind.USER, "u" * 32, "t_globex"),
        Target(Kind.SESSION, "u" * 32),
        Target(Kind.TOKEN, "5" * 32),
    ],
)
def test_no_other_target_does(target: Target) -> None:
    assert not Revocations({target: Revocation(NOW, FOREVER, FOREVER)}).refuse("t_acme", PRINCIPAL, NOW)


@pytest.mark.parametrize("target", TARGETS)
def test_a_key_tells_its_target(target: Target) -> None:
    assert Target.from_key(target.key) == target
    assert len({each.key for each in TARGETS}) == len(TARGETS)


# --- The times ------------------------------------------------------------------------------------------------


def test_a_revocation_outlasts_the_longest_token_and_the_refresh_tokens_of_the_user_pool() -> None:
    assert max(MAX_LIFETIME_SECONDS + MAX_CLOCK_TOLERANCE_SECONDS, 2 * 3_600, 30 * 24 * 3_600) < RETENTION_SECONDS
