"""OIDC defaults that several components share."""

import pulumi

DEFAULT_TENANT_CLAIM = "custom:tenant_id"
"""Claim that holds the tenant id in the tokens of a user pool that `TenantIdentity` created."""


def build_jwks_url(issuer: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return the default URL of an issuer's public keys. The `iss` claim of some issuers ends in a slash."""
    return issuer.apply(lambda url: f"{url.rstrip('/')}/.well-known/jwks.json")
