"""OIDC defaults that several components share."""

import pulumi

DEFAULT_TENANT_CLAIM = "custom:tenant_id"
"""The claim in which a user pool that `TenantIdentity` creates puts the tenant id."""


def build_jwks_url(issuer: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return the default URL of an issuer's public keys. The `iss` claim of some issuers ends in a slash."""
    return issuer.apply(lambda url: f"{url.rstrip('/')}/.well-known/jwks.json")
