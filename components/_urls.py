"""Checks of URLs and origins."""

import re
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

import pulumi

from ._checks import check_input, string
from ._input_error import InputError

# DNS and browsers accept `_` in a host, and do not distinguish capital letters from small ones.
_LABEL = "[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?"
_LOWER_CASE_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9a-f:]+\])"
_HOST = f"(?i:{_LOWER_CASE_HOST})"
_POLICY_HOST = _HOST.replace("_", "")
"""Pattern of a host in a Content Security Policy. Browsers ignore a source whose host contains `_`.
https://www.w3.org/TR/CSP3/#grammardef-host-char"""
_LOCAL_HOST = r"(localhost|127\.0\.0\.1)"
_NUMBER = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_PORT = f"(:{_NUMBER})?"
_PATH = r"(/[^\s#{}<>]*)?"
"""Pattern of a path and a query. Braces and angle brackets mark a placeholder, such as `{tenant}`."""
_SECURE = f"(https://{_HOST}|http://{_LOCAL_HOST}){_PORT}{_PATH}"
"""Pattern of an https URL, or of an http URL of this machine, without a fragment."""

MAX_CALLBACK_URL = 1024
"""Maximum length of a callback URL in characters.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html"""


_ISSUER = rf"https://{_HOST}{_PORT}(/[^\s#?{{}}<>]*)?"
_ENTRA_PLACEHOLDER = re.compile(
    r"https://(login\.microsoftonline\.(?:com|us)|login\.partner\.microsoftonline\.cn)"
    r"/(common|organizations|consumers|[{<][^/]*)(/.*)?",
    re.IGNORECASE,
)
"""Pattern of an address of Microsoft Entra ID that stands for several tenants. It is the issuer of no token."""


def issuer(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of an OIDC issuer.

    Raises:
        InputError: The value is not an https URL, has a query or a fragment, or contains a placeholder.
    """

    def check(known: Any) -> str:
        if isinstance(known, str) and (entra := _ENTRA_PLACEHOLDER.fullmatch(known)):
            raise InputError(
                field,
                f"must be the URL of your own Entra tenant, https://{entra[1]}/<tenant id>/v2.0, because "
                f"no token has the issuer {entra[2]}, got {known!r}",
            )
        if not isinstance(known, str) or not re.fullmatch(_ISSUER, known):
            raise InputError(field, f"must be an https URL without a query, a fragment or a placeholder, got {known!r}")
        return known

    return check_input(value, check)


def jwks_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of an issuer's public keys.

    Without TLS, an attacker on the network could replace the keys and then sign tokens for any tenant.

    Raises:
        InputError: The value is neither an https URL nor an http URL of this machine, has a fragment, or contains a
            placeholder.
    """
    description = "an https URL, or an http URL of localhost or 127.0.0.1, without a fragment or a placeholder"
    return string(field, value, _SECURE, description)


def queue_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of an SQS queue.

    Raises:
        InputError: The value is neither an https URL nor an http URL of this machine, or it has a fragment.
    """
    return string(field, value, _SECURE, "the https URL of an SQS queue, or an http URL of localhost or 127.0.0.1")


def origin(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the origin of a web page.

    The value must be written exactly as in the `Origin` header, because the authorizer compares both as strings. A
    browser writes the host in lower case.

    Raises:
        InputError: The value is not `scheme://host[:port]`, is not in lower case, or has the scheme's default port.
    """
    host = _LOWER_CASE_HOST
    pattern = f"https://{host}(:(?!443$){_NUMBER})?|http://{host}(:(?!80$){_NUMBER})?"
    description = "scheme://host[:port] without a path, in lower case, and without the scheme's default port"
    return string(field, value, pattern, description)


def callback_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a URL to which Cognito may redirect a browser after a sign-in or a sign-out.

    Raises:
        InputError: The value is neither an https URL nor an http URL of this machine, has a fragment, or is too long.
    """
    description = (
        "an https URL, or an http URL of localhost or 127.0.0.1, "
        f"without a fragment and with at most {MAX_CALLBACK_URL:,} characters"
    )
    return string(field, value, rf"(?=.{{0,{MAX_CALLBACK_URL}}}\Z){_SECURE}", description)


def websocket_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of a WebSocket to which a page served over https can connect.

    Raises:
        InputError: The value is neither a wss URL nor a ws URL of this machine, or it has a fragment.
    """
    pattern = f"(wss://{_HOST}|ws://{_LOCAL_HOST}){_PORT}{_PATH}"
    return string(field, value, pattern, "a wss URL, or a ws URL of localhost or 127.0.0.1, without a fragment")


def connect_source(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a source of the directive `connect-src`: `scheme://host[:port]`.

    A host may start with `*.`. It then means all subdomains of the rest: `*.example.com` includes `a.example.com`.

    Raises:
        InputError: The value is not `scheme://host[:port]`, its host contains `_`, or it uses http or ws for a host
            other than this machine.
    """
    pattern = rf"((https|wss)://(\*\.)?{_POLICY_HOST}|(http|ws)://{_LOCAL_HOST}){_PORT}"
    description = (
        "https:// or wss:// with a host, or http:// or ws:// with localhost or 127.0.0.1, without a path or '_'"
    )
    return string(field, value, pattern, description)


def get_origin(url: str) -> str:
    """Return the scheme, the host and the port of a URL, in lower case."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def is_allowed(url: str, sources: Sequence[str]) -> bool:
    """Return whether one of the sources of a security policy includes the origin of a URL."""
    origin = get_origin(url).removesuffix(":443")
    for source in sources:
        before, star, after = source.lower().removesuffix(":443").partition("*")
        if origin.startswith(before) and origin.endswith(after) if star else origin == before:
            return True
    return False
