"""Check of an issuer's discovery document, before a stack is deployed that trusts the issuer.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

import json
import ssl
from collections.abc import Sequence
from http.client import HTTPException, HTTPMessage
from typing import IO, TYPE_CHECKING, Any, cast
from urllib.error import HTTPError
from urllib.request import HTTPRedirectHandler, HTTPSHandler, Request, build_opener

import pulumi

from . import _urls

if TYPE_CHECKING:
    from formbridge.access import discovery, key_set
else:
    from ._formbridge.access import discovery, key_set

TIMEOUT_SECONDS = 10
MAX_DOCUMENT_BYTES = 256 * 1024


class UnreadableDocument(Exception):
    """A discovery document that cannot be read. The message gives the reason."""


class _NoRedirects(HTTPRedirectHandler):
    """A redirect is an answer that cannot be read, because the authorizer does not follow it either."""

    def redirect_request(
        self, req: Request, fp: IO[bytes], code: int, msg: str, headers: HTTPMessage, newurl: str
    ) -> None:
        """Return no request. The redirect is then an error."""


def check_discovery(issuer: str, jwks_url: str | None, connect_sources: Sequence[str] | None) -> None:
    """Compare settings with the issuer's discovery document.

    A document that cannot be read causes a warning: the machine that deploys need not reach the issuer.

    Args:
        issuer: The setting `issuer`.
        jwks_url: The setting `jwksUrl`.
        connect_sources: The setting `connectSources`. None: the stack has no page.

    Raises:
        ValueError: The document does not fit the settings, so that no user could sign in.
    """
    url = discovery.build_discovery_url(issuer)
    try:
        document = _read_document(url)
    except UnreadableDocument as error:
        pulumi.log.warn(f"issuer: {issuer!r} was not checked, because {url} cannot be read: {error}")
        return
    _check_keys(document, issuer, jwks_url)
    if connect_sources is not None:
        _check_token_endpoint(document, issuer, connect_sources)


def _check_keys(document: dict[str, Any], issuer: str, jwks_url: str | None) -> None:
    """Check the fields of a discovery document that the authorizer depends on."""
    named = document.get("issuer")
    if named != issuer:
        raise ValueError(f"issuer: must be {named!r}, as its discovery document says, got {issuer!r}")
    keys = document.get("jwks_uri")
    if jwks_url is None and not (isinstance(keys, str) and keys.startswith("https://")):
        raise ValueError(
            f"jwksUrl: must be set for issuer {issuer!r}, whose discovery document has the jwks_uri {keys!r}, got None"
        )
    listed = cast("object", document.get("id_token_signing_alg_values_supported"))
    if isinstance(listed, list) and not {*key_set.ALGORITHMS}.intersection(map(str, cast("list[object]", listed))):
        raise ValueError(
            f"issuer: must sign ID tokens with one of {', '.join(key_set.ALGORITHMS)}, got {issuer!r}, "
            f"whose discovery document lists {listed!r}"
        )


def _check_token_endpoint(document: dict[str, Any], issuer: str, connect_sources: Sequence[str]) -> None:
    """Check that the page's security policy lets it connect to the token endpoint."""
    endpoint = document.get("token_endpoint")
    if not isinstance(endpoint, str):
        return
    if not _urls.is_allowed(endpoint, [_urls.get_origin(issuer), *connect_sources]):
        raise ValueError(
            f"connectSources: must contain {_urls.get_origin(endpoint)!r}, the host of the issuer's token endpoint, "
            f"got {[*connect_sources]!r}"
        )


def _read_document(url: str) -> dict[str, Any]:
    """Return the JSON object at a URL. The certificate must be valid; `SSL_CERT_FILE` names further authorities."""
    opener = build_opener(_NoRedirects, HTTPSHandler(context=ssl.create_default_context()))
    try:
        with opener.open(url, timeout=TIMEOUT_SECONDS) as response:
            body: bytes = response.read(MAX_DOCUMENT_BYTES + 1)
    except HTTPError as error:
        with error:
            raise UnreadableDocument(f"status {error.code}") from error
    except (OSError, HTTPException) as error:
        raise UnreadableDocument(str(error)) from error
    if len(body) > MAX_DOCUMENT_BYTES:
        raise UnreadableDocument(f"it has more than {MAX_DOCUMENT_BYTES:,} bytes")
    try:
        document: object = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnreadableDocument("it is not JSON") from error
    if not isinstance(document, dict):
        raise UnreadableDocument("it is not a JSON object")
    return cast("dict[str, Any]", document)
