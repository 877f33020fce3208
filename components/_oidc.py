"""What OIDC says of every issuer, and what we ask of its tokens."""

import pulumi

DEFAULT_TENANT_CLAIM = "custom:tenant_id"
"""The claim that a user pool of ours puts the tenant into."""


def jwks_url_of(issuer: pulumi.Output[str]) -> pulumi.Output[str]:
    """Where an issuer publishes its keys, unless it says otherwise. Some issuers end in a slash, as part of `iss`."""
    return issuer.apply(lambda url: f"{url.rstrip('/')}/.well-known/jwks.json")
