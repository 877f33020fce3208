"""What a person does on the page and at `oidc-provider`, and what the person sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from local.stack import Stack

LIVE_SECONDS = 120.0
"""How long to wait for what should appear. The gateway asks for unknown keys once in a minute."""


def sign_in(page: Page, stack: Stack, *, consents: int = 2, login: str = "ada") -> None:
    """Open the page, which leads to the provider, sign in there, and agree.

    Args:
        page: A page without a session.
        stack: The running stack.
        consents: How often the provider asks. At the first sign-in of a browser the page asks for a refresh token
            twice, because the provider gives none without `prompt=consent`.
        login: The user. The provider accepts any.
    """
    page.goto(stack.page_url)
    page.get_by_placeholder("Enter any login").fill(login)
    page.get_by_placeholder("and password").fill("any")
    page.get_by_role("button", name="Sign-in").click()
    for _ in range(consents):
        agree(page)


def agree(page: Page) -> None:
    """Agree to what the client asks for, and leave the provider's form."""
    button = page.get_by_role("button", name="Continue")
    button.wait_for()
    form = page.url
    button.click()
    page.wait_for_url(lambda url: url != form)


def live(page: Page) -> None:
    has_label(page, "Live")


def has_label(page: Page, label: str) -> None:
    """The page says so about its connection."""
    expect(page.locator("#connection-label")).to_have_text(label, timeout=LIVE_SECONDS * 1000)


def asks_who_it_is(page: Page) -> None:
    """The provider shows its form."""
    expect(page.get_by_placeholder("Enter any login")).to_be_visible(timeout=LIVE_SECONDS * 1000)


def received(page: Page, submission_id: str) -> None:
    row = page.locator(f'#rows tr[data-submission-id="{submission_id}"]')
    expect(row).to_be_visible(timeout=LIVE_SECONDS * 1000)
