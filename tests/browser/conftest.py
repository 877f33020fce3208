"""The browser, and what the page talks to. Without chromium these tests are skipped."""

from __future__ import annotations

import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from tests.browser.fake_gateway import FakeGateway, FakeSite

FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Debian's chromium with a profile of its own."""
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def gateway() -> Iterator[FakeGateway]:
    with FakeGateway() as gateway:
        yield gateway


@pytest.fixture
def site(gateway: FakeGateway) -> Iterator[FakeSite]:
    with FakeSite(gateway.url) as site:
        yield site


@pytest.fixture
def page(browser: Browser, site: FakeSite) -> Iterator[Page]:
    """A fresh page, not yet on the site. It fails the test that makes it throw or break the content policy."""
    faults: list[str] = []
    context = browser.new_context(base_url=site.url, viewport={"width": 1280, "height": 800}, locale="en-GB")
    page = context.new_page()
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if "Content Security" in message.text else None)
    yield page
    context.close()
    assert faults == []
