"""Checks of OIDC inputs: the place and the form of the tenant, scopes and the prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pulumi
import pytest

from components import _oidc
from tests.support.access.tenant_claims import CASES
from tests.support.components.harness import refusal, run

Check = Callable[[str, Any], pulumi.Output[Any]]

ACCEPTED: list[tuple[Check, Any]] = [
    *((_oidc.tenant_claim, claim) for claim in dict.fromkeys(case["claim"] for case in CASES)),
    *((_oidc.tenant_id_pattern, pattern) for pattern in dict.fromkeys(case["pattern"] for case in CASES)),
    *((_oidc.scopes, value) for value in ([], ["openid"], ["profile", "openid", "https://example.com/a:b"])),
    *((_oidc.prompt, value) for value in ("login", "consent", "select_account", "login consent", "consent login")),
]
CLAIM = "the name of a claim, or a JSON Pointer such as /app_metadata/tenant_id, without spaces"
PROMPT = "login, consent, select_account, or several of these separated by a space"
SCOPE = 'a scope: visible ASCII characters without " and \\'
REJECTED: list[tuple[Check, Any, str]] = [
    *(
        (_oidc.tenant_claim, value, f"field: must be {CLAIM}, got {value!r}")
        for value in ("", "a b", "/", "//a", "/a/")
    ),
    *((_oidc.tenant_claim, value, f"field: must be {CLAIM}, got {value!r}") for value in ("/a~2", "/a~", "/a b", 5)),
    (_oidc.tenant_id_pattern, 5, "field: must be a string, got 5"),
    (_oidc.tenant_id_pattern, "", "field: must have 1 to 256 characters, got ''"),
    (_oidc.scopes, "openid", "field: must be a list, got 'openid'"),
    (_oidc.scopes, ["profile"], "field: must contain openid, got ['profile']"),
    *(
        (_oidc.scopes, ["openid", value], f"field[1]: must be {SCOPE}, got {value!r}")
        for value in ("", "a b", 'a"', "a\\b", "\u00e9", 5)
    ),
    *(
        (_oidc.prompt, value, f"field: must be {PROMPT}, got {value!r}")
        for value in ("none", "login none", "login login", "login  consent", "", " login", "create", 5)
    ),
]


@pytest.mark.parametrize(("check", "value"), ACCEPTED)
def test_a_value_of_the_kind_is_accepted(check: Check, value: Any) -> None:
    checked: list[Any] = []
    run(lambda: check("field", value).apply(checked.append))

    assert checked == [value]


@pytest.mark.parametrize(("check", "value", "message"), REJECTED)
def test_another_value_is_an_error_that_names_field_and_value(check: Check, value: Any, message: str) -> None:
    assert refusal(lambda: check("field", value)) == message


def test_scopes_that_are_known_later_are_checked_then() -> None:
    with pytest.raises(ValueError, match=r"^field: must contain openid, got \['profile'\]$"):
        run(lambda: _oidc.scopes("field", pulumi.Output.from_input(["profile"])))
