"""The page and the gateway with the example provider of github.com/zitadel/oidc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.background import running_stack
from tests.support.e2e.client import Producer, aws
from tests.support.providers.person import has_label, live, received
from tests.support.providers.zitadel_provider import CLIENT_ID, PASSWORD, USER, ZitadelProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

    from local.stack import Stack

TENANT = "t_acme"


@pytest.fixture(scope="module")
def zitadel(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZitadelProvider]:
    with ZitadelProvider(certificate, tmp_path_factory.mktemp("zitadel"), id_token_seconds=15) as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(zitadel: ZitadelProvider, certificate: Path, state_dir: Path) -> Iterator[Stack]:
    config = {"issuer": zitadel.issuer, "audience": CLIENT_ID}
    environment = {"SSL_CERT_FILE": str(certificate)}
    with running_stack(state_dir, state_dir / "up.log", config=config, environment=environment) as stack:
        yield stack


@pytest.fixture
def page(stack: Stack, context: BrowserContext) -> Page:
    """The page, live."""
    page = context.new_page()
    page.goto(stack.page_url)
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Login").click()
    live(page)
    return page


def test_tokens_are_renewed_on_the_connection_of_one_sign_in(stack: Stack, page: Page) -> None:
    answers: list[str] = []
    opened: list[object] = []
    page.on("response", lambda response: answers.append(response.url))
    page.on("websocket", lambda websocket: opened.append(websocket))
    for _ in range(2):
        page.wait_for_event("response", lambda response: response.url.endswith("/oauth/token"))
    live(page)

    received(page, Producer(stack, aws(stack, "events")).received(TENANT))
    assert opened == []
    assert not any(stack.page_url == url for url in answers), "the page was loaded again"


def test_signing_out_returns_to_the_page(stack: Stack, page: Page) -> None:
    page.get_by_role("button", name="Sign out").click()
    has_label(page, "Signed out")
    assert page.url == stack.page_url
