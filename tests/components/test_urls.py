"""Checks of URLs and origins."""

from __future__ import annotations

from collections.abc import Callable

import pulumi
import pytest

from components import _urls
from tests.support.components.harness import refusal, run

Check = Callable[[str, pulumi.Input[str]], pulumi.Output[str]]

ACCEPTED: dict[Check, list[str]] = {
    _urls.issuer: [
        *["https://a.example.com", "https://a:8443/path", "https://[::1]/", "https://A.Example.COM/", "https://a_b.c"],
        "https://login.microsoftonline.com/9188040d-6c67-4c5b-b112-36a304b66dad/v2.0",
        "https://login.example.com/common/v2.0",
    ],
    _urls.jwks_url: [
        *["https://a.example.com/keys", "http://localhost:8080/keys", "http://127.0.0.1/keys", "https://A_b/keys?a=b"],
        "https://login.microsoftonline.com/common/discovery/v2.0/keys",
    ],
    _urls.queue_url: ["https://sqs.eu-west-1.amazonaws.com/1/queue", "http://localhost:4566/1/queue"],
    _urls.origin: [
        *["https://a.example.com", "http://a.example.com", "https://a:80", "http://a:443", "http://[::1]"],
        "https://a_b.example.com",
    ],
    _urls.callback_url: [
        *["https://a.example.com/", "http://localhost:8080/", f"https://a/{'b' * 1_014}", "https://A_b.example.com/"],
    ],
    _urls.websocket_url: ["wss://a.example.com/live", "ws://127.0.0.1:4566/live", "wss://A_b.example.com"],
    _urls.connect_source: [
        *["https://*.example.com", "wss://a.example.com:8443", "http://localhost", "ws://127.0.0.1:1", "https://A-b.c"],
    ],
}
REJECTED: dict[Check, list[str]] = {
    _urls.issuer: [
        *["http://a.example.com", "https://", "https://a b", "https://a#top", "https://a:0", "https://a/?b=c"],
        *["https://a/{tenant}", "https://{tenant}.example.com", "https://a/<tenant>", "https://a@b", "HTTPS://a", "a"],
        *(
            f"https://{host}/{tenant}"
            for host in ("login.microsoftonline.com", "login.microsoftonline.us", "login.partner.microsoftonline.cn")
            for tenant in ("common/v2.0", "organizations/v2.0", "consumers", "{tenantid}/v2.0", "<id>/", "COMMON/v2.0")
        ),
        "https://LOGIN.microsoftonline.com/common/v2.0",
    ],
    _urls.jwks_url: [
        *["http://a.example.com/keys", "ftp://localhost/keys", "http://localhost.example.com/keys"],
        "https://login.microsoftonline.com/{tenant}/discovery/v2.0/keys",
    ],
    _urls.queue_url: ["http://sqs.eu-west-1.amazonaws.com/1/queue", "arn:aws:sqs:eu-west-1:1:queue"],
    _urls.origin: ["https://a/", "https://a:443", "http://a:80", "https://A", "*", "a", "https://a:65536"],
    _urls.callback_url: ["https://a/{b}", "http://a.example.com/", "https://a/#top", f"https://a/{'b' * 1_015}"],
    _urls.websocket_url: ["ws://a.example.com", "https://a.example.com", "wss://a#top"],
    _urls.connect_source: [
        "http://a.example.com",
        "https://a/path",
        "http://*.localhost",
        "https://a.*.com",
        "a",
        "https://a_b.c",
    ],
}


def pairs(values: dict[Check, list[str]]) -> list[tuple[Check, str]]:
    return [(check, value) for check, each in values.items() for value in each]


@pytest.mark.parametrize(("check", "value"), pairs(ACCEPTED))
def test_a_url_of_the_kind_is_accepted(check: Check, value: str) -> None:
    checked: list[str] = []
    run(lambda: check("field", value).apply(checked.append))

    assert checked == [value]


@pytest.mark.parametrize(("check", "value"), pairs(REJECTED))
def test_another_value_is_an_error_that_names_field_and_value(check: Check, value: str) -> None:
    message = refusal(lambda: check("field", value))

    assert message.startswith("field: must be ")
    assert message.endswith(f", got {value!r}")


def test_an_address_of_entra_that_stands_for_several_tenants_is_an_error_that_says_what_to_use_instead() -> None:
    value = "https://login.microsoftonline.com/{tenantid}/v2.0"
    assert refusal(lambda: _urls.issuer("issuer", value)) == (
        "issuer: must be the URL of your own Entra tenant, https://login.microsoftonline.com/<tenant id>/v2.0, "
        f"because no token has the issuer {{tenantid}}, got {value!r}"
    )


@pytest.mark.parametrize(
    ("url", "source", "allowed"),
    [
        ("https://LOGIN.example.com/token", "https://login.EXAMPLE.com", True),
        ("https://login.example.com:443/token", "https://login.example.com", True),
        ("https://login.example.com", "https://login.example.com:443", True),
        ("https://[::1]:8443/token", "https://[::1]:8443", True),
        ("https://a_b.login.example.com/token", "https://*.example.com", True),
        ("https://example.com", "https://*.example.com", False),
        ("https://login.example.com:8443", "https://*.example.com", False),
        ("https://login.example.com", "wss://login.example.com", False),
        ("https://evil-example.com", "https://*.example.com", False),
    ],
)
def test_a_source_includes_its_host_and_a_wildcard_all_subdomains(url: str, source: str, allowed: bool) -> None:
    assert _urls.is_allowed(url, ["https://a.example.net", source]) is allowed
