"""The running stack with a provider that nobody here wrote, and a browser that trusts its certificate."""

from __future__ import annotations

import base64
import hashlib
import shutil
from contextlib import ExitStack
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from playwright.sync_api import Browser, BrowserContext, sync_playwright

from bench.certificates import write_certificate
from local.background import running_stack
from tests.conftest import FLAGS
from tests.support.providers.oidc_provider import CLIENT_ID, OidcProvider, Settings
from tests.support.providers.person import LIVE_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.stack import Stack


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that the stack trusts by `SSL_CERT_FILE`. It has the private key too, for the provider."""
    return write_certificate(tmp_path_factory.mktemp("tls") / "localhost.pem", "localhost")


def hash_public_key(certificate: Path) -> str:
    """Return the hash by which a flag of Chromium names a trusted key."""
    public = x509.load_pem_x509_certificate(certificate.read_bytes()).public_key()
    encoded = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(hashlib.sha256(encoded).digest()).decode()


@pytest.fixture(scope="module")
def browser(certificate: Path) -> Iterator[Browser]:
    """Chromium that trusts the test's certificate and knows no host but this machine.

    The sign-in pages of `oidc-provider` name a font of another host.
    """
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("needs chromium: apt-get install chromium")
    flags = [
        f"--ignore-certificate-errors-spki-list={hash_public_key(certificate)}",
        "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE localhost, EXCLUDE 127.0.0.1",
    ]
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=[*FLAGS, *flags])
        yield browser
        browser.close()


@pytest.fixture(scope="module")
def oidc_provider(certificate: Path) -> Iterator[OidcProvider]:
    with OidcProvider(certificate) as provider:
        yield provider


@pytest.fixture(scope="module")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="module")
def settings_of_stack() -> dict[str, str]:
    """The settings of the stack, besides `issuer` and `audience`."""
    return {}


@pytest.fixture(scope="module")
def oidc_stack(
    oidc_provider: OidcProvider, settings_of_stack: dict[str, str], certificate: Path, state_dir: Path
) -> Iterator[Stack]:
    """The stack whose users sign in at `oidc-provider`."""
    config = {"issuer": oidc_provider.issuer, "audience": CLIENT_ID, **settings_of_stack}
    environment = {"SSL_CERT_FILE": str(certificate)}
    with running_stack(state_dir, state_dir / "up.log", config=config, environment=environment) as stack:
        yield stack


@pytest.fixture
def provider(oidc_provider: OidcProvider, oidc_stack: Stack) -> OidcProvider:
    """The provider with its defaults, the page's two URIs and the tenant's claim."""
    oidc_provider.set(Settings(page=oidc_stack.page_url))
    return oidc_provider


@pytest.fixture
def new_context(browser: Browser) -> Iterator[Callable[[], BrowserContext]]:
    """Open a browser without any session."""
    with ExitStack() as contexts:

        def open_context() -> BrowserContext:
            context = browser.new_context(viewport={"width": 1280, "height": 800}, locale="en-GB")
            context.set_default_timeout(LIVE_SECONDS * 1000)
            contexts.callback(context.close)
            return context

        yield open_context


@pytest.fixture
def context(new_context: Callable[[], BrowserContext]) -> BrowserContext:
    """A browser without any session."""
    return new_context()
