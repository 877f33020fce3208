"""The page as the static site serves it: people sign in at an issuer, and see what their ID token grants."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.browser.fake_gateway import FakeGateway, FakeSite
from tests.support.browser.fake_issuer import CLIENT_ID, FakeIssuer
from tests.support.browser.steps import CLAIM

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def issuer() -> Iterator[FakeIssuer]:
    with FakeIssuer() as issuer:
        yield issuer


@pytest.fixture
def site(gateway: FakeGateway, issuer: FakeIssuer) -> Iterator[FakeSite]:
    """The static site: its config says where to sign in, and nothing of an API."""
    with FakeSite(gateway.url, issuer.origin) as site:
        site.answers.config = {
            "websocket_url": f"{gateway.url}/live",
            "issuer": issuer.url,
            "client_id": CLIENT_ID,
            "tenant_claim": CLAIM,
            "tenant_id_pattern": "t_[A-Za-z0-9_-]{1,64}",
        }
        site.now = issuer.now
        issuer.redirect_uri = f"{site.url}/"
        gateway.admits = issuer.admits
        yield site
