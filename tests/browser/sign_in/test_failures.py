"""Messages of the page after a sign-in that failed. The page does not repeat the sign-in by itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect

from formbridge.access.key_set import ALGORITHMS
from formbridge.access.unverified_token import MAX_TOKEN_LENGTH
from tests.support.browser.steps import (
    CLAIM,
    choose,
    expect_notice,
    expect_rest,
    expect_state,
    go_live,
    open_page,
    sign_in,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from playwright.sync_api import Browser, Page

    from tests.support.browser.fake_gateway import FakeGateway, FakeSite
    from tests.support.browser.fake_issuer import FakeIssuer


def bend(**changes: str | None) -> Callable[[dict[str, str]], dict[str, str]]:
    """An answer of the issuer with other values; None leaves one out."""
    return lambda answer: {key: value for key, value in (answer | changes).items() if value is not None}


def error(code: str, description: str | None = None) -> Callable[[dict[str, str]], dict[str, str]]:
    return bend(code=None, error=code, error_description=description)


# The answer to the sign-in


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (bend(state="x" * 43), "state"),
        (bend(state=None), "state"),
        (bend(iss="http://127.0.0.1/another"), "iss"),
        (bend(code="made-up"), "refused the sign-in: invalid_grant. Sign in again"),
        (error("access_denied", "Ada said no."), "refused the sign-in: Ada said no (access_denied). Sign in again"),
        (error("login_required"), "refused the sign-in: login_required. Sign in again"),
        (error("interaction_required"), "refused the sign-in: interaction_required."),
        (error("consent_required"), "refused the sign-in: consent_required."),
    ],
)
def test_a_sign_in_that_can_be_repeated_is_not_repeated_without_the_user(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, answer: Any, said: str
) -> None:
    usual, issuer.answer = issuer.answer, answer
    page.clock.install()
    page.goto("/")
    sign_in(page)
    expect_notice(page, said)
    assert page.url == issuer.redirect_uri
    expect_rest(page, issuer, sign_ins=1)
    assert gateway.has_no_more()
    issuer.answer = usual
    choose(page, "Sign in again")
    go_live(page, gateway)


@pytest.mark.parametrize(
    ("code", "setting"),
    [
        ("unauthorized_client", "audience"),
        ("unsupported_response_type", "audience"),
        ("invalid_client", "audience"),
        ("invalid_scope", "scopes"),
        ("invalid_request", "prompt"),
    ],
)
@pytest.mark.parametrize("endpoint", ["authorize", "token"])
def test_an_error_of_the_configuration_names_the_setting(
    page: Page, issuer: FakeIssuer, code: str, setting: str, endpoint: str
) -> None:
    if endpoint == "token":
        issuer.refusals.answers["authorization_code"] = (400, code)
    else:
        issuer.answer = error(code, "Not so.")
    page.clock.install()
    page.goto("/")
    sign_in(page)
    expect_notice(page, code)
    expect_notice(page, setting)
    expect_rest(page, issuer, sign_ins=1)
    issuer.answer, issuer.refusals.answers = bend(), {}
    choose(page, "Try again")
    expect_state(page, "Connecting")


@pytest.mark.parametrize("answer", [(503, None), (502, "server_error"), (429, None)], ids=str)
def test_a_busy_token_endpoint_is_said(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, answer: tuple[int, str | None]
) -> None:
    issuer.refusals.answers["authorization_code"] = answer
    page.clock.install()
    page.goto("/")
    sign_in(page)
    expect_notice(page, f"cannot answer at the moment (HTTP {answer[0]}). Wait a moment.")
    expect_rest(page, issuer, sign_ins=1)
    issuer.refusals.answers.clear()
    choose(page, "Try again")
    go_live(page, gateway)


def test_an_answer_to_nothing_is_not_taken(page: Page, issuer: FakeIssuer) -> None:
    page.clock.install()
    page.goto("/?code=somebody-elses&state=whatever")
    expect_notice(page, "This sign-in was not started in this tab")
    assert page.url == issuer.redirect_uri
    expect_rest(page, issuer, sign_ins=0)
    assert issuer.requests["token"] == 0


# The ID token


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"aud": "another-page"}, "setting audience"),
        ({"aud": ["the-page", "another-page"]}, "setting audience"),
        ({"iss": "https://issuer.example"}, "setting issuer"),
        ({"exp": 1}, "(expiration time)"),
        ({"nbf": 4_000_000_000}, "(not before)"),
        ({"groups": ["x" * 36] * 180}, f"characters, and the gateway takes at most {MAX_TOKEN_LENGTH}."),
    ],
    ids=["nonce", "audience", "two audiences", "issuer", "expired", "not yet valid", "180 groups"],
)
def test_a_token_that_cannot_be_used_is_said_and_not_asked_for_again(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, claims: dict[str, Any], said: str
) -> None:
    issuer.claims |= claims
    page.clock.install()
    page.goto("/")
    sign_in(page)
    expect_notice(page, said)
    expect_rest(page, issuer, sign_ins=1)
    assert gateway.has_no_more()


@pytest.mark.parametrize("algorithm", [*ALGORITHMS, "Ed448"])
def test_a_token_of_an_algorithm_that_the_gateway_accepts_is_used(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, algorithm: str
) -> None:
    gateway.admits = lambda token: True
    issuer.algorithm = algorithm
    open_page(page, gateway)


@pytest.mark.parametrize("algorithm", ["HS256", "ES256K"])
def test_a_token_of_an_algorithm_that_the_gateway_refuses_is_not_sent(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, algorithm: str
) -> None:
    issuer.algorithm = algorithm
    issuer.metadata = {"id_token_signing_alg_values_supported": [algorithm]}
    page.goto("/")
    sign_in(page)
    expect_notice(page, f"The ID token is signed with {algorithm}, which the gateway does not accept.")
    assert gateway.has_no_more()


@pytest.mark.parametrize(
    ("claim", "claims", "said"),
    [
        (CLAIM, {}, "The ID token of ada@example.com has no claim custom:tenant_id."),
        ("/realm_access/roles", {"realm_access": {}}, "has no claim /realm_access/roles."),
        (CLAIM, {CLAIM: None}, "The claim custom:tenant_id in the ID token of ada@example.com is empty."),
        (CLAIM, {CLAIM: ["org_9yb", 7]}, "has values, but none has the form t_[A-Za-z0-9_-]{1,64}."),
    ],
)
def test_a_token_without_a_tenant_says_what_is_missing_and_no_value(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, site: FakeSite, claim: str, claims: dict[str, Any], said: str
) -> None:
    site.answers.config["tenant_claim"] = claim
    issuer.claims = {"email": "ada@example.com", **claims}
    page.clock.install()
    page.goto("/")
    sign_in(page)
    expect_notice(page, said)
    expect(page.locator("#notice-text")).not_to_contain_text("org_9yb")
    expect_rest(page, issuer, sign_ins=1)
    assert gateway.has_no_more()


def test_who_has_no_tenant_can_sign_out_to_be_another(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.claims[CLAIM] = None
    page.goto("/")
    sign_in(page)
    expect_notice(page, "is empty")
    choose(page, "Sign out")
    expect_notice(page, "You are signed out.")
    assert not issuer.has_session
    issuer.claims[CLAIM] = "t_acme"
    choose(page, "Sign in")
    sign_in(page)
    go_live(page, gateway)


def test_an_issuer_that_gives_no_id_token_is_said(page: Page, issuer: FakeIssuer) -> None:
    answer = {"access_token": "a-token", "token_type": "Bearer"}
    issuer.refusals.answers["authorization_code"] = (200, answer)
    page.goto("/")
    sign_in(page)
    expect_notice(page, "returned no ID token. Add openid to the setting scopes")


# The metadata


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "http://127.0.0.1/another"}, "The provider calls itself http://127.0.0.1/another, and not "),
        ({"authorization_endpoint": None}, "authorization_endpoint"),
        ({"authorization_endpoint": "ftp://127.0.0.1/authorize"}, "HTTP"),
        ({"token_endpoint": "nowhere"}, "token_endpoint"),
        ({"issuer": 7}, "issuer"),
    ],
)
def test_an_issuer_that_describes_itself_wrongly_is_not_gone_to(
    page: Page, issuer: FakeIssuer, metadata: dict[str, Any], said: str
) -> None:
    issuer.metadata = metadata
    page.clock.install()
    page.goto("/")
    expect_notice(page, said)
    expect_notice(page, "setting issuer")
    expect_rest(page, issuer, sign_ins=0)


@pytest.mark.parametrize("slash", ["configured", "published"])
def test_an_issuer_that_differs_by_the_last_slash_is_not_gone_to(
    page: Page, issuer: FakeIssuer, site: FakeSite, slash: str
) -> None:
    root = issuer.origin
    published, configured = (f"{root}/", root) if slash == "published" else (root, f"{root}/")
    discovery = f"{issuer.url}/.well-known/openid-configuration"
    page.route(
        f"{root}/.well-known/openid-configuration", lambda route: route.fulfill(response=route.fetch(url=discovery))
    )
    issuer.metadata = {"issuer": published}
    site.answers.config["issuer"] = configured
    page.goto("/")
    expect_notice(page, f"The provider calls itself {published}, and not {configured}.")
    expect_notice(page, "including the slash at the end")
    assert issuer.requests["authorize"] == 0


@pytest.mark.parametrize(
    ("answer", "said"), [((404, None), "(HTTP 404)"), ((200, None), "application/json"), ((200, ["a list"]), "object")]
)
def test_an_issuer_without_metadata_is_said(page: Page, issuer: FakeIssuer, answer: tuple[int, Any], said: str) -> None:
    issuer.refusals.answers[".well-known/openid-configuration"] = answer
    page.goto("/")
    expect_notice(page, f"{issuer.url}/.well-known/openid-configuration is not the metadata of an identity provider")
    expect_notice(page, said)


@pytest.mark.parametrize("endpoint", [".well-known/openid-configuration", "token"])
def test_a_redirect_is_not_followed(page: Page, gateway: FakeGateway, issuer: FakeIssuer, endpoint: str) -> None:
    issuer.refusals.redirects = {endpoint}
    page.goto("/")
    if endpoint == "token":
        sign_in(page)
    expect_notice(page, f"{issuer.url}/{endpoint} redirects to another address.")
    assert issuer.requests["elsewhere"] == 0
    assert gateway.has_no_more()


def test_without_tls_only_an_issuer_on_this_machine_is_asked(page: Page, site: FakeSite) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.answers.config["issuer"] = "http://issuer.example"
    page.goto("/")
    expect_notice(page, "only requests to HTTPS are allowed")
    assert not [url for url in asked if "issuer.example" in url]


@pytest.mark.parametrize("name", ["client_id", "tenant_claim", "tenant_id_pattern"])
def test_a_config_without_a_field_is_said(page: Page, site: FakeSite, name: str) -> None:
    del site.answers.config[name]
    page.goto("/")
    expect_notice(page, f"config.json: {name} is required.")


# No answer


def test_an_issuer_that_cannot_be_reached_is_said_with_a_way_on(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.route(f"{issuer.origin}/**", lambda route: route.abort())
    page.clock.install()
    page.goto("/")
    expect_notice(page, "cannot be reached. Check the network of this device.")
    expect_rest(page, issuer, sign_ins=0)
    page.unroute(f"{issuer.origin}/**")
    choose(page, "Try again")
    sign_in(page)
    go_live(page, gateway)


def test_an_issuer_that_cannot_be_reached_is_tried_again_by_itself(page: Page, issuer: FakeIssuer) -> None:
    page.route(f"{issuer.origin}/**", lambda route: route.abort())
    page.goto("/")
    expect_notice(page, "cannot be reached")
    page.unroute(f"{issuer.origin}/**")
    expect(page.get_by_role("button", name="Sign in as ada")).to_be_visible()
    assert issuer.requests["authorize"] == 1


@pytest.mark.parametrize("endpoint", [".well-known/openid-configuration", "token"])
def test_an_issuer_that_does_not_allow_the_page_is_said(
    page: Page, issuer: FakeIssuer, site: FakeSite, endpoint: str
) -> None:
    issuer.refusals.without_cors = {endpoint}
    page.goto("/")
    if endpoint == "token":
        sign_in(page)
    expect_notice(page, "answers, but it does not allow this page to read the answer (CORS).")
    expect_notice(page, f"Add {site.url} to the allowed origins")


def test_a_host_that_the_policy_blocks_is_said(browser: Browser, issuer: FakeIssuer, site: FakeSite) -> None:
    issuer.metadata = {"token_endpoint": issuer.url.replace("127.0.0.1", "localhost") + "/token"}
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.goto("/")
    sign_in(page)
    expect_notice(page, f"does not allow requests to {issuer.origin.replace('127.0.0.1', 'localhost')}.")
    expect_notice(page, "setting connectSources")
    assert issuer.requests["token"] == 0
    context.close()
