"""Check of an issuer's discovery document, before a stack is deployed that trusts the issuer.

https://openid.net/specs/openid-connect-discovery-1_0.html
"""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, cast

import pulumi

from . import _urls
from ._input_error import InputError

if TYPE_CHECKING:
    from formbridge.access import discovery, issuer_request, key_set
    from formbridge.runtime import strict_json
else:
    from ._formbridge.access import discovery, issuer_request, key_set
    from ._formbridge.runtime import strict_json


def check_discovery(issuer: str, jwks_url: str | None, connect_sources: Sequence[str] | None) -> None:
    """Compare settings with the issuer's discovery document, which is read as the authorizer reads it.

    A document that cannot be read causes a warning: the machine that deploys need not reach the issuer.

    Args:
        issuer: The setting `issuer`.
        jwks_url: The setting `jwksUrl`.
        connect_sources: The setting `connectSources`. None: the stack has no page.

    Raises:
        InputError: The document does not fit the settings, so that no user could sign in.
    """
    url = discovery.build_discovery_url(issuer)
    try:
        document = strict_json.parse_object(issuer_request.fetch_document(url, issuer_request.start_time_limit()))
    except (key_set.KeyFetchFailed, ValueError) as error:
        pulumi.log.warn(f"issuer: {issuer!r} was not checked, because {url} cannot be read: {error}")
        return
    _check_keys(document, issuer, jwks_url)
    if connect_sources is not None:
        _check_token_endpoint(document, issuer, connect_sources)


def _check_keys(document: Mapping[str, object], issuer: str, jwks_url: str | None) -> None:
    """Check the fields of a discovery document that the authorizer depends on."""
    named = document.get("issuer")
    if named != issuer:
        raise InputError("issuer", f"must be {named!r}, as its discovery document says, got {issuer!r}")
    if jwks_url is None:
        try:
            discovery.read_jwks_uri(document, issuer)
        except key_set.KeyFetchFailed as error:
            raise InputError(
                "jwksUrl", f"must be set for issuer {issuer!r}, got None (discovery document: {error})"
            ) from error
    listed = document.get("id_token_signing_alg_values_supported")
    if isinstance(listed, list) and not {*key_set.ALGORITHMS}.intersection(map(str, cast("list[object]", listed))):
        raise InputError(
            "issuer",
            f"must sign ID tokens with one of {', '.join(key_set.ALGORITHMS)}, got {issuer!r}, "
            f"whose discovery document lists {listed!r}",
        )


def _check_token_endpoint(document: Mapping[str, object], issuer: str, connect_sources: Sequence[str]) -> None:
    """Check that the page's security policy lets it connect to the token endpoint."""
    endpoint = document.get("token_endpoint")
    if not isinstance(endpoint, str):
        return
    if not _urls.is_allowed(endpoint, [_urls.get_origin(issuer), *connect_sources]):
        raise InputError(
            "connectSources",
            f"must contain {_urls.get_origin(endpoint)!r}, the host of the issuer's token endpoint, "
            f"got {[*connect_sources]!r}",
        )
