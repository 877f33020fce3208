"""Signing out: of this tab, of the other tabs, and of the issuer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.fake_gateway import PATIENCE, Connection, FakeGateway, FakeSite, update
from tests.support.browser.fake_issuer import CLIENT_ID
from tests.support.browser.steps import (
    choose,
    expect_notice,
    expect_rest,
    expect_row,
    expect_state,
    go_live,
    is_the_same,
    let_pass,
    open_page,
    remember,
    sign_in,
)

if TYPE_CHECKING:
    from tests.support.browser.fake_issuer import FakeIssuer

STILL_OPEN = "may still be open"


def test_signing_out_ends_the_connection_and_the_issuers_session(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.clock.install()
    connection = open_page(page, gateway)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    page.get_by_role("button", name="Sign out").click()
    expect_state(page, "Signed out")
    expect_notice(page, "You are signed out.")
    assert connection.closed.wait(PATIENCE)
    assert not issuer.has_session
    assert issuer.requests["logout"] == 1
    expect(page.locator("#rows tr")).to_have_count(0)
    expect(page.get_by_role("main")).to_have_count(0)
    expect(page.locator("#account")).to_be_hidden()
    expect_rest(page, issuer, sign_ins=1)
    page.reload()
    expect_notice(page, "You are signed out.")
    page.get_by_role("button", name="Sign in", exact=True).click()
    sign_in(page)
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    assert issuer.prompts == ["", ""], "a session that has ended needs no prompt"


def test_signing_out_revokes_the_refresh_token(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    open_page(page, gateway)
    (token,) = issuer.refresh_tokens
    page.get_by_role("button", name="Sign out").click()
    expect_notice(page, "You are signed out.")
    assert issuer.revoked.get(timeout=PATIENCE) == token
    assert issuer.refresh_tokens == set()


def test_of_tokens_that_rotate_signing_out_revokes_the_last(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.lifetime = 120
    page.clock.install()
    connection = open_page(page, gateway)
    first = issuer.refresh_tokens
    let_pass(page, issuer, 61)
    connection.drop()
    gateway.accept().subscribed()
    (last,) = issuer.refresh_tokens
    page.get_by_role("button", name="Sign out").click()
    assert issuer.revoked.get(timeout=PATIENCE) == last
    assert last not in first


@pytest.mark.parametrize("reachable", [True, False])
def test_signing_out_succeeds_where_the_token_cannot_be_revoked(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, *, reachable: bool
) -> None:
    issuer.metadata = {"revocation_endpoint": f"{issuer.url}/nothing-here"}
    if not reachable:
        page.route(f"{issuer.url}/nothing-here", lambda route: route.abort())
    connection = open_page(page, gateway)
    page.get_by_role("button", name="Sign out").click()
    expect_notice(page, "You are signed out.")
    assert connection.closed.wait(PATIENCE)
    assert not issuer.has_session


@pytest.mark.parametrize("lacks", ["endpoint", "token"])
def test_where_nothing_can_be_revoked_nothing_is_asked_for(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, lacks: str
) -> None:
    if lacks == "endpoint":
        issuer.metadata = {"revocation_endpoint": None}
    else:
        issuer.gives_refresh_tokens = False
    open_page(page, gateway)
    page.get_by_role("button", name="Sign out").click()
    expect_notice(page, "You are signed out.")
    assert not issuer.has_session
    assert issuer.requests["revoke"] == 0


def test_signing_out_does_not_wait_for_the_issuer_to_close_and_hide(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.add_init_script("""addEventListener("pagehide", () => {
        localStorage.shown = document.querySelector("main:not([hidden])") ? "still" : "no longer";
    })""")
    connection = open_page(page, gateway)
    page.route(f"{issuer.url}/logout?*", lambda route: None)
    page.get_by_role("button", name="Sign out").click(no_wait_after=True)
    assert connection.closed.wait(PATIENCE)
    assert not issuer.requests["logout"]
    page.unroute_all(behavior="ignoreErrors")
    expect_notice(page, "You are signed out.")
    assert page.evaluate("localStorage.shown") == "no longer"


def test_the_way_back_after_signing_out_does_not_lead_to_what_was_shown(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    open_page(page, gateway)
    page.get_by_role("button", name="Sign out").click()
    expect_notice(page, "You are signed out.")
    page.go_back()
    assert page.url.startswith(f"{issuer.url}/authorize")


def test_the_issuer_is_told_who_signs_out_and_where_to_return(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    connection = open_page(page, gateway)
    choose(page, "Sign out")
    expect_notice(page, "You are signed out.")
    (asked,) = issuer.sign_outs
    assert asked["id_token_hint"] == connection.token
    assert asked["client_id"] == CLIENT_ID
    assert asked["post_logout_redirect_uri"] == page.url == issuer.redirect_uri
    assert len(asked["state"]) >= 32


def test_a_long_token_is_no_hint(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.claims["groups"] = ["x" * 36] * 90
    open_page(page, gateway)
    choose(page, "Sign out")
    expect_notice(page, "You are signed out.")
    assert "id_token_hint" not in issuer.sign_outs[0]


# The issuer's session may still be open


def expect_open_session(page: Page, issuer: FakeIssuer) -> None:
    """The page and new tabs say that the session may be open, and only the user signs in: with a password."""
    before = issuer.requests["authorize"]
    for tab in (page, page.context.new_page()):
        tab.goto("/")
        expect_state(tab, "Signed out")
        expect_notice(tab, STILL_OPEN)
    assert issuer.has_session
    assert issuer.requests["authorize"] == before


def test_an_issuer_without_a_place_to_sign_out_may_keep_its_session(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = {"end_session_endpoint": None}
    connection = open_page(page, gateway)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    choose(page, "Sign out")
    expect_notice(page, STILL_OPEN)
    assert connection.closed.wait(PATIENCE)
    expect(page.locator("#rows tr")).to_have_count(0)
    expect_open_session(page, issuer)


def test_an_issuer_that_does_not_return_may_keep_its_session(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.ends_sessions = False
    open_page(page, gateway)
    choose(page, "Sign out")
    expect(page.get_by_text("this address is not registered")).to_be_visible()
    expect_open_session(page, issuer)


@pytest.mark.parametrize("query", ["", "?state=made-up"])
def test_a_return_without_our_state_confirms_nothing(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, query: str
) -> None:
    open_page(page, gateway)
    answer = {"Location": f"{issuer.redirect_uri}{query}"}
    page.route(f"{issuer.url}/logout?*", lambda route: route.fulfill(status=303, headers=answer))
    choose(page, "Sign out")
    expect_notice(page, STILL_OPEN)


def test_after_a_session_that_may_be_open_the_issuer_asks_who_it_is(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = {"end_session_endpoint": None}
    open_page(page, gateway)
    choose(page, "Sign out")
    expect_notice(page, STILL_OPEN)
    choose(page, "Sign in")
    sign_in(page)
    go_live(page, gateway)
    assert issuer.prompts == ["", "login"]
    assert page.evaluate("[localStorage.length, sessionStorage.length]") == [0, 0]
    page.reload()
    go_live(page, gateway)
    assert issuer.prompts == ["", "login", ""]


def test_a_prompt_that_the_issuer_does_not_know_is_not_sent(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = {"end_session_endpoint": None, "prompt_values_supported": ["none", "consent"]}
    open_page(page, gateway)
    choose(page, "Sign out")
    choose(page, "Sign in")
    go_live(page, gateway)
    assert issuer.prompts == ["", ""]


@pytest.mark.parametrize("endpoint", ["no URL", "http://issuer.example/logout", "javascript:alert(1)"])
def test_a_place_to_sign_out_without_tls_is_not_gone_to(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, endpoint: str
) -> None:
    issuer.metadata = {"end_session_endpoint": endpoint}
    open_page(page, gateway)
    choose(page, "Sign out")
    expect_notice(page, STILL_OPEN)
    assert page.url == issuer.redirect_uri


# Other tabs


def open_tab(page: Page, gateway: FakeGateway) -> tuple[Page, Connection]:
    """Another tab of the same browser, live without a form."""
    tab = page.context.new_page()
    tab.goto("/")
    return tab, go_live(tab, gateway)


def test_signing_out_signs_out_the_other_tabs(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    open_page(page, gateway)
    other, connection = open_tab(page, gateway)
    connection.push(update("sub_1"))
    expect_row(other, "sub_1")
    tokens = issuer.refresh_tokens
    choose(page, "Sign out")
    assert connection.closed.wait(PATIENCE)
    expect_state(other, "Signed out")
    expect(other.locator("#rows tr")).to_have_count(0)
    expect(other.locator("#account")).to_be_hidden()
    assert {issuer.revoked.get(timeout=PATIENCE) for _ in range(2)} == tokens
    expect_notice(page, "You are signed out.")
    expect(other.locator("#notice-text")).to_have_text("You are signed out.")
    other.reload()
    expect_notice(other, "You are signed out.")
    assert issuer.requests["authorize"] == 2


def test_a_tab_that_was_signed_out_by_another_signs_in_by_itself(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = {"end_session_endpoint": None}
    open_page(page, gateway)
    other, _ = open_tab(page, gateway)
    choose(page, "Sign out")
    expect_notice(other, STILL_OPEN)
    choose(other, "Sign in")
    sign_in(other)
    go_live(other, gateway)
    expect_state(page, "Signed out")


def test_a_page_of_another_issuer_stays_signed_in(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    connection = open_page(page, gateway)
    remember(page)
    tab = page.context.new_page()
    tab.goto("/style.css")
    tab.evaluate("localStorage.setItem('formbridge.open https://another.example', 'state')")
    connection.resync()
    expect_state(page, "Live")
    assert is_the_same(page)


# Cognito


def test_cognito_is_asked_to_sign_out_in_its_own_words(page: Page, site: FakeSite) -> None:
    page.goto("/style.css")
    urls = page.evaluate("""async () => {
        const { signOutUrl } = await import("/sign-out-url.js");
        const request = { idToken: "token", state: "state", clientId: "client-1", returnTo: "https://d1.example/" };
        const pool = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc";
        const domain = "https://forms.auth.eu-west-1.amazoncognito.com";
        const server = { issuer: pool, authorization_endpoint: `${domain}/oauth2/authorize` };
        const published = { ...server, end_session_endpoint: `${domain}/logout` };
        const look_alike = { ...server, issuer: "https://cognito-idp.eu-west-1.amazonaws.com.example/pool" };
        return [server, published, look_alike].map((one) => signOutUrl(one, request)?.href);
    }""")
    cognito = "https://forms.auth.eu-west-1.amazoncognito.com/logout?client_id=client-1&logout_uri="
    assert urls == [cognito + "https%3A%2F%2Fd1.example%2F"] * 2 + [None]
