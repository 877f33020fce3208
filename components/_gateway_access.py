"""Access to a gateway: the tokens and the origins that its authorizer accepts."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi

from . import _checks, _oidc, _urls
from ._checks import FieldName, IntegerInput
from ._input_error import InputError

MAX_ORIGINS_LENGTH = 2_000
"""Maximum number of characters of all origins together. They are the value of one environment variable, and all
environment variables of a Lambda together may have 4 KB.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""
MAX_AUDIENCES_LENGTH = 1_000
"""Maximum number of characters of all audiences together. They are the value of one environment variable too."""
DEFAULT_CLOCK_TOLERANCE_SECONDS = 30
"""Default of `clock_tolerance_seconds`."""
MAX_CLOCK_TOLERANCE_SECONDS = 300
"""Maximum of `clock_tolerance_seconds`. A revocation refuses the sign-ins of so many seconds after it, so users wait
that long before they can sign in again."""


class GatewayAccessArgs(TypedDict):
    """The inputs that decide which clients may connect to a `WebSocketGateway`."""

    issuer: pulumi.Input[str]
    """The OIDC issuer that signs the tokens: an https URL, exactly as in the `iss` claim."""
    audience: pulumi.Input[str]
    """The accepted `aud` claim of a token: the id of the dashboard's client at the issuer."""
    additional_audiences: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """Further accepted `aud` claims: the ids of other clients at the same issuer. All audiences together may have at
    most 1,000 characters. Default: none."""
    jwks_url: NotRequired[pulumi.Input[str] | None]
    """The URL of the issuer's public keys, for an issuer whose discovery document does not name it. Default: the
    `jwks_uri` of the document at `{issuer}/.well-known/openid-configuration`."""
    clock_tolerance_seconds: NotRequired[IntegerInput]
    """Number of seconds by which the claims `iat` and `nbf` of a token may be in the future, because the issuer's clock
    is ahead; 0 to 300. There is no tolerance for `exp`. Default: 30."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The claim that holds a tenant id, a list of tenant ids, or an object whose keys are tenant ids. A value that
    begins with `/` is a JSON Pointer (RFC 6901) to a nested claim, such as `/app_metadata/tenant_id`.
    Default: `custom:tenant_id`."""
    tenant_id_pattern: NotRequired[pulumi.Input[str]]
    """The regular expression that a whole tenant id matches; at most 256 characters. It may contain letters, digits,
    `_`, `:`, `-`, `\\.`, classes such as `[a-z]`, `\\d`, `\\w`, groups, alternatives, `?`, `*`, `+` and `{m,n}`. In
    addition, an id always has at most 66 letters, digits and `_.:-`, and begins with a letter, a digit or `_`.
    Default: `t_[A-Za-z0-9_-]{1,64}`."""
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
    audiences: pulumi.Output[str]
    """The accepted audiences, separated by spaces. The dashboard's comes first."""
    jwks_url: pulumi.Output[str] | None
    clock_tolerance_seconds: pulumi.Output[int]
    tenant_claim: pulumi.Output[str]
    tenant_id_pattern: pulumi.Output[str]
    token_in_query: pulumi.Output[bool]
    allowed_origins: pulumi.Output[str]
    """The allowed origins, separated by spaces. Empty: every origin is allowed."""

    @classmethod
    def check(cls, args: GatewayAccessArgs, field: FieldName) -> "GatewayAccess":
        """Check the inputs. `field` returns the name that an error shows for an input.

        Raises:
            InputError: An input is unknown, missing or not allowed.
        """
        _checks.check_fields(args, GatewayAccessArgs, field)
        return cls(
            issuer=_urls.issuer(field("issuer"), args["issuer"]),
            audiences=_join_audiences(field, args["audience"], args.get("additional_audiences", [])),
            jwks_url=_checks.check_optional(_urls.jwks_url, field("jwks_url"), args.get("jwks_url")),
            clock_tolerance_seconds=check_clock_tolerance(
                field("clock_tolerance_seconds"), args.get("clock_tolerance_seconds", DEFAULT_CLOCK_TOLERANCE_SECONDS)
            ),
            tenant_claim=_oidc.tenant_claim(
                field("tenant_claim"), args.get("tenant_claim", _oidc.DEFAULT_TENANT_CLAIM)
            ),
            tenant_id_pattern=_oidc.tenant_id_pattern(
                field("tenant_id_pattern"), args.get("tenant_id_pattern", _oidc.DEFAULT_TENANT_ID_PATTERN)
            ),
            token_in_query=_checks.boolean(field("token_in_query"), args.get("token_in_query", False)),
            allowed_origins=_join_origins(field("allowed_origins"), args.get("allowed_origins", [])),
        )

    @property
    def token_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables of the Lambdas that verify tokens."""
        variables: dict[str, pulumi.Input[str]] = {
            "ISSUER": self.issuer,
            "AUDIENCES": self.audiences,
            "CLOCK_TOLERANCE_SECONDS": self.clock_tolerance_seconds.apply(str),
            "TENANT_CLAIM": self.tenant_claim,
            "TENANT_ID_PATTERN": self.tenant_id_pattern,
        }
        return variables if self.jwks_url is None else {**variables, "JWKS_URL": self.jwks_url}

    @property
    def handshake_environment(self) -> dict[str, pulumi.Input[str]]:
        """Environment variables that the authorizer needs in addition to `token_environment`."""
        return {
            "ALLOWED_ORIGINS": self.allowed_origins,
            "TOKEN_IN_QUERY": self.token_in_query.apply(lambda on: "true" if on else "false"),
        }


def check_clock_tolerance(field: str, value: IntegerInput) -> pulumi.Output[int]:
    """Check the tolerance for the clock of an issuer.

    Raises:
        InputError: The value is not an integer, or it is out of range.
    """
    return _checks.integer(field, value, 0, MAX_CLOCK_TOLERANCE_SECONDS)


def check_audiences(field: FieldName, audiences: Sequence[str]) -> str:
    """Return the audiences, separated by spaces.

    Raises:
        InputError: They are too long together.
    """
    joined = " ".join(audiences)
    if len(joined) > MAX_AUDIENCES_LENGTH:
        raise InputError(
            field("additional_audiences"),
            f"must be at most {MAX_AUDIENCES_LENGTH:,} characters together with "
            f"{field('audience')}, got {len(joined):,}",
        )
    return joined


def _join_audiences(
    field: FieldName, audience: pulumi.Input[str], additional: pulumi.Input[Sequence[pulumi.Input[str]]]
) -> pulumi.Output[str]:
    """Check the audiences and join them with spaces."""

    def join(given: Sequence[Any]) -> str:
        first, others = given
        return check_audiences(field, [first, *others])

    first = _checks.word(field("audience"), audience)
    others = _checks.check_each(_checks.word, field("additional_audiences"), additional)
    _checks.check_input([audience, additional], join)  # raises before any resource exists if all are plain values
    return pulumi.Output.all(first, others).apply(join)


def _join_origins(field: str, given: pulumi.Input[Sequence[pulumi.Input[str]]]) -> pulumi.Output[str]:
    """Check the origins and join them with spaces."""

    def join(origins: Sequence[Any]) -> str:
        joined = " ".join(origins)
        if len(joined) > MAX_ORIGINS_LENGTH:
            raise InputError(field, f"must be at most {MAX_ORIGINS_LENGTH:,} characters, got {len(joined):,}")
        return joined

    origins = _checks.check_each(_urls.origin, field, given)
    _checks.check_input(given, join)  # raises before any resource exists if all origins are plain values
    return origins.apply(join)
