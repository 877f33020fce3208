from __future__ import annotations

import pytest

from formbridge.access.check import Check
from formbridge.access.handshake import (
    Forbidden,
    Identity,
    Unauthorized,
    WrongTenant,
    build_policy,
    check_origin,
    find_token,
    parse_subprotocols,
)


@pytest.mark.parametrize(
    "headers",
    [
        {"Sec-WebSocket-Protocol": "formbridge.v1, bearer.THE.JWT.x"},
        {"Sec-WebSocket-Protocol": "bearer.THE.JWT.x,formbridge.v1"},
        {"sec-websocket-protocol": " bearer.THE.JWT.x "},
        {"SEC-WEBSOCKET-PROTOCOL": "bearer.THE.JWT.x"},
        {"Authorization": "Bearer THE.JWT.x"},
        {"authorization": "bearer THE.JWT.x "},
        {"Sec-WebSocket-Protocol": "formbridge.v1", "Authorization": "Bearer THE.JWT.x"},
        {"Sec-WebSocket-Protocol": "bearer.THE.JWT.x", "Authorization": "Bearer ANOTHER"},
    ],
    ids=str,
)
def test_the_token_is_in_the_subprotocols_or_the_authorization_header(headers: dict[str, str]) -> None:
    assert find_token(headers, {}) == "THE.JWT.x"


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-WebSocket-Protocol": "formbridge.v1"},
        {"Sec-WebSocket-Protocol": ""},
        {"Sec-WebSocket-Protocol": "bearer"},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer  "},
        {"Authorization": "Basic dXNlcjpwYXNz"},
        {"Authorization": "THE.JWT.x"},
        {"Cookie": "bearer.THE.JWT.x"},
    ],
    ids=str,
)
def test_a_handshake_without_a_token_is_unauthorized(headers: dict[str, str]) -> None:
    with pytest.raises(Unauthorized, match=r"^no token$"):
        find_token(headers, {"tenant_id": "t_acme"})


@pytest.mark.parametrize(
    ("headers", "token"),
    [
        ({}, "IN.THE.QUERY"),
        ({"Sec-WebSocket-Protocol": "formbridge.v1"}, "IN.THE.QUERY"),
        ({"Authorization": "Basic dXNlcjpwYXNz"}, "IN.THE.QUERY"),
        ({"Sec-WebSocket-Protocol": "bearer.THE.JWT.x"}, "THE.JWT.x"),
        ({"Sec-WebSocket-Protocol": "bearer."}, ""),
        ({"Authorization": "Bearer THE.JWT.x"}, "THE.JWT.x"),
    ],
    ids=str,
)
def test_a_token_in_the_query_counts_where_no_header_brings_one(headers: dict[str, str], token: str) -> None:
    assert find_token(headers, {"token": "IN.THE.QUERY"}) == token


def test_an_empty_token_in_the_query_is_none() -> None:
    with pytest.raises(Unauthorized, match=r"^no token$"):
        find_token({}, {"token": ""})


def test_offered_subprotocols_are_in_their_order() -> None:
    assert parse_subprotocols({"Sec-Websocket-Protocol": "formbridge.v1 , b,,a"}) == ["formbridge.v1", "b", "a"]
    assert parse_subprotocols({}) == []


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({"Origin": "https://app.example"}, ["https://app.example"]),
        ({"origin": "https://app.example"}, ["https://other.example", "https://app.example"]),
        ({"Origin": "https://anything.example"}, []),
        ({}, ["https://app.example"]),
    ],
    ids=str,
)
def test_a_page_that_may_connect(headers: dict[str, str], allowed: list[str]) -> None:
    check_origin(headers, allowed)


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:8443",
        "https://app.example/",
        "https://app",
        "https://APP.example",
        "null",
        "",
    ],
)
def test_a_page_that_is_not_on_the_list_is_forbidden(origin: str) -> None:
    with pytest.raises(Forbidden, match=r"^Origin: "):
        check_origin({"origin": origin}, ["https://app.example"])


def test_a_policy_is_as_api_gateway_wants_it() -> None:
    assert build_policy("user-1", "Allow", "arn:x", {"tenant_id": "t_acme"}) == {
        "principalId": "user-1",
        "policyDocument": {
            "Version": "2012-10-17",
            "Statement": [{"Action": "execute-api:Invoke", "Effect": "Allow", "Resource": "arn:x"}],
        },
        "context": {"tenant_id": "t_acme"},
    }


# --- The tenant -----------------------------------------------------------------------------------------------


def identity(*tenants: str) -> Identity:
    return Identity("user-1", tenants, expires_at=0, signed_in_at=0)


def test_the_one_tenant_of_a_token_is_chosen() -> None:
    assert identity("t_acme").choose_tenant(None) == "t_acme"


def test_a_tenant_that_the_token_grants_may_be_named() -> None:
    assert identity("t_acme").choose_tenant("t_acme") == "t_acme"
    assert identity("t_acme", "t_globex").choose_tenant("t_globex") == "t_globex"


@pytest.mark.parametrize("wanted", ["t_globex", "", "t_acme ", "T_ACME", "t_"])
def test_a_tenant_that_the_token_does_not_grant_is_forbidden(wanted: str) -> None:
    with pytest.raises(Forbidden, match=r"^tenant_id: must be a tenant that the token grants, got "):
        identity("t_acme").choose_tenant(wanted)


@pytest.mark.parametrize(
    ("tenants", "reason"),
    [
        ((), "tenant: must grant a tenant"),
        (("t_acme", "t_globex"), "tenant_id: is required because the token grants 2 tenants"),
    ],
    ids=["none", "two"],
)
def test_without_a_name_a_token_of_none_or_several_tenants_is_forbidden(tenants: tuple[str, ...], reason: str) -> None:
    with pytest.raises(Forbidden, match=f"^{reason}$"):
        identity(*tenants).choose_tenant(None)


@pytest.mark.parametrize("wanted", [None, "t_acme"])
def test_a_token_without_a_tenant_is_forbidden_for_the_reason_of_its_check(wanted: str | None) -> None:
    failed = Check("tenant", "claim missing", "tenantClaim")
    with pytest.raises(WrongTenant) as refused:
        Identity("user-1", (), 5, 1, tenant_check=failed).choose_tenant(wanted)
    assert refused.value.fields == {
        "reason": "tenant: claim missing",
        "check": "tenant",
        "setting": "tenantClaim",
    }


def test_a_refusal_that_belongs_to_no_check_and_no_setting_has_only_a_reason() -> None:
    assert Unauthorized("no token").fields == {"reason": "no token"}
