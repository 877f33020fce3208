"""A tenant's claim that is nested, behind a scope of its own, and of another form, with npm's `oidc-provider`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import expect

from tests.support.e2e.client import Producer, aws
from tests.support.providers.oidc_provider import OidcProvider, Settings
from tests.support.providers.person import LIVE_SECONDS, live, received, sign_in

if TYPE_CHECKING:
    from playwright.sync_api import BrowserContext

    from local.stack import Stack

TENANT = "5a1f0c9e-7d34-4b1f-9f0a-1f2e3d4c5b6a"


@pytest.fixture(scope="module")
def settings_of_stack() -> dict[str, str]:
    return {
        "tenantClaim": "/app/organization",
        "tenantIdPattern": "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
        "scopes": '["openid", "offline_access", "organization"]',
        "prompt": "consent",
    }


@pytest.fixture
def settings(oidc_stack: Stack) -> Settings:
    claims = {"app": {"organization": {TENANT: {"name": "Acme"}}}}
    return Settings(page=oidc_stack.page_url, claims=claims, scope="organization", conform=False)


def test_a_nested_claim_behind_a_scope_is_enough(
    oidc_provider: OidcProvider, oidc_stack: Stack, settings: Settings, context: BrowserContext
) -> None:
    oidc_provider.set(settings)
    page = context.new_page()
    sign_in(page, oidc_stack, consents=1)
    live(page)
    assert page.locator("#tenant-name").inner_text() == TENANT

    received(page, Producer(oidc_stack, aws(oidc_stack, "events")).received(TENANT))


def test_a_claim_that_is_not_in_the_id_token_is_named(
    oidc_provider: OidcProvider, oidc_stack: Stack, settings: Settings, context: BrowserContext
) -> None:
    # By OIDC Core 5.4, the claims of a scope are in the userinfo alone if there is an access token.
    oidc_provider.set(Settings(page=settings.page, claims=settings.claims, scope=settings.scope, conform=True))
    page = context.new_page()
    sign_in(page, oidc_stack, consents=1)
    notice = page.locator("#notice")
    expect(notice).to_contain_text("has no claim /app/organization", timeout=LIVE_SECONDS * 1000)
    expect(notice).to_contain_text("the provider must put the claim into the ID token")
