"""The page and the gateway with npm's `oidc-provider`: its defaults, the page's two URIs, its origin, and the claim."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.e2e.client import Producer, aws
from tests.support.providers.oidc_provider import ALGORITHMS, OidcProvider, Settings
from tests.support.providers.person import LIVE_SECONDS, agree, asks_who_it_is, has_label, live, received, sign_in

if TYPE_CHECKING:
    from collections.abc import Callable

    from local.stack import Stack

TENANT = "t_acme"
SHORT_SECONDS = 15
"""A lifetime of ID tokens that a page must renew soon."""
SIGN_IN_AGAIN = ("interaction_required", "login_required", "consent_required", "access_denied", "invalid_grant")
CONFIGURATION = ("unauthorized_client", "invalid_client", "invalid_scope")


@pytest.fixture
def producer(oidc_stack: Stack) -> Producer:
    return Producer(oidc_stack, aws(oidc_stack, "events"))


@pytest.fixture
def settings(oidc_stack: Stack) -> Settings:
    return Settings(page=oidc_stack.page_url)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def signed_in(provider: OidcProvider, oidc_stack: Stack, page: Page) -> Page:
    """The page, live, with the provider's defaults."""
    sign_in(page, oidc_stack)
    live(page)
    return page


def has_notice(page: Page, text: str) -> None:
    expect(page.locator("#notice")).to_contain_text(text, timeout=LIVE_SECONDS * 1000)


# --- Signing in ---------------------------------------------------------------------------------------------


def test_one_sign_in_is_enough_to_receive_updates(signed_in: Page, oidc_stack: Stack, producer: Producer) -> None:
    assert signed_in.url == oidc_stack.page_url
    assert signed_in.locator("#tenant-name").inner_text() == TENANT

    received(signed_in, producer.received(TENANT))


def test_the_session_of_the_provider_signs_in_a_second_tab(
    signed_in: Page, oidc_stack: Stack, context: BrowserContext
) -> None:
    second = context.new_page()
    second.goto(oidc_stack.page_url)
    agree(second)

    live(second)
    live(signed_in)


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_provider_is_accepted(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, algorithm: str
) -> None:
    provider.set(replace(settings, algorithm=algorithm))
    sign_in(page, oidc_stack)
    live(page)


def test_a_provider_that_refuses_the_origin_of_the_page_is_told_from_one_that_is_down(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page
) -> None:
    provider.set(replace(settings, cors=False))
    sign_in(page, oidc_stack, consents=1)
    has_notice(page, "CORS")


# --- Clocks -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seconds", [-20, 20])
def test_the_clock_of_the_provider_may_be_wrong(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, seconds: int
) -> None:
    provider.set(replace(settings, clock_seconds=seconds))
    sign_in(page, oidc_stack)
    live(page)


@pytest.mark.parametrize("seconds", [-3600, -54, 300, 3600])
def test_the_clock_of_the_device_may_be_wrong(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, context: BrowserContext, seconds: int
) -> None:
    provider.set(replace(settings, id_token_seconds=SHORT_SECONDS))
    context.clock.install(time=time.time() + seconds)
    page = context.new_page()
    sign_in(page, oidc_stack)
    live(page)
    renewed = provider.granted("refresh_token")
    provider.wait_for_grants("refresh_token", renewed + 1)
    live(page)


# --- Renewing -----------------------------------------------------------------------------------------------


def test_a_token_is_renewed_on_the_open_connection(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, producer: Producer
) -> None:
    provider.set(replace(settings, id_token_seconds=SHORT_SECONDS))
    sign_in(page, oidc_stack)
    live(page)
    page.evaluate("window.isTheSamePage = true")
    opened: list[object] = []
    page.on("websocket", lambda websocket: opened.append(websocket))
    renewed = provider.granted("refresh_token")
    provider.wait_for_grants("refresh_token", renewed + 3)
    live(page)

    received(page, producer.received(TENANT))
    assert page.evaluate("window.isTheSamePage")
    assert opened == []


def test_without_a_refresh_token_the_page_leads_back_to_the_provider(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, context: BrowserContext, producer: Producer
) -> None:
    provider.set(replace(settings, refresh_tokens=False, id_token_seconds=SHORT_SECONDS))
    context.clock.install()
    page = context.new_page()
    sign_in(page, oidc_stack)
    live(page)
    page.evaluate("window.isTheSamePage = true")
    signed_in = provider.granted("authorization_code")
    page.clock.fast_forward("01:01")  # the pause after a sign-in, in which the page does not lead to the provider
    provider.wait_for_grants("authorization_code", signed_in + 1)
    live(page)

    received(page, producer.received(TENANT))
    assert not page.evaluate("window.isTheSamePage")


def test_after_a_refused_refresh_one_click_signs_in_again(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, new_context: Callable[[], BrowserContext]
) -> None:
    """Each user's refreshes are refused with the error that the user is named after."""
    refused = provider.refused("refresh_token")
    errors = {error: error for error in (*SIGN_IN_AGAIN, *CONFIGURATION)}
    provider.set(replace(settings, id_token_seconds=SHORT_SECONDS, refresh_errors=errors))
    pages = {error: new_context().new_page() for error in errors}
    for error, page in pages.items():
        sign_in(page, oidc_stack, login=error)
        live(page)
    for error, page in pages.items():
        button = page.get_by_role("button", name="Sign in")
        button.wait_for()
        if error in CONFIGURATION:
            has_notice(page, error)
            expect(page.locator("#notice")).to_contain_text(re.compile("setting (audience|scopes)"))
    assert provider.refused("refresh_token") == refused + len(errors)

    provider.set(settings)
    for page in pages.values():
        page.get_by_role("button", name="Sign in").click()
        agree(page)
        live(page)


def test_keys_may_change_while_a_page_is_connected(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, producer: Producer
) -> None:
    short = replace(settings, id_token_seconds=SHORT_SECONDS)
    provider.set(short)
    sign_in(page, oidc_stack)
    live(page)
    provider.set(replace(short, rotations=1))
    renewed = provider.granted("refresh_token")
    provider.wait_for_grants("refresh_token", renewed + 2)
    live(page)

    received(page, producer.received(TENANT))


# --- Signing out --------------------------------------------------------------------------------------------


def test_signing_out_ends_the_session_of_the_provider_too(
    signed_in: Page, oidc_stack: Stack, context: BrowserContext
) -> None:
    signed_in.get_by_role("button", name="Sign out").click()
    signed_in.get_by_role("button", name="Yes, sign me out").click()
    has_label(signed_in, "Signed out")
    assert signed_in.url == oidc_stack.page_url
    has_notice(signed_in, "You are signed out.")

    second = context.new_page()
    second.goto(oidc_stack.page_url)
    asks_who_it_is(second)


def test_signing_out_of_one_tab_signs_out_the_others(
    signed_in: Page, oidc_stack: Stack, context: BrowserContext
) -> None:
    second = context.new_page()
    second.goto(oidc_stack.page_url)
    agree(second)
    live(second)

    signed_in.get_by_role("button", name="Sign out").click()
    signed_in.get_by_role("button", name="Yes, sign me out").click()
    has_label(second, "Signed out")


@pytest.mark.parametrize("missing", ["end_session", "post_logout"])
def test_a_session_that_the_provider_keeps_is_not_used_for_the_next_sign_in(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, missing: str
) -> None:
    provider.set(replace(settings, **{missing: False}))
    sign_in(page, oidc_stack)
    live(page)
    page.get_by_role("button", name="Sign out").click()
    if missing == "post_logout":
        expect(page.get_by_text("post_logout_redirect_uri not registered")).to_be_visible()
        page.goto(oidc_stack.page_url)
    has_notice(page, "may still be open")
    page.get_by_role("button", name="Sign in").click()

    asks_who_it_is(page)
