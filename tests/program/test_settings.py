"""`Settings` and the schema in `Pulumi.yaml` say the same."""

from __future__ import annotations

import json
import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import pulumi
import pytest
import yaml

from components import InputError
from local.project import load_project
from settings import Settings
from tests.support.components.harness import PROJECT, STACK, refusal, run
from tests.support.program.whole_program import ROOT, config

if TYPE_CHECKING:
    from collections.abc import Mapping

OTHER: dict[str, str] = {
    "issuer": "https://login.example.com",
    "connectSources": '["https://token.example.com"]',
    "audience": "dashboards",
    "additionalAudiences": '["crm"]',
    "jwksUrl": "https://login.example.com/keys",
    "scopes": '["openid", "tenants"]',
    "prompt": "select_account",
    "tenantClaim": "groups",
    "tenantIdPattern": "org_[a-z]+",
    "clockToleranceSeconds": "300",
    "allowedOrigins": '["https://a.example.com"]',
    "tokenInQuery": "true",
    "maxConnectionsPerTenant": "100",
    "maxConnectionsPerUser": "3",
    "messagesPerSecond": "5",
    "messageBurst": "50",
    "tenantMessagesPerSecond": "300",
    "tenantMessageBurst": "900",
    "tenantConnectsPerSecond": "30",
    "tenantConnectBurst": "90",
    "maxFilterLength": "1000",
    "maxFiltersPerTenant": "1000",
    "maxFrameBytes": "16384",
    "postsPerSecond": "100",
    "broadcastConcurrency": "8",
    "fanoutConcurrency": "1000",
    "fanoutThreshold": "100",
    "connectionShards": "64",
    "failureIdentifier": "SequenceNumber",
    "authorizeReservedConcurrency": "20",
    "connectReservedConcurrency": "21",
    "messageReservedConcurrency": "22",
    "broadcastReservedConcurrency": "23",
    "persistReservedConcurrency": "24",
    "mfa": "optional",
    "mailSender": "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com",
    "retentionDays": "30",
    "maxClockSkewSeconds": "60",
    "logRetentionDays": "7",
    "protectData": "true",
    "hardened": "true",
    "webAclArn": "arn:aws:wafv2:us-east-1:123456789012:global/webacl/pages/1a2b3c",
    "alarmEmail": "on-call@example.com",
    "permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/formbridge-boundary-dev",
    "dashboardSite": "false",
    "apiGatewayLogRole": "false",
    "packageFor": "host",
}
"""For each key a value that is not its default."""

TOGETHER = {
    "issuer": ["audience"],
    "audience": ["issuer"],
    **{key: ["issuer", "audience"] for key in ("connectSources", "scopes", "prompt")},
}
"""The keys that a key cannot be without."""

OPTIONAL = {
    *("issuer", "audience", "jwksUrl", "prompt", "webAclArn", "alarmEmail", "mailSender", "permissionsBoundaryArn"),
}
"""The keys that have no value by nature."""


def load(values: Mapping[str, str]) -> Settings:
    loaded: list[Settings] = []
    run(lambda: loaded.append(Settings.load()), config=values)
    return loaded[0]


def schema() -> dict[str, dict[str, Any]]:
    config = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]
    return {key: declaration for key, declaration in config.items() if ":" not in key}


def snake_case(key: str) -> str:
    return re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", key)


def without(key: str) -> dict[str, str]:
    return {name: value for name, value in config().items() if name != f"{PROJECT}:{key}"}


def test_each_setting_is_a_key_of_the_schema() -> None:
    assert set(flat(load(config()))) == {snake_case(key) for key in schema()}


def test_each_key_of_the_schema_has_a_type_a_default_and_a_description() -> None:
    for key, declaration in schema().items():
        assert {"type", "default", "description"} <= set(declaration), key


def flat(settings: Settings) -> dict[str, Any]:
    """Return the settings without groups."""
    values = asdict(settings)
    groups = [values.pop(name) for name in ("limits", "posting", "concurrency")]
    return values | groups[0] | groups[1] | groups[2]


@pytest.mark.parametrize("key", schema())
def test_each_key_of_the_schema_sets_its_setting_and_no_other(key: str) -> None:
    keys = [key, *TOGETHER.get(key, [])]
    default, other = flat(load(config())), flat(load(config(**{one: OTHER[one] for one in keys})))

    assert {name for name in default if default[name] != other[name]} == {snake_case(one) for one in keys}


def test_the_defaults_are_those_of_the_smallest_use() -> None:
    assert load(config()) == Settings(
        issuer=None,
        audience=None,
        additional_audiences=[],
        jwks_url=None,
        scopes=[],
        prompt=None,
        tenant_claim="custom:tenant_id",
        tenant_id_pattern="t_[A-Za-z0-9_-]{1,64}",
        clock_tolerance_seconds=30,
        allowed_origins=[],
        connect_sources=[],
        token_in_query=False,
        limits={
            "max_connections_per_tenant": 5000,
            "max_connections_per_user": 20,
            "messages_per_second": 10,
            "message_burst": 20,
            "tenant_messages_per_second": 200,
            "tenant_message_burst": 1000,
            "tenant_connects_per_second": 50,
            "tenant_connect_burst": 500,
            "max_filter_length": 4096,
            "max_filters_per_tenant": 100,
            "max_frame_bytes": 32768,
        },
        posting={
            "posts_per_second": 9000,
            "broadcast_concurrency": 4,
            "fanout_concurrency": 4,
            "fanout_threshold": 5000,
            "connection_shards": 1,
            "failure_identifier": "eventID",
        },
        concurrency={
            "authorize_reserved_concurrency": None,
            "connect_reserved_concurrency": None,
            "message_reserved_concurrency": None,
            "broadcast_reserved_concurrency": None,
        },
        persist_reserved_concurrency=None,
        retention_days=0,
        max_clock_skew_seconds=300,
        log_retention_days=14,
        protect_data=False,
        hardened=False,
        web_acl_arn=None,
        alarm_email=None,
        dashboard_site=True,
        permissions_boundary_arn=None,
        api_gateway_log_role=True,
        package_for="lambda",
        mfa="off",
        mail_sender=None,
    )


@pytest.mark.parametrize("key", sorted(OPTIONAL))
def test_what_has_no_value_by_nature_may_be_missing(key: str) -> None:
    assert asdict(load(without(key)))[snake_case(key)] is None


@pytest.mark.parametrize("key", sorted(set(OTHER) - OPTIONAL))
def test_any_other_key_that_is_missing_is_an_error_that_names_it(key: str) -> None:
    with pytest.raises(pulumi.ConfigMissingError, match=f"{PROJECT}:{key}"):
        load(without(key))


@pytest.mark.parametrize(
    ("key", "value"), [("retentionDays", "soon"), ("protectData", "perhaps"), ("tokenInQuery", "perhaps")]
)
def test_a_value_of_another_type_is_an_error_that_names_key_and_value(key: str, value: str) -> None:
    with pytest.raises(pulumi.ConfigTypeError, match=f"{PROJECT}:{key}.*{value}"):
        load({**config(), f"{PROJECT}:{key}": value})


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"retentionDays": "-1"}, "retentionDays: must be an integer of at least 0, got -1"),
        ({"maxClockSkewSeconds": "3601"}, "maxClockSkewSeconds: must be an integer from 0 to 3,600, got 3601"),
        ({"logRetentionDays": "13"}, "logRetentionDays: must be one of 1, 3, 5, 7, 14, 30, "),
        ({"allowedOrigins": '["https://a.example.com/x"]'}, "allowedOrigins[0]: must be scheme://host[:port] without"),
        ({"allowedOrigins": '"https://a.example.com"'}, "allowedOrigins: must be a list, got 'https://a.example.com'"),
        ({"allowedOrigins": "[7]"}, "allowedOrigins[0]: must be scheme://host[:port] without a path, in lower case, "),
        (
            {"issuer": "http://login", "audience": "a"},
            "issuer: must be an https URL without a query, a fragment or a placeholder, got 'http://login'",
        ),
        (
            {
                "issuer": "https://my_login.example.com/a",
                "audience": "a",
                "connectSources": '["https://a.example.com"]',
            },
            "connectSources: must have a wildcard for the host of the issuer, such as 'https://*.example.com', "
            "because browsers ignore a host with '_' in a page's security policy, got ['https://a.example.com']",
        ),
        (
            {"issuer": "https://login.microsoftonline.com/organizations/v2.0", "audience": "a"},
            "issuer: must be the URL of your own Entra tenant, https://login.microsoftonline.com/<tenant id>/v2.0, ",
        ),
        ({"issuer": OTHER["issuer"]}, "audience: is required with issuer 'https://login.example.com', got None"),
        ({"audience": "dashboards"}, "audience: must be set together with issuer, got 'dashboards' without an issuer"),
        ({"additionalAudiences": '["a b"]'}, "additionalAudiences[0]: must be a string without spaces, got 'a b'"),
        ({"additionalAudiences": '"a"'}, "additionalAudiences: must be a list, got 'a'"),
        (
            {"additionalAudiences": f'["{"x" * 1_001}"]'},
            "additionalAudiences: must be at most 1,000 characters together with audience, got 1,001",
        ),
        ({"jwksUrl": "keys"}, "jwksUrl: must be an https URL, or an http URL of localhost or 127.0.0.1, without a "),
        ({"scopes": '["openid"]'}, "scopes: must be set together with issuer, got ['openid'] without an issuer"),
        ({"scopes": '["email"]'}, "scopes: must contain openid, got ['email']"),
        ({"scopes": '["openid", "a b"]'}, "scopes[1]: must be a scope: visible ASCII characters without "),
        ({"prompt": "login"}, "prompt: must be set together with issuer, got 'login' without an issuer"),
        ({"prompt": "none"}, "prompt: must be login, consent, select_account, or several of these separated by a "),
        ({"tenantClaim": ""}, "tenantClaim: must be the name of a claim, or a JSON Pointer such as /app_metadata/"),
        ({"tenantIdPattern": ""}, "tenantIdPattern: must have 1 to 256 characters, got ''"),
        ({"tenantIdPattern": "^acme$"}, "tenantIdPattern: must be a regular expression of letters, digits, "),
        ({"tenantIdPattern": "([a-z]+)*"}, "tenantIdPattern: must not repeat a group that contains '|', '?', "),
        ({"clockToleranceSeconds": "301"}, "clockToleranceSeconds: must be an integer from 0 to 300, got 301"),
        ({"webAclArn": "pages"}, "webAclArn: must be the ARN of a web ACL for CloudFront, in us-east-1, got 'pages'"),
        ({"alarmEmail": "nonsense"}, "alarmEmail: must be an e-mail address, got 'nonsense'"),
        (
            {"permissionsBoundaryArn": "formbridge-boundary-dev"},
            "permissionsBoundaryArn: must be the ARN of an IAM policy of your account, got 'formbridge-boundary-dev'",
        ),
        (
            {"connectSources": '["https://a"]'},
            "connectSources: must be set together with issuer, got ['https://a'] without an issuer",
        ),
        ({"connectSources": '["a"]'}, "connectSources[0]: must be https:// or wss:// with a host, "),
        ({"maxConnectionsPerTenant": "0"}, "maxConnectionsPerTenant: must be an integer of at least 1, got 0"),
        ({"maxConnectionsPerUser": "0"}, "maxConnectionsPerUser: must be an integer from 1 to 1,000, got 0"),
        ({"maxConnectionsPerUser": "1001"}, "maxConnectionsPerUser: must be an integer from 1 to 1,000, got 1001"),
        ({"messagesPerSecond": "0"}, "messagesPerSecond: must be an integer from 1 to 1,000, got 0"),
        ({"messagesPerSecond": "1001"}, "messagesPerSecond: must be an integer from 1 to 1,000, got 1001"),
        ({"messageBurst": "0"}, "messageBurst: must be an integer from 1 to 10,000, got 0"),
        ({"messageBurst": "10001"}, "messageBurst: must be an integer from 1 to 10,000, got 10001"),
        ({"tenantMessagesPerSecond": "0"}, "tenantMessagesPerSecond: must be an integer from 1 to 10,000, got 0"),
        ({"tenantConnectBurst": "0"}, "tenantConnectBurst: must be an integer from 1 to 100,000, got 0"),
        ({"persistReservedConcurrency": "-1"}, "persistReservedConcurrency: must be an integer of at least 1, got -1"),
        (
            {"broadcastReservedConcurrency": "3"},
            "broadcastReservedConcurrency: must be at least broadcastConcurrency (4), because the pipe invokes as many "
            "at once, got 3",
        ),
        ({"maxFilterLength": "0"}, "maxFilterLength: must be an integer from 1 to 4,096, got 0"),
        ({"maxFilterLength": "4097"}, "maxFilterLength: must be an integer from 1 to 4,096, got 4097"),
        ({"maxFiltersPerTenant": "0"}, "maxFiltersPerTenant: must be an integer from 1 to 1,000, got 0"),
        ({"maxFiltersPerTenant": "1001"}, "maxFiltersPerTenant: must be an integer from 1 to 1,000, got 1001"),
        ({"maxFrameBytes": "1023"}, "maxFrameBytes: must be an integer from 1,024 to 32,768, got 1023"),
        ({"maxFrameBytes": "32769"}, "maxFrameBytes: must be an integer from 1,024 to 32,768, got 32769"),
        ({"postsPerSecond": "0"}, "postsPerSecond: must be an integer of at least 1, got 0"),
        (
            {"postsPerSecond": "8"},
            "postsPerSecond: must be at least 1 for each Lambda that posts "
            "(broadcastConcurrency 4 + fanoutConcurrency 4 + 1 janitor), got 8",
        ),
        ({"broadcastConcurrency": "0"}, "broadcastConcurrency: must be an integer of at least 1, got 0"),
        ({"fanoutConcurrency": "1"}, "fanoutConcurrency: must be an integer from 2 to 1,000, got 1"),
        ({"fanoutConcurrency": "1001"}, "fanoutConcurrency: must be an integer from 2 to 1,000, got 1001"),
        ({"fanoutThreshold": "99"}, "fanoutThreshold: must be an integer of at least 100, got 99"),
        ({"connectionShards": "0"}, "connectionShards: must be an integer from 1 to 64, got 0"),
        ({"connectionShards": "65"}, "connectionShards: must be an integer from 1 to 64, got 65"),
        ({"failureIdentifier": "id"}, "failureIdentifier: must be one of eventID, SequenceNumber, got 'id'"),
        ({"mfa": "on"}, "mfa: must be one of off, optional, required, got 'on'"),
        ({"mailSender": "a@example.com"}, "mailSender: must be the ARN of an e-mail address in Amazon SES, got 'a@ex"),
        (
            {"issuer": "https://login.example.com", "audience": "a", "mfa": "optional"},
            "mfa: must be off with an issuer of your own, which decides about it, got 'optional'",
        ),
        (
            {"issuer": "https://login.example.com", "audience": "a", "mailSender": OTHER["mailSender"]},
            f"mailSender: must not be set together with issuer, got '{OTHER['mailSender']}'",
        ),
        ({"packageFor": "windows"}, "packageFor: must be one of lambda, host, got 'windows'"),
    ],
)
def test_a_value_that_is_not_allowed_is_an_error_that_names_key_value_and_what_is(
    values: dict[str, str], message: str
) -> None:
    given = {**config(), **{f"{PROJECT}:{key}": value for key, value in values.items()}}

    assert refusal(Settings.load, config=given).startswith(message)


@pytest.mark.parametrize("name", ["", "Dev", "my-dev", "my_dev", "2dev", "dev.eu", "productions", "preview"])
def test_a_stack_has_a_short_name_without_hyphens(name: str) -> None:
    with pytest.raises(InputError) as error:
        run(Settings.load, config=config(), stack=name)

    assert str(error.value) == (
        "stack: must be at most 9 lower-case letters and digits that begin with a letter, and not 'preview', "
        f"got {name!r}"
    )


@pytest.mark.parametrize("name", ["a", "dev2", "staging", "productio"])
def test_a_stack_may_have_a_short_name(name: str) -> None:
    run(Settings.load, config=config(), stack=name)


def test_the_local_run_refuses_a_key_that_is_no_setting() -> None:
    """The check is the program's. Such a key would have no effect."""
    assert refusal(Settings.load, config=config(protectDatta="true")) == (
        "protectDatta: must be one of the settings in Pulumi.yaml, of which protectData is the nearest, got 'true'"
    )


def test_prod_protects_data_and_keeps_logs_longer() -> None:
    dev, prod = (load(load_project(ROOT, stack).config) for stack in ("dev", "prod"))

    assert (dev.protect_data, prod.protect_data) == (False, True)
    assert prod.log_retention_days > dev.log_retention_days


def test_tags_name_the_project_and_the_stack() -> None:
    tags: list[dict[str, str]] = []
    run(lambda: tags.append(Settings.load().tags), config=config())

    assert tags == [{"Project": PROJECT, "Stack": STACK}]


@pytest.mark.parametrize(
    ("issuer", "sources", "hosts"),
    [
        ("https://Login.example.com:8443/a", [], ["https://login.example.com:8443"]),
        ("https://my_login.example.com", ["https://*.example.com"], ["https://*.example.com"]),
    ],
)
def test_the_page_may_connect_to_the_host_of_the_issuer(issuer: str, sources: list[str], hosts: list[str]) -> None:
    given = {"issuer": issuer, "audience": "a", "connectSources": json.dumps(sources)}

    assert load(config(**given)).sign_in_hosts == hosts


def test_a_stack_without_a_page_takes_an_issuer_on_any_host() -> None:
    given = {"issuer": "https://my_login.example.com", "audience": "a", "dashboardSite": "false"}

    assert load(config(**given)).issuer == "https://my_login.example.com"


class TestCheckOfTheIssuer:
    """The discovery document is read where a stack with an issuer of its own is deployed."""

    ISSUER: Final = {"issuer": "https://login.example.com", "audience": "dashboards"}

    @staticmethod
    def asked(overrides: Mapping[str, str], *, preview: bool = False) -> list[tuple[object, ...]]:
        calls: list[tuple[object, ...]] = []

        def check_discovery(*args: object) -> None:
            calls.append(args)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("settings.check_discovery", check_discovery)
            run(lambda: Settings.load().check_issuer(), config=config(**overrides), preview=preview)
        return calls

    def test_it_is_checked_with_the_settings_about_it(self) -> None:
        keys, sources = "https://keys.example.com", '["https://token.example.com"]'

        assert self.asked(self.ISSUER) == [("https://login.example.com", None, [])]
        assert self.asked({**self.ISSUER, "jwksUrl": keys, "connectSources": sources}) == [
            ("https://login.example.com", keys, ["https://token.example.com"])
        ]

    def test_without_a_page_it_may_be_on_any_host(self) -> None:
        assert self.asked({**self.ISSUER, "dashboardSite": "false"}) == [("https://login.example.com", None, None)]

    def test_a_preview_asks_nothing(self) -> None:
        assert self.asked(self.ISSUER, preview=True) == []

    def test_the_built_in_pool_is_not_asked(self) -> None:
        assert self.asked({}) == []
