from __future__ import annotations

import pytest

from formbridge.access.principal import UNKNOWN_PRINCIPAL, Principal


@pytest.mark.parametrize(
    ("principal", "context"),
    [
        (
            Principal("user", "session", "token", 5),
            {"user": "user", "session": "session", "token_id": "token", "signed_in_at": "5"},
        ),
        (Principal("user"), {"user": "user", "signed_in_at": "0"}),
        (UNKNOWN_PRINCIPAL, {"signed_in_at": "0"}),
    ],
)
def test_the_context_of_the_authorizer_carries_a_principal(principal: Principal, context: dict[str, str]) -> None:
    assert principal.context == context
    assert Principal.from_context({"tenant_id": "t_acme", **context}) == principal


def test_a_context_without_a_principal_is_that_of_nobody() -> None:
    assert Principal.from_context({"tenant_id": "t_acme"}) == UNKNOWN_PRINCIPAL
