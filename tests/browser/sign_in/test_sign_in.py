"""Signing in at the issuer, until the page is live."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Page, expect

from tests.support.browser.fake_gateway import PATIENCE, FakeGateway, FakeSite, update
from tests.support.browser.fake_issuer import SCOPES
from tests.support.browser.steps import CLAIM, expect_row, expect_state, go_live, open_page, sign_in

if TYPE_CHECKING:
    from tests.support.browser.fake_issuer import FakeIssuer


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


# Scopes and prompt


OFFLINE = {"scopes_supported": ["openid", "email", "profile", "offline_access"]}


def test_the_page_asks_for_offline_access_where_the_issuer_lists_it(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = OFFLINE
    issuer.scopes = SCOPES | {"offline_access"}
    open_page(page, gateway)
    assert issuer.prompts == [""]
    assert page.evaluate("localStorage.length") == 0


def test_the_scopes_and_the_prompt_are_those_of_the_configuration(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, site: FakeSite
) -> None:
    issuer.metadata = OFFLINE
    issuer.wants_consent = True
    issuer.scopes = {"openid", "tenants"}
    site.answers.config |= {"scopes": ["openid", "tenants"], "prompt": "select_account"}
    open_page(page, gateway)
    assert issuer.prompts == ["select_account"]


def test_consent_is_asked_for_once_more_where_it_brings_a_refresh_token(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = OFFLINE
    issuer.scopes = SCOPES | {"offline_access"}
    issuer.wants_consent = True
    open_page(page, gateway, "/?tenant=t_acme")
    assert issuer.prompts == ["", "consent"]
    assert len(issuer.refresh_tokens) == 1
    assert page.url.endswith("/?tenant=t_acme")
    page.reload()
    go_live(page, gateway)
    assert issuer.prompts == ["", "consent", "consent"], "this browser remembers that consent helps"


def test_consent_is_never_asked_for_again_where_it_does_not_help(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = OFFLINE
    issuer.scopes = SCOPES | {"offline_access"}
    issuer.gives_refresh_tokens = False
    open_page(page, gateway)
    page.reload()
    go_live(page, gateway)
    assert issuer.prompts == ["", "consent", ""]


def test_a_request_for_consent_that_never_returns_is_not_repeated(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer
) -> None:
    issuer.metadata = OFFLINE
    issuer.scopes = SCOPES | {"offline_access"}
    issuer.gives_refresh_tokens = False
    page.route(re.compile("prompt=consent"), lambda route: route.fulfill(status=400, body="prompt: unknown"))
    page.goto("/")
    sign_in(page)
    expect(page.get_by_text("prompt: unknown")).to_be_visible()
    page.goto("/")
    go_live(page, gateway)


# Tenants


def test_the_place_and_the_form_of_the_tenant_are_those_of_the_configuration(
    page: Page, gateway: FakeGateway, issuer: FakeIssuer, site: FakeSite
) -> None:
    site.answers.config |= {"tenant_claim": "/organization", "tenant_id_pattern": "org_[0-9a-z]{4}"}
    issuer.claims = {"email": "ada@example.com", "organization": {"org_9yb1": {}, "org_gone": False, "other": {}}}
    assert open_page(page, gateway).query["tenant_id"] == "org_9yb1"
    expect(page.get_by_label("Tenant")).to_be_hidden()


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
