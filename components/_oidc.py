"""OIDC defaults that several components share."""

import pulumi

DEFAULT_TENANT_CLAIM = "custom:tenant_id"
"""Default of the claim that holds the tenant id. User pools that `TenantIdentity` creates use this claim."""


def build_jwks_url(issuer: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return the default URL of an issuer's public keys.

    The URLs of some issuers end in a slash. It is removed, so that the result does not contain two slashes in a row.
    """
    return issuer.apply(lambda url: f"{url.rstrip('/')}/.well-known/jwks.json")
