"""`TenantIdentity`: a user pool in which no one chooses a tenant, or an issuer of one's own."""

from __future__ import annotations

import re

import pulumi
import pytest

from components import TenantIdentity, TenantIdentityArgs
from tests.support.components.examples import AUDIENCE, ISSUER
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.provider import REGION, Provider, api_id, user_pool_id

SENDER = "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com"
CALLBACK_URLS = ["https://d111111abcdef8.cloudfront.net/", "http://localhost:8080/", "http://127.0.0.1:8080/page?a=b"]
POOL_ISSUER = f"https://cognito-idp.{REGION}.amazonaws.com/{user_pool_id('identity-users')}"


def declare(args: TenantIdentityArgs) -> Recording:
    return run(lambda: TenantIdentity("identity", args))


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare({})


@pytest.fixture(scope="module")
def hosted() -> Recording:
    return declare({"callback_urls": CALLBACK_URLS})


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
    assert client["explicitAuthFlows"] == ["ALLOW_USER_SRP_AUTH"]


def test_a_refresh_token_is_good_once_and_a_minute_more_for_a_lost_answer(recording: Recording) -> None:
    """Cognito refuses rotation beside `ALLOW_REFRESH_TOKEN_AUTH`."""
    client = recording.inputs("identity-dashboard")

    assert client["refreshTokenRotation"] == {"feature": "ENABLED", "retryGracePeriodSeconds": 60}
    assert "ALLOW_REFRESH_TOKEN_AUTH" not in client["explicitAuthFlows"]


def test_a_new_email_address_counts_when_it_is_confirmed(recording: Recording) -> None:
    pool = recording.inputs("identity-users")

    assert pool["userAttributeUpdateSettings"] == {"attributesRequireVerificationBeforeUpdates": ["email"]}
    assert pool["autoVerifiedAttributes"] == ["email"], "Cognito takes the setting for these attributes alone"


def test_capital_letters_make_no_other_user(recording: Recording) -> None:
    assert recording.inputs("identity-users")["usernameConfiguration"] == {"caseSensitive": False}


def test_cognito_sends_the_mails_by_default(recording: Recording) -> None:
    assert "emailConfiguration" not in recording.inputs("identity-users")


def test_an_address_in_ses_sends_the_mails() -> None:
    assert declare({"mail_sender": SENDER}).inputs("identity-users")["emailConfiguration"] == {
        "emailSendingAccount": "DEVELOPER",
        "sourceArn": SENDER,
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (
            {"mail_sender": "arn:aws:ses:us-east-1:123456789012:identity/example.com"},
            "mail_sender: must be the ARN of an e-mail address in Amazon SES, "
            "got 'arn:aws:ses:us-east-1:123456789012:identity/example.com'",
        ),
        (
            {"issuer": ISSUER, "audience": AUDIENCE, "mail_sender": SENDER},
            f"mail_sender: must not be set together with issuer, got '{SENDER}'",
        ),
    ],
)
def test_a_sender_is_an_address_and_the_pools_own(args: TenantIdentityArgs, message: str) -> None:
    assert refusal(lambda: TenantIdentity("identity", args)) == message


@pytest.mark.parametrize(("mfa", "expected"), [("off", "OFF"), ("optional", "OPTIONAL"), ("required", "ON")])
def test_a_second_factor_is_an_authenticator_app(mfa: str, expected: str) -> None:
    pool = declare({"mfa": mfa}).inputs("identity-users")

    assert (pool["mfaConfiguration"], pool.get("softwareTokenMfaConfiguration")) == (
        expected,
        None if mfa == "off" else {"enabled": True},
    )


def test_a_second_factor_is_off_by_default(recording: Recording) -> None:
    assert recording.inputs("identity-users")["mfaConfiguration"] == "OFF"


def test_any_other_word_about_a_second_factor_is_refused() -> None:
    assert refusal(lambda: TenantIdentity("identity", {"mfa": "ON"})) == (
        "mfa: must be one of off, optional, required, got 'ON'"
    )


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
    assert recording.one("identity-users").protected is protected


def test_registers_the_pool_as_issuer_and_its_client_as_audience(recording: Recording) -> None:
    assert recording.registered("identity") == {
        "issuer": POOL_ISSUER,
        "client_id": api_id("identity-dashboard"),
        "user_pool_id": user_pool_id("identity-users"),
    }


@pytest.mark.parametrize("issuer", [f"{ISSUER}/", "https://Login.Example.com", "https://a_b.example.com"])
def test_an_issuer_is_kept_as_it_is_written(issuer: str) -> None:
    assert declare({"issuer": issuer, "audience": AUDIENCE}).registered("identity")["issuer"] == issuer


def test_an_issuer_of_ones_own_needs_no_resources() -> None:
    recording = declare({"issuer": ISSUER, "audience": AUDIENCE})

    assert recording.children("identity") == set()
    assert recording.registered("identity") == {
        "issuer": ISSUER,
        "client_id": AUDIENCE,
        "user_pool_id": "",
    }


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"issuer": ISSUER}, "audience: is required with issuer, got None"),
        ({"audience": AUDIENCE}, "audience: must be set together with issuer, got 'dashboards' without an issuer"),
    ],
)
def test_an_issuer_and_an_audience_go_together(args: TenantIdentityArgs, message: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(message)}$"):
        declare(args)


class TestHostedSignIn:
    """With `callback_urls` people sign in to the user pool in a browser."""

    def test_the_pool_has_a_domain_with_pages_that_need_no_branding(self, hosted: Recording) -> None:
        assert hosted.children("identity") == {
            ("cognito/userPool:UserPool", "identity-users"),
            ("cognito/userPoolClient:UserPoolClient", "identity-dashboard"),
            ("cognito/userPoolDomain:UserPoolDomain", "identity-domain"),
        }
        domain = hosted.inputs("identity-domain")
        assert (domain["userPoolId"], domain["managedLoginVersion"]) == (user_pool_id("identity-users"), 1)

    def test_the_client_takes_an_authorization_code_and_returns_to_these_pages(self, hosted: Recording) -> None:
        client = hosted.inputs("identity-dashboard")

        assert client["allowedOauthFlows"] == ["code"]
        assert client["allowedOauthFlowsUserPoolClient"] is True
        assert client["supportedIdentityProviders"] == ["COGNITO"]
        assert client["callbackUrls"] == client["logoutUrls"] == CALLBACK_URLS

    def test_a_page_may_ask_for_a_token_that_says_the_tenant(self, hosted: Recording) -> None:
        # Cognito leaves every attribute but the address out of the ID token for `openid email`.
        assert hosted.inputs("identity-dashboard")["allowedOauthScopes"] == ["openid", "email", "profile"]

    def test_all_else_of_the_pool_and_the_client_is_as_without(self, hosted: Recording) -> None:
        without = declare({})
        client, before = hosted.inputs("identity-dashboard"), without.inputs("identity-dashboard")

        assert hosted.inputs("identity-users") == without.inputs("identity-users")
        assert {key: client[key] for key in before} == before
        assert set(client) - set(before) == {
            "allowedOauthFlows",
            "allowedOauthFlowsUserPoolClient",
            "allowedOauthScopes",
            "callbackUrls",
            "logoutUrls",
            "supportedIdentityProviders",
        }

    # The second has `aws` in it, which Cognito refuses in a prefix.
    @pytest.mark.parametrize("pool", [f"{REGION}_AbCdEf012", f"{REGION}_xAwSy0123"])
    def test_the_domain_is_one_that_cognito_takes(self, pool: str) -> None:
        prefix = domain_prefix(pool)

        assert re.fullmatch(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", prefix)
        assert not re.search("aws|amazon|cognito", prefix)

    def test_the_domain_is_that_of_the_one_pool(self) -> None:
        assert domain_prefix(f"{REGION}_AbCdEf012") == domain_prefix(f"{REGION}_AbCdEf012")
        assert domain_prefix(f"{REGION}_AbCdEf012") != domain_prefix(f"{REGION}_abcdef012")

    def test_a_page_may_be_known_later(self) -> None:
        recording = run(
            lambda: TenantIdentity("identity", {"callback_urls": [pulumi.Output.from_input(CALLBACK_URLS[0])]})
        )

        assert recording.inputs("identity-dashboard")["callbackUrls"] == CALLBACK_URLS[:1]

    @pytest.mark.parametrize("urls", [[], None])
    def test_without_a_page_there_is_no_sign_in(self, urls: list[str] | None) -> None:
        recording = declare({"callback_urls": urls})

        assert recording.of_type("cognito/userPoolDomain:UserPoolDomain") == []
        assert recording.inputs("identity-dashboard") == declare({}).inputs("identity-dashboard")

    @pytest.mark.parametrize(
        "url",
        [
            "http://dashboard.example.com/",
            "http://localhost.example.com/",
            "https://dashboard.example.com/#here",
            "https://dashboard.example.com/a page",
            "https:///",
            "dashboard.example.com",
            "javascript:alert(1)",
            "",
            f"https://dashboard.example.com/{'a' * 1_000}",
        ],
    )
    def test_a_page_that_cognito_would_not_return_to_is_refused(self, url: str) -> None:
        message = refusal(lambda: TenantIdentity("identity", {"callback_urls": [*CALLBACK_URLS, url]}))

        assert message == (
            f"callback_urls[{len(CALLBACK_URLS)}]: must be an https URL, or an http URL of localhost or 127.0.0.1, "
            f"without a fragment and with at most 1,024 characters, got {url!r}"
        )

    def test_a_page_that_turns_out_so_makes_no_client(self) -> None:
        later = pulumi.Output.from_input
        with pytest.raises(
            ValueError, match=r"callback_urls\[0\]: must be an https URL, .*, got 'http://example\.com/'$"
        ):
            run(lambda: TenantIdentity("identity", {"callback_urls": [later("http://example.com/")]}))

    def test_there_are_at_most_a_hundred(self) -> None:
        urls = [f"https://dashboard.example.com/{number}" for number in range(101)]

        assert len(declare({"callback_urls": urls[:100]}).inputs("identity-dashboard")["callbackUrls"]) == 100
        message = refusal(lambda: TenantIdentity("identity", {"callback_urls": urls}))
        assert message == "callback_urls: must have at most 100 URLs, got 101"

    def test_an_issuer_of_ones_own_has_its_own(self) -> None:
        args: TenantIdentityArgs = {"issuer": ISSUER, "audience": AUDIENCE, "callback_urls": CALLBACK_URLS[:1]}

        assert refusal(lambda: TenantIdentity("identity", args)) == (
            f"callback_urls: must not be set together with issuer, got {CALLBACK_URLS[:1]!r}"
        )


def domain_prefix(pool: str) -> str:
    """The prefix of the domain of the user pool with this id."""
    provider = Provider({"identity-users": {"id": pool}})
    program = run(lambda: TenantIdentity("identity", {"callback_urls": CALLBACK_URLS}), provider=provider)
    return program.inputs("identity-domain")["domain"]
