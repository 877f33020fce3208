"""The page as the static site serves it: people sign in at an issuer, and see what their ID token grants."""

from __future__ import annotations

import re
import time
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import Page, Route, expect

from tests.support.browser.fake_gateway import PATIENCE, Connection, FakeGateway, FakeSite, in_seconds, update
from tests.support.browser.fake_issuer import CLIENT_ID, FakeIssuer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HALF_AN_HOUR = 30 * 60 * 1000
CLAIM = "custom:tenant_id"


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def site(gateway: FakeGateway, issuer: FakeIssuer) -> Iterator[FakeSite]:
    """The static site: its config says where to sign in, and nothing of an API."""
    with FakeSite(gateway.url, issuer.origin) as site:
        site.answers.config = {
            "websocket_url": f"{gateway.url}/live",
            "issuer": issuer.url,
            "client_id": CLIENT_ID,
            "tenant_claim": CLAIM,
        }
        issuer.redirect_uri = f"{site.url}/"
        gateway.admits = issuer.admits
        yield site


def expect_state(page: Page, label: str) -> None:
    expect(page.locator("#connection-label")).to_have_text(label)


def expect_notice(page: Page, text: str) -> None:
    expect(page.locator("#notice-text")).to_contain_text(text)


def expect_row(page: Page, submission_id: str) -> None:
    expect(page.locator(f'#rows tr[data-submission-id="{submission_id}"]')).to_be_visible()


def sign_in(page: Page) -> None:
    """At the issuer, which the page has led to."""
    page.get_by_role("button", name="Sign in as ada").click()


def open_page(page: Page, gateway: FakeGateway, path: str = "/") -> Connection:
    """The page, signed in and live."""
    page.goto(path)
    sign_in(page)
    connection = gateway.accept()
    connection.subscribed()
    expect_state(page, "Live")
    return connection


def remember(page: Page) -> None:
    """Marks this document, to tell it from one that was loaded anew."""
    page.evaluate("globalThis.remembered = true")


def is_the_same(page: Page) -> bool:
    return page.evaluate("globalThis.remembered === true")


def expect_rest(page: Page, issuer: FakeIssuer, *, sign_ins: int) -> None:
    """Whatever happens to the page, it does not go to the issuer by itself. Its clock must be the test's."""
    remember(page)
    page.clock.fast_forward(HALF_AN_HOUR)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#notice-action")).to_be_visible()
    assert is_the_same(page)
    assert issuer.requests["authorize"] == sign_ins


# Signing in


def test_who_signs_in_sees_their_tenant_live(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    connection = open_page(page, gateway)
    assert connection.query["tenant_id"] == "t_acme"
    assert issuer.admits(connection.token)
    expect(page.get_by_role("banner")).to_contain_text("Tenant t_acme")
    expect(page.get_by_role("banner")).to_contain_text("ada@example.com")
    connection.push(update("sub_1", form_id="survey"))
    expect_row(page, "sub_1")
    expect(page.locator(".toast")).to_contain_text("New submission from survey")
    assert issuer.requests["authorize"] == issuer.requests["authorization_code"] == 1


def test_what_needs_the_local_api_is_not_there(page: Page, gateway: FakeGateway) -> None:
    connection = open_page(page, gateway)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    expect(page.get_by_label("Tenant")).to_be_hidden()
    expect(page.get_by_role("button", name="Submit")).to_have_count(0)
    expect(page.get_by_role("row").get_by_role("button")).to_have_count(0)
    expect(page.locator("#rows .status")).to_have_text("received")


def test_nothing_of_the_sign_in_is_left_behind(page: Page, gateway: FakeGateway, site: FakeSite) -> None:
    addresses: list[str] = []
    referrers: list[str] = []
    page.on("request", lambda request: addresses.append(request.url))
    page.on("request", lambda request: referrers.append(request.headers.get("referer", "")))
    connection = open_page(page, gateway)
    assert page.url == f"{site.url}/"
    assert page.evaluate("[localStorage.length, sessionStorage.length, document.cookie]") == [0, 0, ""]
    assert [address for address in addresses if "code=" in address]
    assert not [address for address in addresses if connection.token in address]
    assert not [referrer for referrer in referrers if "code=" in referrer]


def test_a_reload_signs_in_again_without_asking(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    first = open_page(page, gateway)
    page.reload()
    again = gateway.accept()
    again.subscribed()
    expect_state(page, "Live")
    assert again.token != first.token
    assert issuer.requests["login"] == 1


def test_the_way_back_from_the_issuer_leads_past_the_page(page: Page, issuer: FakeIssuer) -> None:
    page.goto("about:blank")
    page.goto("/")
    expect(page.get_by_role("button", name="Sign in as ada")).to_be_visible()
    page.go_back()
    assert page.url == "about:blank"
    assert issuer.requests["authorize"] == 1


def test_who_has_no_email_is_called_by_the_subject(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    del issuer.claims["email"]
    open_page(page, gateway)
    expect(page.locator("#account-name")).to_have_text("user-1")


def test_several_tenants_are_chosen_from(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.claims[CLAIM] = ["t_acme", "not a tenant", 7, "t_globex"]
    acme = open_page(page, gateway)
    chooser = page.get_by_label("Tenant")
    expect(chooser.locator("option")).to_have_text(["t_acme", "t_globex"])
    acme.push(update("sub_acme"))
    expect_row(page, "sub_acme")
    chooser.select_option("t_globex")
    assert acme.closed.wait(PATIENCE)
    globex = gateway.accept()
    assert globex.query["tenant_id"] == "t_globex"
    assert globex.token == acme.token
    globex.subscribed(update("sub_globex"))
    expect(page.locator("#rows .submission-id")).to_have_text(["sub_globex"])
    page.reload()
    assert gateway.accept().query["tenant_id"] == "t_globex", "the address keeps the choice over the sign-in"
    assert page.url.endswith("/?tenant=t_globex")


def test_an_address_chooses_only_what_the_token_grants(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    assert open_page(page, gateway, "/?tenant=t_other").query["tenant_id"] == "t_acme"


# Failures


def bend(**changes: str | None) -> Callable[[dict[str, str]], dict[str, str]]:
    """An answer of the issuer with other values; None leaves one out."""
    return lambda answer: {key: value for key, value in (answer | changes).items() if value is not None}


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (bend(state="x" * 43), "state"),
        (bend(state=None), "state"),
        (bend(code=None, error="access_denied", error_description="Ada said no."), "Ada said no (access_denied)."),
        (bend(code="made-up"), "invalid_grant"),
        (bend(iss="http://127.0.0.1/another"), "iss"),
    ],
    ids=["tampered state", "no state", "access denied", "bad code", "another issuer's answer"],
)
def test_a_bad_answer_of_the_issuer_is_said_and_not_repeated(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, answer: Any, said: str
) -> None:
    usual, issuer.answer = issuer.answer, answer
    page.clock.install()
    page.goto("/")
    sign_in(page)
    expect_notice(page, "The sign-in did not succeed")
    expect_notice(page, said)
    assert page.url == issuer.redirect_uri
    expect_rest(page, issuer, sign_ins=1)
    assert gateway.has_no_more()
    issuer.answer = usual
    page.get_by_role("button", name="Try again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")


@pytest.mark.parametrize(
    ("claims", "said"),
    [
        ({"nonce": "another"}, "nonce"),
        ({"aud": "another-page"}, "aud"),
        ({"iss": "https://issuer.example"}, "iss"),
        ({"exp": 1}, "exp"),
        ({CLAIM: None}, "ada@example.com belongs to no tenant"),
        ({CLAIM: "acme"}, "ada@example.com belongs to no tenant"),
        ({CLAIM: []}, "ada@example.com belongs to no tenant"),
    ],
    ids=["nonce", "audience", "issuer", "expired", "no tenant", "bad tenant", "empty list"],
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


def test_who_has_no_tenant_can_sign_out_to_be_another(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.claims[CLAIM] = None
    page.goto("/")
    sign_in(page)
    expect_notice(page, "belongs to no tenant")
    page.get_by_role("button", name="Sign out").click()
    expect_notice(page, "You are signed out.")
    assert not issuer.has_session
    issuer.claims[CLAIM] = "t_acme"
    page.get_by_role("button", name="Sign in", exact=True).click()
    sign_in(page)
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_an_answer_to_nothing_is_not_taken(page: Page, issuer: FakeIssuer) -> None:
    page.clock.install()
    page.goto("/?code=somebody-elses&state=whatever")
    expect_notice(page, "This sign-in was not started in this tab")
    assert page.url == issuer.redirect_uri
    expect_rest(page, issuer, sign_ins=0)
    assert issuer.requests["token"] == 0


def test_an_issuer_that_cannot_be_reached_is_said_with_a_way_on(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.route(f"{issuer.origin}/**", lambda route: route.abort())
    page.clock.install()
    page.goto("/")
    expect_notice(page, f"The sign-in service {issuer.url} cannot be used: ")
    expect_notice(page, "cannot be reached.")
    expect_rest(page, issuer, sign_ins=0)
    page.unroute(f"{issuer.origin}/**")
    page.get_by_role("button", name="Try again").click()
    sign_in(page)
    gateway.accept().subscribed()
    expect_state(page, "Live")


@pytest.mark.parametrize(
    ("metadata", "said"),
    [
        ({"issuer": "http://127.0.0.1/another"}, "issuer"),
        ({"authorization_endpoint": None}, "URL"),
        ({"authorization_endpoint": "ftp://127.0.0.1/authorize"}, "HTTP"),
    ],
)
def test_an_issuer_that_describes_itself_wrongly_is_not_gone_to(
    page: Page, issuer: FakeIssuer, metadata: dict[str, Any], said: str
) -> None:
    issuer.metadata = metadata
    page.clock.install()
    page.goto("/")
    expect_notice(page, "cannot be used: ")
    expect_notice(page, said)
    expect_rest(page, issuer, sign_ins=0)


def test_without_tls_only_an_issuer_on_this_machine_is_asked(page: Page, site: FakeSite) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    site.answers.config["issuer"] = "http://issuer.example"
    page.goto("/")
    expect_notice(page, "only requests to HTTPS are allowed")
    assert not [url for url in asked if "issuer.example" in url]


def test_a_config_without_a_client_is_said(page: Page, site: FakeSite) -> None:
    del site.answers.config["client_id"]
    page.goto("/")
    expect_notice(page, "config.json: client_id is required.")


# Renewal


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
        page.clock.fast_forward(61_000)
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
    page.clock.fast_forward(61_000)
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
    page.clock.fast_forward(61_000)
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
    page.clock.fast_forward(6_000)
    connection.drop()
    expect_state(page, "Signed out")
    assert issuer.requests["authorize"] == 1
    page.get_by_role("button", name="Sign in again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_a_device_whose_clock_is_slow_renews_in_time(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    issuer.lifetime = 120
    page.clock.install(time=time.time() - 3600)
    connection = open_page(page, gateway)
    page.clock.fast_forward(61_000)
    connection.drop()
    assert gateway.accept().token != connection.token


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
    page.clock.fast_forward(61_000)
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
    page.clock.fast_forward(540_000)
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
    page.clock.fast_forward(540_000)
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
        page.clock.fast_forward(540_000)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    connection.resync()
    expect_state(page, "Live")
    connection.disconnect("token_expired", reconnect=True)
    expect_notice(page, "Access to this tenant was revoked.")
    assert gateway.has_no_more()


# Refused by the gateway


def test_a_token_that_the_gateway_refuses_leads_to_a_fresh_one(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    connection = open_page(page, gateway)
    remember(page)
    for times in (1, 2):
        void = connection.token
        gateway.admits = lambda token, void=void: token != void
        connection.drop()
        connection = gateway.accept()
        connection.subscribed()
        expect_state(page, "Live")
        assert gateway.refused.get_nowait() == void
        assert issuer.requests["refresh_token"] == times
    assert is_the_same(page)


@pytest.mark.parametrize("gives", [True, False], ids=["refresh token", "no refresh token"])
def test_a_gateway_that_refuses_every_token_leads_to_one_fresh_one_and_no_circle(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, *, gives: bool
) -> None:
    issuer.gives_refresh_tokens = gives
    gateway.admits = lambda token: False
    page.add_init_script("Math.random = () => 0")
    page.goto("/")
    sign_in(page)
    refused = [gateway.refused.get(timeout=PATIENCE) for _ in range(6)]
    assert len(set(refused)) == (2 if gives else 1)
    assert refused[1:] == refused[1:2] * 5
    assert issuer.requests["refresh_token"] == (1 if gives else 0)
    assert issuer.requests["authorize"] == 1
    gateway.admits = issuer.admits
    gateway.accept().subscribed()
    expect_state(page, "Live")


def test_a_token_refused_later_signs_in_again_once_where_there_is_no_other_way(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.gives_refresh_tokens = False
    page.add_init_script("Math.random = () => 0")
    page.clock.install()
    connection = open_page(page, gateway)
    page.clock.fast_forward(61_000)
    gateway.admits = lambda token: False
    connection.drop()
    refused = [gateway.refused.get(timeout=PATIENCE) for _ in range(6)]
    assert refused[0] == connection.token
    assert refused[1:] == refused[1:2] * 5
    assert issuer.requests["authorize"] == 2


def test_a_fresh_token_refused_by_the_protocol_waits_for_the_user(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    page.clock.install()
    page.goto("/")
    sign_in(page)
    first = gateway.accept()
    first.refuse(first.expect("subscribe"), "unauthorized")
    fresh = gateway.accept()
    assert fresh.token != first.token
    fresh.refuse(fresh.expect("subscribe"), "unauthorized")
    expect_state(page, "Signed out")
    expect_rest(page, issuer, sign_ins=1)
    page.get_by_role("button", name="Sign in again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert issuer.requests["authorize"] == 2


def test_signing_in_again_that_does_not_work_is_said(page: Page, gateway: FakeGateway, issuer: FakeIssuer) -> None:
    open_page(page, gateway).disconnect("revoked", reconnect=False)
    expect_state(page, "Signed out")
    page.route(f"{issuer.origin}/**", lambda route: route.abort())
    page.get_by_role("button", name="Sign in again").click()
    expect_notice(page, "cannot be reached")
    page.unroute(f"{issuer.origin}/**")
    page.get_by_role("button", name="Try again").click()
    gateway.accept().subscribed()
    expect_state(page, "Live")
    assert gateway.has_no_more()


# Signing out


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
    assert page.evaluate("sessionStorage.length") == 0


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
    page.clock.fast_forward(61_000)
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


def test_an_issuer_without_a_place_to_sign_out_is_left_alone(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = {"end_session_endpoint": None}
    connection = open_page(page, gateway)
    connection.push(update("sub_1"))
    expect_row(page, "sub_1")
    page.get_by_role("button", name="Sign out").click()
    expect_notice(page, "You are signed out.")
    assert connection.closed.wait(PATIENCE)
    expect(page.locator("#rows tr")).to_have_count(0)
    assert issuer.requests["authorize"] == 1


def test_cognito_is_asked_to_sign_out_in_its_own_words(page: Page, site: FakeSite) -> None:
    page.goto("/style.css")
    urls = page.evaluate("""async () => {
        const { signOutUrl } = await import("/issuer.js");
        const pool = "https://cognito-idp.eu-west-1.amazonaws.com/eu-west-1_abc";
        const domain = "https://forms.auth.eu-west-1.amazoncognito.com";
        const server = { issuer: pool, authorization_endpoint: `${domain}/oauth2/authorize` };
        const published = { ...server, end_session_endpoint: `${domain}/logout` };
        const look_alike = { ...server, issuer: "https://cognito-idp.eu-west-1.amazonaws.com.example/pool" };
        return [server, published, look_alike].map((one) => signOutUrl(one, "client-1", "https://d1.example/")?.href);
    }""")
    cognito = "https://forms.auth.eu-west-1.amazoncognito.com/logout?client_id=client-1&logout_uri="
    assert urls == [cognito + "https%3A%2F%2Fd1.example%2F"] * 2 + [None]


# The page


def test_what_a_screen_reader_needs_is_there(page: Page, gateway: FakeGateway) -> None:
    open_page(page, gateway)
    expect(page.get_by_role("status").filter(has_text="Live")).to_have_text(re.compile(r"Connection:\s+Live"))
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to the submissions")).to_be_focused()
    page.keyboard.press("Tab")
    expect(page.get_by_role("button", name="Sign out")).to_be_focused()


@pytest.mark.parametrize("width", [320, 390, 700, 1280])
def test_a_long_name_does_not_push_anything_off_the_screen(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, width: int
) -> None:
    issuer.claims |= {"email": f"{'ada.' * 20}lovelace@analytical-engines.example", CLAIM: f"t_{'x' * 30}"}
    page.set_viewport_size({"width": width, "height": 800})
    open_page(page, gateway)
    expect(page.get_by_role("button", name="Sign out")).to_be_in_viewport(ratio=1)
    assert page.evaluate("document.documentElement.scrollWidth") <= width
