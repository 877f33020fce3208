"""What a person does on the page and at `oidc-provider`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from local.stack import Stack

LIVE_SECONDS = 60.0
"""How long to wait for what should appear."""


def open_page(page: Page, stack: Stack) -> None:
    """Open the page without a session: it leads to the provider."""
    page.goto(stack.page_url)


def sign_in(page: Page, login: str = "ada") -> None:
    """Fill in the provider's form, and agree."""
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    page.get_by_role("button", name="Continue").click()


def live(page: Page) -> None:
    expect(page.locator("#connection-label")).to_have_text("Live", timeout=LIVE_SECONDS * 1000)


def received(page: Page, submission_id: str) -> None:
    row = page.locator(f'#rows tr[data-submission-id="{submission_id}"]')
    expect(row).to_be_visible(timeout=LIVE_SECONDS * 1000)
