"""The page and the gateway with the example provider of github.com/zitadel/oidc."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from local.background import running_stack
from tests.support.e2e.client import Producer, aws
from tests.support.providers.person import live, open_page, received
from tests.support.providers.zitadel_provider import CLIENT_ID, PASSWORD, USER, ZitadelProvider

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import BrowserContext, Page

    from local.stack import Stack


@pytest.fixture(scope="module")
def zitadel(certificate: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ZitadelProvider]:
    with ZitadelProvider(certificate, tmp_path_factory.mktemp("zitadel"), id_token_seconds=40) as provider:
        yield provider


@pytest.fixture(scope="module")
def stack(zitadel: ZitadelProvider, certificate: Path, state_dir: Path) -> Iterator[Stack]:
    config = {"issuer": zitadel.issuer, "audience": CLIENT_ID, "jwksUrl": f"{zitadel.issuer}/keys"}
    environment = {"SSL_CERT_FILE": str(certificate)}
    with running_stack(state_dir, state_dir / "up.log", config=config, environment=environment) as stack:
        yield stack


def sign_in(page: Page) -> None:
    page.get_by_label("Username").fill(USER)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Login").click()


def test_one_sign_in_is_enough_to_receive_updates(stack: Stack, context: BrowserContext) -> None:
    page = context.new_page()
    open_page(page, stack)
    sign_in(page)
    live(page)

    received(page, Producer(stack, aws(stack, "events")).received("t_acme"))
