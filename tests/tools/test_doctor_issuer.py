from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.handlers.issuer import AUDIENCE, published
from tests.support.tools.sign_in import SignInWorld, sign_in_world
from tools.doctor_check import Check, Outcome
from tools.doctor_issuer import IssuerCheckup, SignIn
from tools.stack_outputs import StackOutputs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

DISCOVERY = "/pool/.well-known/openid-configuration"


@pytest.fixture
def world() -> Iterator[SignInWorld]:
    with sign_in_world() as made:
        yield made


def check(world: SignInWorld) -> list[Check]:
    return list(IssuerCheckup(SignIn.from_outputs(StackOutputs("-", world.describe_stack()))).run())


def found(world: SignInWorld, outcome: Outcome) -> list[tuple[str, str]]:
    return [(one.setting, one.text) for one in check(world) if one.outcome is outcome]


def test_an_issuer_that_fits_passes_every_check(world: SignInWorld) -> None:
    host = f"http://127.0.0.1:{world.port}"

    assert [(one.outcome, one.setting, one.text) for one in check(world)] == [
        (Outcome.PASS, "issuer", f"the discovery document is readable: {host}{DISCOVERY}"),
        (Outcome.PASS, "issuer", "the discovery document names the same issuer"),
        (Outcome.PASS, "issuer", f"the keys are readable: {host}/pool/keys; usable: 2 (RS256, ES256)"),
        (Outcome.PASS, "at the issuer", "authorization_endpoint is published"),
        (Outcome.PASS, "at the issuer", "token_endpoint is published"),
        (Outcome.PASS, "at the issuer", "end_session_endpoint is published"),
        (Outcome.PASS, "at the issuer", "revocation_endpoint is published"),
        (Outcome.PASS, "scopes", "offline_access is offered, and the page asks for it unless scopes is set"),
        (Outcome.PASS, "at the issuer", "PKCE with S256 is offered"),
        (Outcome.PASS, "at the issuer", "ID tokens can be signed with RS256, ES256"),
        (Outcome.PASS, "at the issuer", "CORS: the page can read the discovery document"),
        (Outcome.PASS, "at the issuer", "CORS: the page can read the token endpoint"),
        (Outcome.PASS, "audience", f"the issuer knows the client '{AUDIENCE}', without a secret"),
        (Outcome.PASS, "connectSources", f"the page may connect to {host}"),
    ]


def test_the_token_endpoint_is_asked_as_the_page_asks_it_with_a_code_that_nobody_has(world: SignInWorld) -> None:
    check(world)

    assert world.forms == [
        {
            "grant_type": "authorization_code",
            "code": "doctor",
            "code_verifier": "doctor" * 8,
            "client_id": AUDIENCE,
            "redirect_uri": f"{world.page}/",
        }
    ]


def bend(**changes: object) -> Callable[[SignInWorld], None]:
    """A change of the discovery document."""
    return lambda world: world.metadata.update(changes)


FAILURES: dict[str, tuple[Callable[[SignInWorld], None], str, str]] = {
    "no discovery document": (
        lambda world: world.statuses.update({DISCOVERY: 404}),
        "issuer",
        "discovery document: must be readable at {issuer}/.well-known/openid-configuration (status: must be 200, got "
        "404)",
    ),
    "a slash more": (
        lambda world: world.metadata.update(issuer=f"{world.issuer}/"),
        "issuer",
        "issuer: must be '{issuer}/' as in the discovery document, got '{issuer}'",
    ),
    "a slash less": (
        lambda world: world.outputs.update(issuer=f"{world.issuer}/"),
        "issuer",
        "issuer: must be '{issuer}' as in the discovery document, got '{issuer}/'",
    ),
    "no issuer": (
        bend(issuer=None),
        "issuer",
        "issuer: must be None as in the discovery document, got '{issuer}'",
    ),
    "keys without TLS": (
        bend(jwks_uri="http://issuer.example/keys"),
        "issuer",
        "jwks_uri: must be an https URL, got 'http://issuer.example/keys'",
    ),
    "no keys": (bend(jwks_uri=None), "issuer", "jwks_uri: must be a string, got None"),
    "keys that are gone": (
        lambda world: world.statuses.update({"/pool/keys": 500}),
        "issuer",
        "keys: must be readable at {issuer}/keys (status: must be 200, got 500)",
    ),
    "keys that are secrets": (
        lambda world: setattr(world, "keys", published("oct-1")),
        "issuer",
        "keys: must be readable at {issuer}/keys (the key set has no usable key: keys[0]: k: must be absent from a "
        "public key)",
    ),
    "no sign-in page": (
        bend(authorization_endpoint=None),
        "at the issuer",
        "authorization_endpoint: must be an https URL, got None",
    ),
    "a token endpoint without TLS": (
        bend(token_endpoint="http://issuer.example/token"),
        "at the issuer",
        "token_endpoint: must be an https URL, got 'http://issuer.example/token'",
    ),
    "PKCE by plain alone": (
        bend(code_challenge_methods_supported=["plain"]),
        "at the issuer",
        "code_challenge_methods_supported: must contain S256, got ['plain']",
    ),
    "CORS of the discovery document": (
        lambda world: world.closed.add(DISCOVERY),
        "at the issuer",
        "CORS: the discovery document must allow the origin {page}",
    ),
    "CORS of the token endpoint": (
        lambda world: world.closed.add("/pool/token"),
        "at the issuer",
        "CORS: the token endpoint must allow the origin {page}",
    ),
    "a client with a secret": (
        lambda world: setattr(world, "refusal", "invalid_client"),
        "audience",
        f"audience: must be the id of a client without a secret, got '{AUDIENCE}' (invalid_client)",
    ),
    "another host in the page's policy": (
        lambda world: setattr(world, "policy", "connect-src 'self'"),
        "connectSources",
        "connectSources: must contain '{host}', an endpoint of the issuer",
    ),
}


@pytest.mark.parametrize("case", FAILURES)
def test_what_does_not_fit_is_the_only_failure_and_names_the_setting(world: SignInWorld, case: str) -> None:
    change, setting, text = FAILURES[case]
    change(world)
    values = {"issuer": world.issuer, "page": world.page, "host": world.issuer.removesuffix("/pool")}

    assert found(world, Outcome.FAIL) == [(setting, text.format(**values))]


def test_symmetric_signatures_alone_fail(world: SignInWorld) -> None:
    world.metadata["id_token_signing_alg_values_supported"] = ["HS256"]
    ((setting, text),) = found(world, Outcome.FAIL)

    assert setting == "at the issuer"
    assert text.startswith("id_token_signing_alg_values_supported: must contain one of RS256, ")
    assert text.endswith(", got ['HS256']")


NOTES: dict[str, tuple[Callable[[SignInWorld], None], str, str]] = {
    "no end of the session": (
        bend(end_session_endpoint=None),
        "at the issuer",
        "end_session_endpoint is not published: signing out of the page does not end the session at the issuer",
    ),
    "no revocation": (
        bend(revocation_endpoint=None),
        "at the issuer",
        "revocation_endpoint is not published: signing out of the page does not revoke the refresh token",
    ),
    "no offline_access": (
        bend(scopes_supported=["openid"]),
        "scopes",
        "offline_access is not offered: if the issuer gives no refresh token without it, the page is loaded anew "
        "to renew a token",
    ),
    "PKCE is not mentioned": (
        bend(code_challenge_methods_supported=None),
        "at the issuer",
        "PKCE is not mentioned in the discovery document; the page uses it with S256",
    ),
    "no algorithms": (
        bend(id_token_signing_alg_values_supported=None),
        "at the issuer",
        "id_token_signing_alg_values_supported is not published: a token shows with which algorithm it is signed",
    ),
    "a key that is not used": (
        lambda world: setattr(world, "keys", published("rsa-1", "oct-1")),
        "at the issuer",
        "a key is not used: keys[1]: k: must be absent from a public key",
    ),
    "an answer that says nothing of the client": (
        lambda world: setattr(world, "refusal", "invalid_request"),
        "audience",
        f"whether '{AUDIENCE}' is a client without a secret is not known: the issuer answered invalid_request",
    ),
    "no page": (
        lambda world: world.outputs.update(dashboard_url=None),
        "dashboardSite",
        "CORS is not checked, because the stack serves no page",
    ),
}


@pytest.mark.parametrize("case", NOTES)
def test_what_has_a_consequence_is_noted_and_fails_nothing(world: SignInWorld, case: str) -> None:
    change, setting, text = NOTES[case]
    change(world)

    assert found(world, Outcome.NOTE) == [(setting, text)]
    assert found(world, Outcome.FAIL) == []


def test_each_host_that_the_page_asks_is_checked_once(world: SignInWorld) -> None:
    world.metadata["revocation_endpoint"] = "https://revocation.example/revoke"

    assert found(world, Outcome.FAIL) == [
        ("connectSources", "connectSources: must contain 'https://revocation.example', an endpoint of the issuer")
    ]


def test_keys_at_a_configured_address_are_read_from_there_and_its_query_is_not_shown(world: SignInWorld) -> None:
    world.metadata["jwks_uri"] = "https://nowhere.example/keys"
    world.outputs["jwks_url"] = f"{world.issuer}/keys?key=secret"

    assert found(world, Outcome.FAIL) == []
    assert ("jwksUrl", f"the keys are readable: {world.issuer}/keys; usable: 2 (RS256, ES256)") in found(
        world, Outcome.PASS
    )
    assert "key=secret" not in str(check(world))


def test_the_local_run_with_the_built_in_pool_needs_no_discovery_document(world: SignInWorld) -> None:
    world.outputs |= {
        "issuer": "https://cognito-idp.us-east-1.amazonaws.com/us-east-1_local",
        "jwks_url": f"{world.issuer}/keys",
        "dashboard_url": None,
    }

    assert [(one.outcome, one.setting) for one in check(world)] == [
        (Outcome.NOTE, "jwksUrl"),
        (Outcome.PASS, "jwksUrl"),
    ]


def test_an_issuer_that_does_not_answer_the_page(world: SignInWorld) -> None:
    world.metadata["token_endpoint"] = "http://127.0.0.1:1/token"

    assert ("at the issuer", "the issuer: must answer the page (NewConnectionError)") in found(world, Outcome.FAIL)


def test_a_page_that_does_not_answer(world: SignInWorld) -> None:
    world.outputs["dashboard_url"] = "http://127.0.0.1:1"

    assert found(world, Outcome.FAIL) == [
        ("dashboardSite", "the page: must answer at http://127.0.0.1:1/ (NewConnectionError)")
    ]
