"""The discovery document of an issuer, which says where its keys are. Pure: no I/O, no clock.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from ..runtime import strict_json
from ..runtime.identifiers import describe_type, quote
from .key_set import KeyFetchFailed

if TYPE_CHECKING:
    from collections.abc import Mapping

DISCOVERY_PATH: Final = "/.well-known/openid-configuration"
MAX_URL_LENGTH: Final = 2_048
"""Maximum length of `jwks_uri` in characters."""
LOOPBACK_HOSTS: Final = ("localhost", "127.0.0.1", "::1")


def build_discovery_url(issuer: str) -> str:
    """Return the URL of the discovery document. The issuer's slash at the end, if it has one, is left out."""
    return f"{issuer.removesuffix('/')}{DISCOVERY_PATH}"


def parse_discovery(document: bytes, issuer: str) -> str:
    """Return the URL of the issuer's key set.

    Args:
        document: The body of the response to the request for the discovery document.
        issuer: The issuer. The document must have exactly this value.

    Raises:
        KeyFetchFailed: The document is not that of the issuer, or its `jwks_uri` is not an https URL.
    """
    try:
        fields = strict_json.parse_object(document)
    except ValueError as error:
        raise KeyFetchFailed(f"discovery: {error}") from error
    if fields.get("issuer") != issuer:
        raise KeyFetchFailed(f"issuer: must be {issuer!r} as in the setting issuer, got {quote(fields.get('issuer'))}")
    return read_jwks_uri(fields, issuer)


def read_jwks_uri(fields: Mapping[str, object], issuer: str) -> str:
    """Return the URL of the key set from the fields of a discovery document.

    The URL may have any host: the keys of Google, for example, are on another host than its issuer.

    Raises:
        KeyFetchFailed: `jwks_uri` is not an https URL.
    """
    url = fields.get("jwks_uri")
    if not isinstance(url, str):
        raise KeyFetchFailed(f"jwks_uri: must be a string, got {describe_type(url)}")
    if not _is_secure(url, issuer):
        raise KeyFetchFailed(f"jwks_uri: must be an https URL, got {quote(url)}")
    return url


def _is_secure(url: str, issuer: str) -> bool:
    """Return whether a URL is an https URL.

    An http URL of this machine is accepted too, but only from an issuer that itself is one. No other issuer can make a
    Lambda call its own runtime, which listens on this machine without TLS.
    """
    if not url.isascii() or not url.isprintable() or " " in url or len(url) > MAX_URL_LENGTH:
        return False
    try:
        parts = urlsplit(url)
        has_address = bool(parts.hostname) and parts.port != 0  # `port` raises if it is not a number
    except ValueError:
        return False
    if not has_address or parts.username is not None:
        return False
    is_local = parts.scheme == "http" and parts.hostname in LOOPBACK_HOSTS
    return parts.scheme == "https" or (is_local and issuer.startswith("http://"))
