"""The page and the gateway with npm's `oidc-provider`: its defaults, the page's two URIs and the tenant's claim."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.e2e.providers.site import live, open_page, received, sign_in
from tests.support.e2e.client import Producer, aws

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from local.stack import Stack
    from tests.support.providers.oidc_provider import OidcProvider


@pytest.fixture
def producer(oidc_stack: Stack) -> Producer:
    return Producer(oidc_stack, aws(oidc_stack, "events"))


def test_one_sign_in_is_enough_to_receive_updates(
    provider: OidcProvider, oidc_stack: Stack, context: BrowserContext, producer: Producer
) -> None:
    page = context.new_page()
    open_page(page, oidc_stack)
    sign_in(page)
    live(page)
    assert page.url == oidc_stack.page_url
    assert page.locator("#tenant-name").inner_text() == "t_acme"

    received(page, producer.received("t_acme"))
