"""URLs of the web, and what browsers make of them. Each check raises `ValueError` where a value is none."""

import pulumi

from ._checks import matching

_LABEL = "[a-z0-9]([a-z0-9-]*[a-z0-9])?"
_HOST = rf"({_LABEL}(\.{_LABEL})*|\[[0-9a-f:]+\])"
_HERE = r"(localhost|127\.0\.0\.1)"
_NUMBER = r"([1-9]\d{0,3}|[1-5]\d{4}|6[0-4]\d{3}|65[0-4]\d{2}|655[0-2]\d|6553[0-5])"
_PORT = f"(:{_NUMBER})?"
_PATH = r"(/[^\s#]*)?"
_SECURE = f"(https://{_HOST}|http://{_HERE}){_PORT}{_PATH}"
"""Over TLS, or within this machine."""

MAX_CALLBACK_URL = 1024
"""https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateUserPoolClient.html"""


def https_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """An https URL without a fragment."""
    return matching(field, value, f"https://{_HOST}{_PORT}{_PATH}", "an https URL")


def jwks_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Where keys are published: whoever could change them on the way could sign for any tenant."""
    return matching(field, value, _SECURE, "an https URL, or http of localhost or 127.0.0.1")


def queue_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """The URL of an SQS queue, as SQS gives it."""
    return matching(field, value, _SECURE, "the https URL of an SQS queue, or http of localhost or 127.0.0.1")


def origin(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """What a browser sends as `Origin`, which is compared as text: in lower case, and without the scheme's own port."""
    shape = f"https://{_HOST}(:(?!443$){_NUMBER})?|http://{_HOST}(:(?!80$){_NUMBER})?"
    what = "scheme://host[:port] without a path, in lower case, and without the scheme's own port"
    return matching(field, value, shape, what)


def callback_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """Where Cognito may send a browser back to."""
    what = f"https, or http of localhost or 127.0.0.1, without a fragment, of at most {MAX_CALLBACK_URL:,} characters"
    return matching(field, value, rf"(?=.{{0,{MAX_CALLBACK_URL}}}\Z){_SECURE}", what)


def websocket_url(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """What a page that came over TLS can connect to."""
    shape = f"(wss://{_HOST}|ws://{_HERE}){_PORT}{_PATH}"
    return matching(field, value, shape, "wss, or ws of localhost or 127.0.0.1, without a fragment")


def connect_source(field: str, value: pulumi.Input[str]) -> pulumi.Output[str]:
    """A host in a Content-Security-Policy, perhaps all below it."""
    shape = rf"((https|wss)://(\*\.)?{_HOST}|(http|ws)://{_HERE}){_PORT}"
    what = "https:// or wss:// and a host, or http:// or ws:// and localhost or 127.0.0.1, without a path"
    return matching(field, value, shape, what)
