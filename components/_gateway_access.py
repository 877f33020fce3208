"""Access to a gateway: the tokens and the origins that its authorizer accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi

from . import _checks, _urls
from ._checks import FieldName
from ._oidc import DEFAULT_TENANT_CLAIM, build_jwks_url

MAX_ORIGINS_LENGTH = 2_000
"""Maximum number of characters of all origins together. They are the value of one environment variable, and all
environment variables of a Lambda together may have 4 KB.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


class GatewayAccessArgs(TypedDict):
    """The inputs that decide which clients may connect to a `WebSocketGateway`."""

    issuer: pulumi.Input[str]
    """The OIDC issuer that signs the tokens: an https URL, exactly as in the `iss` claim."""
    audience: pulumi.Input[str]
    """The required `aud` claim of a token."""
    jwks_url: NotRequired[pulumi.Input[str] | None]
    """The URL of the issuer's public keys. Default: `{issuer}/.well-known/jwks.json`."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The claim that holds a tenant id or a list of tenant ids. Default: `custom:tenant_id`."""
    token_in_query: NotRequired[pulumi.Input[bool]]
    """Whether a client may send its token in the query string, as `?token=…`. Use this only for clients that cannot
    send headers: query strings appear in proxy logs and browser histories, where other people can read the token.
    Default: false."""
    allowed_origins: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Origins of the web pages that may connect. Each origin is `scheme://host[:port]` in lower case, without a path
    and without the default port of the scheme. All origins together may have at most 2,000 characters. A client that
    sends no `Origin` header may always connect. Default: every web page may connect."""


@dataclass(frozen=True)
class GatewayAccess:
    """The checked inputs of `GatewayAccessArgs`, with defaults."""

    issuer: pulumi.Output[str]
    audience: pulumi.Output[str]
    jwks_url: pulumi.Output[str]
    tenant_claim: pulumi.Output[str]
    token_in_query: pulumi.Output[bool]
    allowed_origins: pulumi.Output[str]
    """The allowed origins, separated by spaces. Empty: every origin is allowed."""

    @classmethod
    def check(cls, args: GatewayAccessArgs, field: FieldName) -> "GatewayAccess":
        """Check the inputs. `field` returns the name that an error shows for an input.

        Raises:
            ValueError: An input is unknown, missing or not allowed.
        """
        _checks.check_fields(args, GatewayAccessArgs, field)
        issuer = _urls.https_url(field("issuer"), args["issuer"])
        jwks_url = _checks.check_optional(_urls.jwks_url, field("jwks_url"), args.get("jwks_url"))
        return cls(
            issuer=issuer,
            audience=_checks.word(field("audience"), args["audience"]),
            jwks_url=jwks_url if jwks_url is not None else build_jwks_url(issuer),
            tenant_claim=_checks.word(field("tenant_claim"), args.get("tenant_claim", DEFAULT_TENANT_CLAIM)),
            token_in_query=_checks.boolean(field("token_in_query"), args.get("token_in_query", False)),
            allowed_origins=_join_origins(field("allowed_origins"), args.get("allowed_origins", [])),
        )

    @property
    def token_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the Lambdas that verify tokens."""
        return {
            "ISSUER": self.issuer,
            "AUDIENCE": self.audience,
            "JWKS_URL": self.jwks_url,
            "TENANT_CLAIM": self.tenant_claim,
        }

    @property
    def handshake_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables that the authorizer needs in addition to `token_environment`."""
        return {
            "ALLOWED_ORIGINS": self.allowed_origins,
            "TOKEN_IN_QUERY": self.token_in_query.apply(lambda on: "true" if on else "false"),
        }


def _join_origins(field: str, given: pulumi.Input[Sequence[pulumi.Input[str]]]) -> pulumi.Output[str]:
    """Check the origins and join them with spaces."""

    def join(origins: Sequence[Any]) -> str:
        joined = " ".join(origins)
        if len(joined) > MAX_ORIGINS_LENGTH:
            raise ValueError(f"{field}: must be at most {MAX_ORIGINS_LENGTH:,} characters, got {len(joined):,}")
        return joined

    origins = _checks.check_each(_urls.origin, field, given)
    _checks.check_input(given, join)  # raises before any resource exists if all origins are plain values
    return origins.apply(join)
