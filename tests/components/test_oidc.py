"""Defaults of OIDC."""

from __future__ import annotations

import pulumi
import pytest

from components._oidc import build_jwks_url
from tests.support.components.harness import run


@pytest.mark.parametrize("issuer", ["https://login.example.com", "https://login.example.com/"])
def test_an_issuer_publishes_its_keys_at_the_well_known_path(issuer: str) -> None:
    """The `iss` claim of some issuers ends in a slash."""
    urls: list[str] = []
    run(lambda: build_jwks_url(pulumi.Output.from_input(issuer)).apply(urls.append))

    assert urls == ["https://login.example.com/.well-known/jwks.json"]
