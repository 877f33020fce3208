"""What a test does with the page of the static site, and what it expects to see there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from playwright.sync_api import Page, expect

if TYPE_CHECKING:
    from tests.support.browser.fake_gateway import Connection, FakeGateway
    from tests.support.browser.fake_issuer import FakeIssuer

HALF_AN_HOUR = 30 * 60
CLAIM = "custom:tenant_id"


def expect_state(page: Page, label: str) -> None:
    expect(page.locator("#connection-label")).to_have_text(label)


def expect_notice(page: Page, text: str) -> None:
    expect(page.locator("#notice-text")).to_contain_text(text)


def expect_row(page: Page, submission_id: str) -> None:
    expect(page.locator(f'#rows tr[data-submission-id="{submission_id}"]')).to_be_visible()


def choose(page: Page, action: str) -> None:
    """The action that the notice offers, which must be this one."""
    page.get_by_role("button", name=action, exact=True).click()


def sign_in(page: Page) -> None:
    """At the issuer, which the page has led to."""
    page.get_by_role("button", name="Sign in as ada").click()


def open_page(page: Page, gateway: FakeGateway, path: str = "/") -> Connection:
    """The page, signed in and live."""
    page.goto(path)
    sign_in(page)
    return go_live(page, gateway)


def go_live(page: Page, gateway: FakeGateway) -> Connection:
    connection = gateway.accept()
    connection.subscribed()
    expect_state(page, "Live")
    return connection


def let_pass(page: Page, issuer: FakeIssuer, seconds: float) -> None:
    """Moves on all clocks: those of the issuer, the site and the page. That of the page must be the test's."""
    issuer.ahead += seconds
    page.clock.fast_forward(int(seconds * 1000))


def remember(page: Page) -> None:
    """Marks this document, to tell it from one that was loaded anew."""
    page.evaluate("globalThis.remembered = true")


def is_the_same(page: Page) -> bool:
    return page.evaluate("globalThis.remembered === true")


def expect_rest(page: Page, issuer: FakeIssuer, *, sign_ins: int) -> None:
    """Whatever happens to the page, it does not go to the issuer by itself. Its clock must be the test's."""
    remember(page)
    let_pass(page, issuer, HALF_AN_HOUR)
    page.evaluate("window.dispatchEvent(new Event('online'))")
    page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(page.locator("#notice-action")).to_be_visible()
    assert is_the_same(page)
    assert issuer.requests["authorize"] == sign_ins
