"""What the page's headers keep from running in it, in the browser that runs it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Error, Page, expect

from components.dashboard_site import PERMISSIONS_POLICY

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.browser.fake_gateway import FakeGateway, FakeSite


@pytest.fixture
def said() -> list[str]:
    """What the browser writes to its console."""
    return []


@pytest.fixture
def live(browser: Browser, site: FakeSite, gateway: FakeGateway, said: list[str]) -> Iterator[Page]:
    """The page, live, with its true policies. Unlike `page` it may break them."""
    context = browser.new_context(base_url=site.url)
    page = context.new_page()
    page.on("console", lambda message: said.append(message.text))
    page.goto("/")
    gateway.accept().subscribed()
    expect(page.locator("#connection-label")).to_have_text("Live")
    yield page
    context.close()


@pytest.mark.parametrize(
    ("attempt", "wanted"),
    [
        ("document.body.innerHTML = '<img src=x onerror=alert(1)>'", "TrustedHTML"),
        ("document.body.insertAdjacentHTML('beforeend', '<p>')", "TrustedHTML"),
        ("new DOMParser().parseFromString('<p>', 'text/html')", "TrustedHTML"),
        ("document.createElement('script').src = 'https://evil.example/a.js'", "TrustedScriptURL"),
        ("document.createElement('script').text = 'alert(1)'", "TrustedScript"),
        ("document.body.setAttribute('onclick', 'alert(1)')", "TrustedScript"),
        ("setTimeout('alert(1)')", "TrustedScript"),
        ("trustedTypes.createPolicy('evil', { createHTML: (text) => text })", "Policy"),
    ],
)
def test_no_html_or_script_is_made_of_a_string(live: Page, attempt: str, wanted: str) -> None:
    with pytest.raises(Error, match=wanted):
        live.evaluate(attempt)


def test_an_injected_script_element_does_not_run(live: Page) -> None:
    live.evaluate("""() => {
        const script = document.createElement("script");
        script.append("globalThis.injected = true");
        document.body.append(script);
    }""")

    assert live.evaluate("globalThis.injected") is None


def test_the_page_may_use_no_feature_of_the_device(live: Page, said: list[str]) -> None:
    features = {one.removesuffix("=()") for one in PERMISSIONS_POLICY.split(", ")}
    allowed: list[str] = live.evaluate("document.featurePolicy.allowedFeatures()")

    assert allowed, "the browser tells"
    assert features & set(allowed) == set()
    assert [text for text in said if "Permissions-Policy" in text] == [], "a feature that the browser does not know"
