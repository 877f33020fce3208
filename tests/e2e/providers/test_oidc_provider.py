"""The page and the gateway with npm's `oidc-provider`: its defaults, the page's two URIs and the tenant's claim."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from tests.support.e2e.client import Producer, aws
from tests.support.providers.oidc_provider import ALGORITHMS, OidcProvider, Settings
from tests.support.providers.person import LIVE_SECONDS, live, open_page, received, sign_in

if TYPE_CHECKING:
    from local.stack import Stack

TENANT = "t_acme"
SHORT_SECONDS = 40
"""A lifetime of ID tokens in which a page renews them soon, and no test takes longer to sign in."""


@pytest.fixture
def producer(oidc_stack: Stack) -> Producer:
    return Producer(oidc_stack, aws(oidc_stack, "events"))


@pytest.fixture
def settings(oidc_stack: Stack) -> Settings:
    """The provider's defaults, the page's two URIs and the tenant's claim."""
    return Settings(page=oidc_stack.page_url)


@pytest.fixture
def page(context: BrowserContext) -> Page:
    return context.new_page()


@pytest.fixture
def signed_in(provider: OidcProvider, oidc_stack: Stack, page: Page) -> Page:
    """The page, live."""
    open_page(page, oidc_stack)
    sign_in(page)
    live(page)
    return page


def test_one_sign_in_is_enough_to_receive_updates(signed_in: Page, oidc_stack: Stack, producer: Producer) -> None:
    assert signed_in.url == oidc_stack.page_url
    assert signed_in.locator("#tenant-name").inner_text() == TENANT

    received(signed_in, producer.received(TENANT))


def test_the_session_of_the_provider_signs_in_a_second_tab(
    signed_in: Page, oidc_stack: Stack, context: BrowserContext
) -> None:
    second = context.new_page()
    open_page(second, oidc_stack)

    live(second)
    live(signed_in)


def test_signing_out_ends_the_session_of_the_provider_too(
    signed_in: Page, oidc_stack: Stack, context: BrowserContext
) -> None:
    signed_in.get_by_role("button", name="Sign out").click()
    signed_in.get_by_role("button", name="Yes, sign me out").click()
    expect(signed_in.locator("#connection-label")).to_have_text("Signed out")
    assert signed_in.url == oidc_stack.page_url

    second = context.new_page()
    open_page(second, oidc_stack)
    expect(second.get_by_placeholder("Enter any login")).to_be_visible(timeout=LIVE_SECONDS * 1000)


def test_keys_may_change_while_a_page_is_connected(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, producer: Producer
) -> None:
    provider.set(replace(settings, id_token_seconds=SHORT_SECONDS))
    open_page(page, oidc_stack)
    sign_in(page)
    live(page)
    provider.set(replace(settings, id_token_seconds=SHORT_SECONDS, rotations=1))
    provider.wait_for_grant("refresh_token", 1)
    live(page)
    received(page, producer.received(TENANT))


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_every_algorithm_of_the_provider_is_accepted(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, algorithm: str
) -> None:
    provider.set(replace(settings, algorithm=algorithm))
    open_page(page, oidc_stack)
    sign_in(page)
    live(page)


@pytest.mark.parametrize("seconds", [-20, 20])
def test_the_clock_of_the_provider_may_be_wrong(
    provider: OidcProvider, oidc_stack: Stack, settings: Settings, page: Page, seconds: int
) -> None:
    provider.set(replace(settings, clock_seconds=seconds))
    open_page(page, oidc_stack)
    sign_in(page)
    live(page)
