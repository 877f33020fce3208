"""The check of an issuer's discovery document against servers on this machine."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

import pytest

from bench.certificates import write_certificate
from components._discovery import check_discovery, issuer_request, strict_json
from formbridge.access.discovery import DISCOVERY_PATH
from formbridge.access.key_set import ALGORITHMS
from tests.support.handlers.raw_server import answering, http_response, sending

if TYPE_CHECKING:
    from pathlib import Path

ISSUER = "https://login.example.com/realms/forms"
DOCUMENT: dict[str, Any] = {
    "issuer": ISSUER,
    "jwks_uri": "https://keys.example.com/certs",
    "token_endpoint": "https://login.example.com/realms/forms/token",
    "id_token_signing_alg_values_supported": ["HS256", "RS256"],
}


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_certificate(tmp_path_factory.mktemp("tls") / "server.pem")


@pytest.fixture
def warnings(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Collect what Pulumi shows as warnings."""
    shown: list[str] = []
    monkeypatch.setattr("pulumi.log.warn", shown.append)
    return shown


@pytest.fixture
def trusted(certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Trust the server's certificate, as an operator of an issuer with an own authority does."""
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))


def check(changes: dict[str, Any], jwks_url: str | None = None, sources: list[str] | None = None) -> None:
    """Check a document with some other fields. None: the field is missing."""
    document = {name: value for name, value in {**DOCUMENT, **changes}.items() if value is not None}

    def fetch_document(url: str, deadline: float) -> bytes:
        return json.dumps(document).encode()

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(issuer_request, "fetch_document", fetch_document)
        check_discovery(ISSUER, jwks_url, sources)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"id_token_signing_alg_values_supported": None},
        *({"id_token_signing_alg_values_supported": ["none", one]} for one in ALGORITHMS),
        {"id_token_signing_alg_values_supported": "RS256"},
        {"token_endpoint": "https://LOGIN.example.com:443/token"},
        {"token_endpoint": None},
    ],
)
def test_a_document_that_fits_is_accepted(changes: dict[str, Any], warnings: list[str]) -> None:
    check(changes, sources=[])
    assert warnings == []


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"issuer": f"{ISSUER}/"}, f"issuer: must be '{ISSUER}/', as its discovery document says, got '{ISSUER}'"),
        ({"issuer": None}, f"issuer: must be None, as its discovery document says, got '{ISSUER}'"),
        *(
            (
                {"jwks_uri": keys},
                f"jwksUrl: must be set for issuer '{ISSUER}', got None (discovery document: jwks_uri: {reason})",
            )
            for keys, reason in (
                (None, "must be a string, got None"),
                (5, "must be a string, got integer"),
                ("http://keys.example.com/certs", "must be an https URL, got 'http://keys.example.com/certs'"),
                ("http://127.0.0.1/keys", "must be an https URL, got 'http://127.0.0.1/keys'"),
                ("https://a@b.example.com/", "must be an https URL, got 'https://a@b.example.com/'"),
            )
        ),
        (
            {"id_token_signing_alg_values_supported": ["HS256", "ES256K", "none"]},
            f"issuer: must sign ID tokens with one of {', '.join(ALGORITHMS)}, got '{ISSUER}', whose discovery "
            "document lists ['HS256', 'ES256K', 'none']",
        ),
    ],
)
def test_a_document_that_does_not_fit_is_an_error_that_names_setting_and_value(
    changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        check(changes)


def test_a_document_without_keys_fits_where_jwks_url_is_set() -> None:
    check({"jwks_uri": None}, jwks_url="https://keys.example.com/certs")


ELSEWHERE = {"token_endpoint": "https://oauth2.googleapis.com/token"}


class TestTokenEndpoint:
    """The page's security policy names the hosts to which the page may connect."""

    @pytest.mark.parametrize("sources", [[], ["https://googleapis.com"], ["https://oauth2.googleapis.com:8443"]])
    def test_on_a_host_that_the_page_may_not_reach_is_an_error(self, sources: list[str]) -> None:
        message = (
            "connectSources: must contain 'https://oauth2.googleapis.com', the host of the issuer's token endpoint, "
            f"got {sources!r}"
        )
        with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
            check(ELSEWHERE, sources=sources)

    @pytest.mark.parametrize("source", ["https://oauth2.googleapis.com", "https://*.googleapis.com"])
    def test_on_a_host_of_connect_sources_is_accepted(self, source: str) -> None:
        check(ELSEWHERE, sources=["https://a.example.com", source])

    def test_does_not_matter_without_a_page(self) -> None:
        check(ELSEWHERE, sources=None)


@pytest.mark.usefixtures("trusted")
class TestRequest:
    @pytest.mark.parametrize("path", ["", "/", "/realms/a", "/realms/a/"])
    def test_the_document_is_read_below_the_issuer(self, path: str, certificate: Path, warnings: list[str]) -> None:
        asked: list[str] = []
        issuers: list[str] = []

        def respond(connection: Any, stopped: Any) -> None:
            body = json.dumps({**DOCUMENT, "issuer": issuers[0]}).encode()
            sending(http_response(body), asked)(connection, stopped)

        with answering(respond, certificate) as url:
            issuers.append(url + path)
            check_discovery(issuers[0], None, None)
        (request,) = asked
        assert request.startswith(f"GET {path.rstrip('/')}{DISCOVERY_PATH} HTTP/1.1\r\n")
        assert warnings == []

    def test_another_issuer_is_an_error(self, certificate: Path) -> None:
        with (
            answering(sending(http_response(json.dumps(DOCUMENT).encode())), certificate) as url,
            pytest.raises(ValueError, match=re.escape(f"issuer: must be '{ISSUER}', as its discovery document says")),
        ):
            check_discovery(url, None, None)

    @pytest.mark.parametrize(
        ("response", "reason"),
        [
            (http_response(b"{}", "404 Not Found"), "status: must be 200, got 404"),
            (http_response(b"", "302 Found", "Location: https://login.example.com/"), "status: must be 200, got 302"),
            (http_response(b"<html>"), f"must be {strict_json.EXPECTED}"),
            (http_response(b'{"issuer": "a", "issuer": "b"}'), f"must be {strict_json.EXPECTED}"),
            (b"", "RemoteDisconnected: 'Remote end closed connection without response'"),
        ],
    )
    def test_a_document_that_cannot_be_read_is_a_warning(
        self, response: bytes, reason: str, certificate: Path, warnings: list[str]
    ) -> None:
        with answering(sending(response), certificate) as url:
            check_discovery(url, None, None)
        assert warnings == [f"issuer: {url!r} was not checked, because {url}{DISCOVERY_PATH} cannot be read: {reason}"]


def test_a_server_whose_certificate_is_not_trusted_is_a_warning(certificate: Path, warnings: list[str]) -> None:
    with answering(sending(http_response(json.dumps(DOCUMENT).encode())), certificate) as url:
        check_discovery(url, None, None)
    (warning,) = warnings
    assert "CERTIFICATE_VERIFY_FAILED" in warning
