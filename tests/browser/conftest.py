"""The page, and what it talks to."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support.browser.fake_gateway import PATIENCE, FakeGateway, FakeSite

if TYPE_CHECKING:
    from collections.abc import Iterator

# What is expected appears within milliseconds; Playwright's own limit of 5 s is short for a busy machine.
expect.set_options(timeout=PATIENCE * 1000)


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
