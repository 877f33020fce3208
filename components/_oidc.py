"""What OIDC says of every issuer."""

import pulumi


def jwks_url_of(issuer: pulumi.Output[str]) -> pulumi.Output[str]:
    """Where an issuer publishes its keys, unless it says otherwise. Some issuers end in a slash, as part of `iss`."""
    return issuer.apply(lambda url: f"{url.rstrip('/')}/.well-known/jwks.json")
