from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from formbridge.access.key_set import KeySet, parse_key_set
from formbridge.access.public_key import load_public_key
from formbridge.access.tenant_claim import TenantClaim
from formbridge.access.token_checks import TokenRules
from tests.support.handlers.issuer import (
    AUDIENCE,
    CLAIM,
    claims,
    confused_token,
    handmade,
    published,
    rs256,
    token,
    unsigned_token,
    words,
)
from tests.support.handlers.principals import ISSUER
from tools.console import UsageError
from tools.doctor_check import Check, Outcome
from tools.doctor_token import TokenCheckup, build_pointer, describe_name, list_candidates, read_rules
from tools.stack_outputs import StackOutputs

if TYPE_CHECKING:
    from collections.abc import Callable

PATTERN = "t_[A-Za-z0-9_-]{1,64}"
KEYS = parse_key_set(json.dumps(published()).encode(), load_public_key)


def explain(text: str, claim: str = CLAIM, pattern: str = PATTERN, keys: KeySet | None = KEYS) -> list[Check]:
    rules = TokenRules(ISSUER, [AUDIENCE, "client-9"], 30, TenantClaim.parse(claim, pattern))
    return list(TokenCheckup(rules, keys).run(text))


def failures(text: str, **changes: Any) -> list[tuple[str, str]]:
    return [(one.setting, one.text) for one in explain(text, **changes) if one.outcome is Outcome.FAIL]


def test_a_token_that_the_gateway_accepts_passes_its_checks_in_order() -> None:
    assert [(one.setting, one.text) for one in explain(token()) if one.outcome is Outcome.PASS] == [
        ("at the issuer", "the token is well-formed"),
        ("at the issuer", "alg"),
        ("at the issuer", "typ"),
        ("at the issuer", "kid"),
        ("at the issuer", "crit"),
        ("at the issuer", "b64"),
        ("issuer", "iss"),
        ("audience", "aud"),
        ("additionalAudiences", "azp"),
        ("additionalAudiences", "client_id"),
        ("clockToleranceSeconds", "iat"),
        ("at the issuer", "exp"),
        ("at the issuer", "auth_time"),
        ("at the issuer", "sub"),
        ("at the issuer", "token_use"),
        ("jwksUrl", "key"),
        ("at the issuer", "signature"),
        ("tenantClaim", "the claim grants: t_acme"),
    ]
    assert failures(token()) == []


FAILURES: dict[str, tuple[Callable[[], str], list[tuple[str, str]]]] = {
    "no token": (lambda: "opaque", [("at the issuer", "token: must be three parts separated by dots")]),
    "another issuer": (
        lambda: token(claims(iss="https://other.example")),
        [("issuer", "iss: must be the configured issuer")],
    ),
    "a slash more": (
        lambda: token(claims(iss=f"{ISSUER}/")),
        [("issuer", "iss: must be the configured issuer; only a slash at the end differs")],
    ),
    "another client": (
        lambda: token(claims(aud="client-2", azp=AUDIENCE)),
        [("audience", "aud: must contain a configured audience")],
    ),
    "another party": (
        lambda: token(claims(azp="client-2")),
        [("additionalAudiences", "azp: must be a configured audience")],
    ),
    "a clock that is ahead": (
        lambda: token(claims(nbf=claims()["iat"] + 60)),
        [("clockToleranceSeconds", "nbf: must be at most 30 seconds later than now")],
    ),
    "expired": (
        lambda: token(claims(iat=claims()["iat"] - 90, exp=claims()["iat"] - 60)),
        [("at the issuer", "exp: must be later than now")],
    ),
    "an access token of Cognito": (
        lambda: token(claims(token_use="access")),
        [("at the issuer", "token_use: must be that of an ID token")],
    ),
    "a key of somebody else": (
        lambda: token(key="rsa-2"),
        [("at the issuer", "signature: does not verify")],
    ),
    "several failures at once": (
        lambda: token(claims(iss="https://other.example", aud="client-2", azp=AUDIENCE, sub="")),
        [
            ("issuer", "iss: must be the configured issuer"),
            ("audience", "aud: must contain a configured audience"),
            ("at the issuer", "sub: must be 1 to 255 printable ASCII characters"),
        ],
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_each_failure_names_its_setting(case: str) -> None:
    make, expected = FAILURES[case]

    assert failures(make()) == expected


def test_an_audience_of_another_client_of_the_stack_is_accepted() -> None:
    assert failures(token(claims(aud="client-9"))) == []


@pytest.mark.parametrize("forged", [unsigned_token(), confused_token()])
def test_a_token_of_another_algorithm_fails(forged: str) -> None:
    assert failures(forged)[0][1].startswith("alg: must be one of RS256, ")


def test_without_keys_the_signature_is_not_checked_but_everything_else_is() -> None:
    found = failures(token(claims(aud="client-2", azp=AUDIENCE)), keys=None)

    assert found == [
        ("audience", "aud: must contain a configured audience"),
        ("issuer", "signature: not checked, because the issuer's keys could not be read"),
    ]
    assert explain(token(), keys=None)[-1] == Check.passed("tenantClaim", "the claim grants: t_acme")


# --- Tenants --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("claim", "value", "granted"),
    [
        ("groups", {"groups": ["t_acme", "staff", "t_globex"]}, "t_acme, t_globex"),
        ("organization", {"organization": {"t_acme": {}, "t_off": False}}, "t_acme"),
        ("/realm_access/roles", {"realm_access": {"roles": ["t_acme"]}}, "t_acme"),
    ],
)
def test_the_tenants_that_a_claim_grants_are_named(claim: str, value: dict[str, Any], granted: str) -> None:
    assert explain(token(claims() | value), claim=claim)[-1].text == f"the claim grants: {granted}"


def test_for_a_claim_that_is_missing_the_names_of_others_are_listed() -> None:
    said = claims(**{CLAIM: None}) | {
        "email": "ada@example.com",
        "tenant": "t_acme",
        "https://example.com/tenant": "t_acme",
        "/slash~": "t_acme",
        "groups": ["t_acme"],
        "count": 5,
        "empty": [],
        "o": {"id": "t_acme", "rol": "admin", "n": 5},
        "app_metadata": {"tenant/id": "t_acme"},
        "organization": {"t_acme": {"id": "x"}},
    }
    *_, missing, listed = explain(token(said))

    assert missing == Check.failed("tenantClaim", "tenant: claim missing, must be in the ID token")
    assert listed == Check.noted(
        "tenantClaim",
        "claims of the token that could hold a tenant: tenant, https://example.com/tenant, /~1slash~0, groups, /o/id, "
        "/o/rol, /app_metadata/tenant~1id, organization",
    )


def test_a_claim_whose_values_have_another_form_belongs_to_the_pattern() -> None:
    found = failures(token(claims(**{CLAIM: "org_9yb"})))

    assert [setting for setting, _ in found] == ["tenantIdPattern"]


def test_a_token_without_any_candidate() -> None:
    assert explain(token(claims(**{CLAIM: None})))[-1].text == "claims of the token that could hold a tenant: none"


def test_a_pointer_is_read_as_it_is_written() -> None:
    said: dict[str, object] = {"a/b": {"c~d": "t_acme"}}
    (name,) = list_candidates(said)

    assert name == build_pointer("a/b", "c~d") == "/a~1b/c~0d"
    assert TenantClaim.parse(name, PATTERN).read(said) == ("t_acme",)


@pytest.mark.parametrize(
    ("name", "shown"), [("tenant", "tenant"), ("\x1b[2J", r"\x1b[2J"), ("x" * 200, f"{'x' * 100}…")]
)
def test_a_name_cannot_steer_the_terminal(name: str, shown: str) -> None:
    assert describe_name(name) == shown


# --- Nothing of the token is printed --------------------------------------------------------------------------

VALUES = st.integers(min_value=0, max_value=10**6).map(lambda number: f"value-{number}-")
NAMES = st.sampled_from(
    ["tenant", "groups", "o", "app_metadata", "organization", "iss", "aud", "azp", "sub", "typ", "iat"]
)
JSON = st.recursive(
    VALUES | st.booleans() | st.none(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=12,
)


@settings(max_examples=200, deadline=None)
@given(said=st.dictionaries(NAMES, JSON, max_size=6), header=st.dictionaries(NAMES, VALUES, max_size=2))
def test_nothing_of_a_token_is_printed_but_names_and_granted_tenants(
    said: dict[str, Any], header: dict[str, Any]
) -> None:
    text = handmade({"alg": "RS256", "kid": "rsa-1"} | header, claims() | said, rs256)
    shown = "\n".join(one.text for one in explain(text, claim="absent"))

    assert "value-" not in shown
    assert not any(part in shown for part in text.split("."))


@pytest.mark.parametrize("case", FAILURES)
def test_no_failure_quotes_the_token(case: str) -> None:
    text = FAILURES[case][0]()
    shown = "\n".join(one.text for one in explain(text))
    known = {"t_acme", "RS256", "rsa-1", "opaque", "access"}

    assert [word for word in words(text) - known if word in shown] == []


# --- The outputs of the stack ---------------------------------------------------------------------------------


def outputs(**changes: object) -> StackOutputs:
    usual = {
        "issuer": ISSUER,
        "audiences": ["client-1", "client-9"],
        "tenant_claim": "/o/id",
        "tenant_id_pattern": "org_[0-9]+",
        "clock_tolerance_seconds": 60,
    }
    return StackOutputs("outputs.json", usual | changes)


def test_the_rules_are_those_of_the_stack() -> None:
    rules = read_rules(outputs())

    assert (rules.issuer, rules.audiences, rules.clock_tolerance_seconds) == (ISSUER, ["client-1", "client-9"], 60)
    assert rules.tenant_claim.read({"o": {"id": "org_9"}}) == ("org_9",)
    assert read_rules(outputs(clock_tolerance_seconds=0)).clock_tolerance_seconds == 0


def test_outputs_that_are_malformed() -> None:
    with pytest.raises(UsageError, match=r"--outputs outputs\.json: tenantIdPattern: must be a regular expression"):
        read_rules(outputs(tenant_id_pattern="("))
    with pytest.raises(UsageError, match="must have the list 'audiences'"):
        read_rules(outputs(audiences=[]))
    with pytest.raises(UsageError, match="clock_tolerance_seconds: must be an integer, got None"):
        read_rules(outputs(clock_tolerance_seconds=None))
