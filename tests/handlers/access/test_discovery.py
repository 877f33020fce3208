from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from formbridge.access.discovery import build_discovery_url, parse_discovery
from formbridge.access.key_set import KeyFetchFailed
from tests.support.handlers.strategies import JSON

ISSUER = "https://login.example.com/realms/acme"
LOCAL = "http://127.0.0.1:8080"


def parse(issuer: str = ISSUER, **fields: object) -> str:
    document = {"issuer": issuer, "jwks_uri": f"{ISSUER}/keys", **fields}
    return parse_discovery(json.dumps(document).encode(), issuer)


@pytest.mark.parametrize(
    ("issuer", "url"),
    [
        ("https://a.example", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/", "https://a.example/.well-known/openid-configuration"),
        ("https://a.example/realms/x", "https://a.example/realms/x/.well-known/openid-configuration"),
        ("https://a.example/x/", "https://a.example/x/.well-known/openid-configuration"),
        ("https://a.example//", "https://a.example//.well-known/openid-configuration"),
    ],
)
def test_the_document_is_below_the_issuer(issuer: str, url: str) -> None:
    assert build_discovery_url(issuer) == url


@pytest.mark.parametrize(
    "url",
    [
        f"{ISSUER}/protocol/openid-connect/certs",
        "https://www.googleapis.com/oauth2/v3/certs",
        "https://keys.example.com:8443/keys?version=1",
        "HTTPS://Keys_1.example.com/keys",
        "https://[2001:db8::1]/keys",
        "https://localhost:8443/keys",
        "https://10.0.0.5/keys",
    ],
)
def test_the_keys_may_be_on_any_host(url: str) -> None:
    assert parse(jwks_uri=url, anything={"else": 1}) == url


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]"])
def test_an_issuer_of_this_machine_may_have_its_keys_there(host: str) -> None:
    url = f"http://{host}:8080/keys"
    assert parse(LOCAL, jwks_uri=url) == url
    with pytest.raises(KeyFetchFailed, match=r"^jwks_uri: must be an https URL, got "):
        parse(ISSUER, jwks_uri=url)


@pytest.mark.parametrize("issuer", [ISSUER, LOCAL])
@pytest.mark.parametrize(
    "url",
    [
        "http://login.example.com/keys",
        "http://169.254.169.254/latest/meta-data/",
        "http://169.254.170.2/v2/credentials",
        "http://localhost.example.com/keys",
        "http://127.0.0.1.example.com/keys",
        "http://10.0.0.5/keys",
        "http://2130706433/keys",
        "file:///etc/passwd",
        "ftp://login.example.com/keys",
        "data:application/json,{}",
        "//login.example.com/keys",
        "/keys",
        "keys",
        "",
        "https:///keys",
        "https://login.example.com:port/keys",
        "https://login.example.com:99999/keys",
        "https://login.example.com:0/keys",
        "https://user:password@login.example.com/keys",
        "https://login.example.com/a b",
        "https://login.example.com/keys\r\nHost: other.example.com",
        "https://login.example.com/kéys",
        "https://[::1/keys",
        f"https://login.example.com/{'k' * 2_048}",
    ],
)
def test_a_url_that_is_not_requested(url: str, issuer: str) -> None:
    with pytest.raises(KeyFetchFailed, match=r"^jwks_uri: must be an https URL, got "):
        parse(issuer, jwks_uri=url)


@pytest.mark.parametrize(("value", "kind"), [(None, "None"), (5, "integer"), (["https://a.example"], "list")], ids=str)
def test_the_url_is_a_string(value: object, kind: str) -> None:
    with pytest.raises(KeyFetchFailed, match=f"^jwks_uri: must be a string, got {kind}$"):
        parse(jwks_uri=value)


@pytest.mark.parametrize(
    "value",
    [f"{ISSUER}/", ISSUER.upper(), ISSUER.removesuffix("acme"), "https://evil.example", None, [ISSUER], "", 5],
    ids=str,
)
def test_the_issuer_must_be_exactly_that_of_the_setting(value: object) -> None:
    with pytest.raises(KeyFetchFailed, match=f"^issuer: must be '{ISSUER}' as in the setting issuer, got "):
        parse_discovery(json.dumps({"issuer": value, "jwks_uri": f"{ISSUER}/keys"}).encode(), ISSUER)


@pytest.mark.parametrize(
    "document", [b"", b"<html>", b"[]", b"\xff", b'{"issuer": "a", "issuer": "b"}', b'{"a":' * 9_000]
)
def test_a_document_that_is_not_one_object_is_refused(document: bytes) -> None:
    with pytest.raises(KeyFetchFailed, match=r"^discovery: must be one JSON object in UTF-8, with each field once$"):
        parse_discovery(document, ISSUER)


@given(st.dictionaries(st.sampled_from(["issuer", "jwks_uri", "other"]), JSON | st.just(ISSUER) | st.text()))
def test_any_document_is_read_or_refused(fields: dict[str, object]) -> None:
    try:
        url = parse_discovery(json.dumps(fields).encode(), ISSUER)
    except KeyFetchFailed:
        return
    assert fields["issuer"] == ISSUER
    assert url.lower().startswith("https://")
