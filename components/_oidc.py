"""Defaults and checks of OIDC inputs that several components share."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import pulumi

from . import _checks
from ._input_error import InputError

if TYPE_CHECKING:
    from formbridge.runtime import tenant_id_pattern as patterns
else:
    from ._formbridge.runtime import tenant_id_pattern as patterns

DEFAULT_TENANT_CLAIM = "custom:tenant_id"
"""Default of the claim that holds the tenant id. User pools that `TenantIdentity` creates use this claim."""
DEFAULT_TENANT_ID_PATTERN = patterns.DEFAULT_TENANT_ID_PATTERN
"""Default of the pattern that a stack's tenant ids match."""
PROMPTS = ("login", "consent", "select_account")
"""Values of the parameter `prompt`. `none` is left out: the issuer would then show no sign-in page.
https://openid.net/specs/openid-connect-core-1_0.html#AuthRequest"""

_POINTER = r"(/([^~/\s]|~[01])+)+"
_PROMPT = f"({'|'.join(PROMPTS)})"


def tenant_claim(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the place of the tenant in a token.

    Raises:
        InputError: The value is neither the name of a claim nor a JSON Pointer, or it contains a space.
    """
    description = "the name of a claim, or a JSON Pointer such as /app_metadata/tenant_id, without spaces"
    return _checks.string(field, value, rf"[^/\s]\S*|{_POINTER}", description)


def tenant_id_pattern(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the pattern of a stack's tenant ids.

    Raises:
        InputError: The value is not a regular expression that Python and browsers read alike.
    """

    def check(known: Any) -> str:
        if not isinstance(known, str):
            raise InputError(field, f"must be a string, got {known!r}")
        try:
            return patterns.TenantIdPattern.parse(field, known).text
        except ValueError as error:
            raise InputError(field, str(error).removeprefix(f"{field}: ")) from error

    return _checks.check_input(value, check)


def scopes(field: str, values: pulumi.Input[Sequence[pulumi.Input[str]]]) -> pulumi.Output[list[str]]:
    """Check the scopes of a sign-in. An empty list stands for the default scopes.

    Raises:
        InputError: The value is not a list of scopes, or `openid` is missing.
    """

    def check(known: Sequence[Any]) -> list[str]:
        if known and "openid" not in known:
            raise InputError(field, f"must contain openid, got {known!r}")
        return [*known]

    checked = _checks.check_each(_scope, field, values)
    _checks.check_input(values, check)  # raises before any resource exists if all scopes are plain values
    return checked.apply(check)


def _scope(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a scope.

    https://datatracker.ietf.org/doc/html/rfc6749#section-3.3
    """
    return _checks.string(field, value, r"[!#-\[\]-~]+", 'a scope: visible ASCII characters without " and \\')


def prompt(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the parameter `prompt` of a sign-in.

    Raises:
        InputError: The value is not a list of different `PROMPTS`, separated by spaces.
    """
    pattern = rf"(?!.*\b(\w+)\b.*\b\1\b){_PROMPT}( {_PROMPT})*"
    return _checks.string(field, value, pattern, f"{', '.join(PROMPTS)}, or several of these separated by a space")
