"""`TenantIdentity`: a user pool in which no one chooses a tenant, or an issuer of one's own."""

from __future__ import annotations

import re

import pytest

from components import TenantIdentity, TenantIdentityArgs

from .examples import AUDIENCE, ISSUER
from .harness import Recording, run
from .provider import REGION, api_id, user_pool_id

POOL_ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{user_pool_id('identity-users')}"


def declare(args: TenantIdentityArgs) -> Recording:
    return run(lambda: TenantIdentity("identity", args))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare({})


def test_declares_a_user_pool_and_the_dashboards_client(recording: Recording) -> None:
    assert recording.children("identity") == {
        ("cognito/userPool:UserPool", "identity-users"),
        ("cognito/userPoolClient:UserPoolClient", "identity-dashboard"),
    }
    assert recording.inputs("identity-dashboard")["userPoolId"] == user_pool_id("identity-users")


def test_no_one_signs_up_by_themselves(recording: Recording) -> None:
    assert recording.inputs("identity-users")["adminCreateUserConfig"] == {"allowAdminCreateUserOnly": True}


def test_a_user_has_a_tenant_of_at_most_66_characters(recording: Recording) -> None:
    (attribute,) = recording.inputs("identity-users")["schemas"]

    assert (attribute["name"], attribute["attributeDataType"]) == ("tenant_id", "String")
    assert attribute["stringAttributeConstraints"] == {"minLength": "1", "maxLength": "66"}
    assert attribute["mutable"] is True, "an administrator moves a user to another tenant"


def test_the_client_reads_the_tenant_and_cannot_write_it(recording: Recording) -> None:
    client = recording.inputs("identity-dashboard")

    assert "custom:tenant_id" in client["readAttributes"]
    assert client["writeAttributes"] == ["email"]


def test_the_client_has_no_secret_and_never_sends_a_password(recording: Recording) -> None:
    client = recording.inputs("identity-dashboard")

    assert client["generateSecret"] is False
    assert set(client["explicitAuthFlows"]) == {"ALLOW_USER_SRP_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"}


def test_the_client_says_nothing_of_who_exists_and_its_tokens_can_be_revoked(recording: Recording) -> None:
    client = recording.inputs("identity-dashboard")

    assert client["preventUserExistenceErrors"] == "ENABLED"
    assert client["enableTokenRevocation"] is True


def test_a_token_lives_for_an_hour(recording: Recording) -> None:
    client = recording.inputs("identity-dashboard")

    assert (client["idTokenValidity"], client["tokenValidityUnits"]["idToken"]) == (60, "minutes")
    assert (client["accessTokenValidity"], client["tokenValidityUnits"]["accessToken"]) == (60, "minutes")


def test_a_password_has_twelve_characters_and_a_user_is_known_by_an_email_address(recording: Recording) -> None:
    pool = recording.inputs("identity-users")

    assert pool["passwordPolicy"]["minimumLength"] == 12
    assert pool["usernameAttributes"] == ["email"]


@pytest.mark.parametrize(("protected", "expected"), [(True, "ACTIVE"), (False, "INACTIVE")])
def test_the_pool_refuses_to_be_deleted_where_it_is_told_to(protected: bool, expected: str) -> None:
    recording = declare({"deletion_protection": protected})

    assert recording.inputs("identity-users")["deletionProtection"] == expected


def test_registers_the_pool_as_issuer_and_its_client_as_audience(recording: Recording) -> None:
    assert recording.registered("identity") == {
        "issuer": POOL_ISSUER,
        "jwks_url": f"{POOL_ISSUER}/.well-known/jwks.json",
        "client_id": api_id("identity-dashboard"),
    }


def test_the_pools_keys_may_be_read_elsewhere() -> None:
    elsewhere = "http://127.0.0.1:8080/.well-known/jwks.json"
    registered = declare({"jwks_url": elsewhere}).registered("identity")

    assert registered["jwks_url"] == elsewhere
    assert registered["issuer"] == POOL_ISSUER


def test_an_issuer_that_ends_in_a_slash_keeps_it_but_not_before_its_keys() -> None:
    registered = declare({"issuer": f"{ISSUER}/", "audience": AUDIENCE}).registered("identity")

    assert registered["issuer"] == f"{ISSUER}/"
    assert registered["jwks_url"] == f"{ISSUER}/.well-known/jwks.json"


def test_an_issuer_of_ones_own_needs_no_resources() -> None:
    recording = declare({"issuer": ISSUER, "audience": AUDIENCE})

    assert recording.children("identity") == set()
    assert recording.registered("identity") == {
        "issuer": ISSUER,
        "jwks_url": f"{ISSUER}/.well-known/jwks.json",
        "client_id": AUDIENCE,
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"issuer": ISSUER}, "audience: required with an issuer of one's own, got None"),
        ({"issuer": ISSUER, "audience": ""}, "audience: required with an issuer of one's own, got ''"),
        ({"audience": AUDIENCE}, "audience: goes with an issuer of one's own, got 'dashboards' without one"),
    ],
)
def test_an_issuer_and_an_audience_go_together(args: TenantIdentityArgs, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        declare(args)
