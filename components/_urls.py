"""Checks of URLs and origins."""

import pulumi

from ._checks import string

_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9a-f:]+\])"
_LOCAL_HOST = r"(localhost|127\.0\.0\.1)"
_NUMBER = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_PORT = f"(:{_NUMBER})?"
_PATH = r"(/[^\s#]*)?"
_SECURE = f"(https://{_HOST}|http://{_LOCAL_HOST}){_PORT}{_PATH}"
"""Pattern of an https URL, or of an http URL of this machine, without a fragment."""

MAX_CALLBACK_URL = 1024
"""Maximum length of a callback URL in characters.
https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html"""


def https_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check an https URL without a fragment.

    Raises:
        ValueError: The value is not an https URL, or it has a fragment.
    """
    return string(field, value, f"https://{_HOST}{_PORT}{_PATH}", "an https URL")


def jwks_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of an issuer's public keys.

    Without TLS, an attacker on the network could replace the keys and then sign tokens for any tenant.

    Raises:
        ValueError: The value is neither an https URL nor an http URL of this machine, or it has a fragment.
    """
    return string(field, value, _SECURE, "an https URL, or an http URL of localhost or 127.0.0.1")


def queue_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of an SQS queue.

    Raises:
        ValueError: The value is neither an https URL nor an http URL of this machine, or it has a fragment.
    """
    return string(field, value, _SECURE, "the https URL of an SQS queue, or an http URL of localhost or 127.0.0.1")


def origin(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the origin of a web page.

    The value must be written exactly as in the `Origin` header, because the authorizer compares both as strings.

    Raises:
        ValueError: The value is not `scheme://host[:port]`, is not in lower case, or has the scheme's default port.
    """
    pattern = f"https://{_HOST}(:(?!443$){_NUMBER})?|http://{_HOST}(:(?!80$){_NUMBER})?"
    description = "scheme://host[:port] without a path, in lower case, and without the scheme's default port"
    return string(field, value, pattern, description)


def callback_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a URL to which Cognito may redirect a browser after a sign-in or a sign-out.

    Raises:
        ValueError: The value is neither an https URL nor an http URL of this machine, has a fragment, or is too long.
    """
    description = (
        "an https URL, or an http URL of localhost or 127.0.0.1, "
        f"without a fragment and with at most {MAX_CALLBACK_URL:,} characters"
    )
    return string(field, value, rf"(?=.{{0,{MAX_CALLBACK_URL}}}\Z){_SECURE}", description)


def websocket_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check the URL of a WebSocket to which a page served over https can connect.

    Raises:
        ValueError: The value is neither a wss URL nor a ws URL of this machine, or it has a fragment.
    """
    pattern = f"(wss://{_HOST}|ws://{_LOCAL_HOST}){_PORT}{_PATH}"
    return string(field, value, pattern, "a wss URL, or a ws URL of localhost or 127.0.0.1, without a fragment")


def connect_source(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Check a source of the directive `connect-src`: `scheme://host[:port]`.

    A host may start with `*.`. It then means all subdomains of the rest: `*.example.com` includes `a.example.com`.

    Raises:
        ValueError: The value is not `scheme://host[:port]`, or it uses http or ws for a host other than this machine.
    """
    pattern = rf"((https|wss)://(\*\.)?{_HOST}|(http|ws)://{_LOCAL_HOST}){_PORT}"
    description = "https:// or wss:// with a host, or http:// or ws:// with localhost or 127.0.0.1, without a path"
    return string(field, value, pattern, description)
