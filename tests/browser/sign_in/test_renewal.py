"""Tokens that are renewed: for a new connection, on a live one, or by signing in again."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from tests.support.browser.fake_gateway import Connection, FakeGateway, in_seconds, update
from tests.support.browser.steps import (
    CLAIM,
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
    from playwright.sync_api import Page, Route

    from tests.support.browser.fake_issuer import FakeIssuer


def test_a_connection_lost_with_a_good_token_comes_back_with_the_same(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    connection = open_page(page, gateway)
    connection.drop()
    again = gateway.accept()
    assert again.token == connection.token
    assert issuer.requests["refresh_token"] == 0


@pytest.mark.parametrize("rotates", [True, False])
def test_a_token_about_to_expire_is_renewed_without_leaving_the_page(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, *, rotates: bool
) -> None:
    issuer.rotates_refresh_tokens = rotates
    issuer.lifetime = 120
    page.clock.install()
    connection = open_page(page, gateway)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    remember(page)
    for renewals in (1, 2):
        let_pass(page, issuer, 61)
        connection.drop()
        again = gateway.accept()
        assert issuer.requests["refresh_token"] == renewals
        assert again.token != connection.token
        assert again.subscribed()["cursor"] == "c1"
        expect_state(page, "Live")
        connection = again
    expect_row(page, "sub_1")
    assert is_the_same(page)
    assert issuer.requests["authorize"] == 1


@pytest.mark.parametrize("code", ["token_expired", "revoked"])
def test_a_token_that_the_gateway_calls_void_is_renewed(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, code: str
) -> None:
    connection = open_page(page, gateway)
    remember(page)
    connection.disconnect(code, reconnect=True)
    again = gateway.accept()
    assert again.token != connection.token
    assert is_the_same(page)


@pytest.mark.parametrize("gives", [True, False], ids=["refused", "none"])
def test_without_a_good_refresh_token_the_page_signs_in_again_silently(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, *, gives: bool
) -> None:
    issuer.gives_refresh_tokens = gives
    issuer.lifetime = 120
    page.clock.install()
    connection = open_page(page, gateway, "/?tenant=t_acme")
    issuer.revoke()
    let_pass(page, issuer, 61)
    connection.drop()
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert issuer.requests["authorize"] == 2
    assert issuer.requests["login"] == 1
    assert page.url.endswith("/?tenant=t_acme")


def test_a_page_stays_while_the_issuer_cannot_be_reached(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.gives_refresh_tokens = False
    issuer.lifetime = 120
    page.clock.install()
    connection = open_page(page, gateway)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    page.route(f"{issuer.origin}/**", lambda route: route.abort())
    let_pass(page, issuer, 61)
    connection.drop()
    expect_notice(page, "cannot be reached")
    expect_row(page, "sub_1")
    page.unroute(f"{issuer.origin}/**")
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert issuer.requests["authorize"] == 2


def test_a_token_that_never_is_good_for_a_minute_is_used_as_it_is(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.gives_refresh_tokens = False
    issuer.lifetime = 45
    connection = open_page(page, gateway)
    connection.drop()
    assert gateway.accept().token == connection.token
    assert issuer.requests["authorize"] == 1


def test_a_token_that_is_over_at_once_makes_no_circle(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.gives_refresh_tokens = False
    issuer.lifetime = 5
    page.clock.install()
    connection = open_page(page, gateway)
    let_pass(page, issuer, 6)
    connection.drop()
    expect_state(page, "Signed out")
    assert issuer.requests["authorize"] == 1
    page.get_by_role("button", name="Sign in again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_a_refresh_token_is_not_used_twice_by_an_impatient_user(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.lifetime = 120
    page.add_init_script("Math.random = () => 0")
    page.clock.install()
    connection = open_page(page, gateway)
    remember(page)
    held: list[Route] = []
    page.route(f"{issuer.url}/token", lambda route: held.append(route))
    let_pass(page, issuer, 61)
    with page.expect_request(f"{issuer.url}/token"):
        connection.drop()
    page.get_by_role("button", name="Reconnect now").click()
    for route in held:
        route.continue_()
    page.unroute(f"{issuer.url}/token")
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert issuer.requests["refresh_token"] == 1
    assert is_the_same(page)


def test_a_tenant_taken_back_ends_the_session(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    connection = open_page(page, gateway)
    issuer.claims[CLAIM] = "t_globex"
    connection.disconnect("token_expired", reconnect=True)
    expect_state(page, "Signed out")
    expect_notice(page, "Access to this tenant was revoked.")
    assert gateway.has_no_more()
    page.get_by_role("button", name="Sign in again").click()
    globex = gateway.accept()
    globex.subscribed()
    assert globex.query["tenant_id"] == "t_globex"
    expect_state(page, "Live")


# The issuer refuses


SIGN_IN_AGAIN = (
    *("invalid_grant", "interaction_required", "login_required", "consent_required", "access_denied"),
    *("invalid_request", "an_error_of_its_own"),
)
CONFIGURATION = ("unauthorized_client", "invalid_client", "invalid_scope")


def lose(connection: Connection, page: Page, issuer: FakeIssuer) -> None:
    """The connection, when its token is about to expire."""
    let_pass(page, issuer, 61)
    connection.drop()


@pytest.mark.parametrize("error", SIGN_IN_AGAIN)
def test_a_refused_refresh_leads_to_the_issuer_and_back(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, error: str
) -> None:
    issuer.lifetime = 120
    issuer.refusals.answers["refresh_token"] = (400, error)
    page.clock.install()
    lose(open_page(page, gateway), page, issuer)
    go_live(page, gateway)
    assert issuer.requests["refresh_token"] == 1
    assert issuer.requests["authorize"] == 2


@pytest.mark.parametrize("error", SIGN_IN_AGAIN)
def test_soon_after_a_sign_in_a_refused_refresh_waits_for_the_user(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, error: str
) -> None:
    issuer.lifetime = 5
    issuer.refusals.answers["refresh_token"] = (400, error)
    page.clock.install()
    connection = open_page(page, gateway)
    let_pass(page, issuer, 6)
    connection.drop()
    expect_state(page, "Signed out")
    expect_notice(page, f"no longer renews this session: {error}. Sign in again.")
    expect_rest(page, issuer, sign_ins=1)
    assert issuer.requests["refresh_token"] == 1
    choose(page, "Sign in again")
    go_live(page, gateway)


@pytest.mark.parametrize("error", CONFIGURATION)
def test_a_refresh_that_the_configuration_forbids_names_the_setting(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, error: str
) -> None:
    issuer.lifetime = 70
    issuer.refusals.answers["refresh_token"] = (401, error)
    page.clock.install()
    connection = open_page(page, gateway)
    let_pass(page, issuer, 71)
    connection.drop()
    expect_state(page, "Signed out")
    expect_notice(page, f": {error}.")
    expect_notice(page, "setting scopes" if error == "invalid_scope" else "setting audience")
    expect_rest(page, issuer, sign_ins=1)
    assert issuer.requests["refresh_token"] == 1
    choose(page, "Sign in again")
    go_live(page, gateway)


@pytest.mark.parametrize(
    "answer",
    [(503, None), (500, "server_error"), (400, "temporarily_unavailable"), (429, "access_denied"), (429, None)],
    ids=str,
)
def test_an_issuer_that_is_busy_is_asked_again(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, answer: tuple[int, str | None]
) -> None:
    issuer.lifetime = 120
    issuer.refusals.answers["refresh_token"] = answer
    page.clock.install()
    connection = open_page(page, gateway)
    remember(page)
    lose(connection, page, issuer)
    expect_notice(page, "cannot answer at the moment")
    issuer.refusals.answers.clear()
    go_live(page, gateway)
    assert is_the_same(page)
    assert issuer.requests["authorize"] == 1


@pytest.mark.parametrize(
    "claims",
    [{"sub": "user-2"}, {"iss": "https://issuer.example"}, {"aud": "another-page"}, {"nonce": None, "sub": 7}],
    ids=str,
)
def test_a_refresh_with_the_token_of_another_is_refused(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, claims: dict[str, Any]
) -> None:
    issuer.lifetime = 5
    page.clock.install()
    connection = open_page(page, gateway)
    issuer.claims |= claims
    let_pass(page, issuer, 6)
    connection.drop()
    expect_state(page, "Signed out")
    assert gateway.has_no_more()
    assert issuer.requests["authorize"] == 1


# Renewal in place


def open_page_for_ten_minutes(page: Page, gateway: FakeGateway) -> Connection:
    """The page, signed in and live, with a clock that the test can move on. It renews within the first nine minutes."""
    page.clock.install()
    page.goto("/")
    sign_in(page)
    connection = gateway.accept()
    connection.subscribed(expires_at=in_seconds(600), heartbeat_seconds=1800)
    expect_state(page, "Live")
    remember(page)
    return connection


def test_a_connection_goes_on_with_a_fresh_token(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    let_pass(page, issuer, 540)
    request = connection.expect("authenticate")
    assert request["token"] != connection.token
    assert issuer.admits(request["token"])
    connection.authenticated(request, seconds=3600)
    connection.resync()
    connection.drop()
    assert gateway.accept().token == request["token"]
    assert issuer.requests["refresh_token"] == 1
    assert is_the_same(page)


@pytest.mark.parametrize("gives", [True, False], ids=["refused", "none"])
def test_without_a_good_refresh_token_the_page_is_left_only_when_the_connection_ends(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, *, gives: bool
) -> None:
    issuer.gives_refresh_tokens = gives
    connection = open_page_for_ten_minutes(page, gateway)
    issuer.revoke()
    let_pass(page, issuer, 540)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    connection.resync()
    assert is_the_same(page)
    assert issuer.requests["authorize"] == 1
    connection.disconnect("token_expired", reconnect=True)
    again = gateway.accept()
    again.subscribed()
    expect_state(page, "Live")
    assert again.token != connection.token
    assert issuer.requests["authorize"] == 2


def test_a_tenant_taken_back_is_shown_until_the_connection_ends(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    connection = open_page_for_ten_minutes(page, gateway)
    issuer.claims[CLAIM] = "t_globex"
    with page.expect_response(f"{issuer.url}/token"):
        let_pass(page, issuer, 540)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    connection.resync()
    expect_state(page, "Live")
    connection.disconnect("token_expired", reconnect=True)
    expect_notice(page, "Access to this tenant was revoked.")
    assert gateway.has_no_more()
