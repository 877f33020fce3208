"""The inputs `access` of a `WebSocketGateway`: the tokens and the origins that its authorizer accepts."""

from __future__ import annotations

import pulumi
import pytest

from components import WebSocketGateway
from tests.support.components.examples import AUDIENCE, ISSUER, TABLE_ARN
from tests.support.components.gateway import (
    LIMITS,
    POSTING_ENVIRONMENT,
    REQUIRED,
    REVOCATIONS,
    TOKENS,
    declare,
    environment,
    full_name,
    gateway_args,
)
from tests.support.components.harness import Recording, refusal, run


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


class TestAuthorizer:
    def test_knows_the_issuer_and_lets_every_page_with_a_token_connect(self, recording: Recording) -> None:
        assert environment(recording, "authorize") == {
            **TOKENS,
            "ALLOWED_ORIGINS": "",
            "TOKEN_IN_QUERY": "false",
            "CONNECTION_SHARDS": "1",
        }

    def test_takes_a_token_in_the_query_where_it_is_told(self) -> None:
        assert (
            environment(declare(gateway_args({"table_arn": TABLE_ARN, "token_in_query": True})), "authorize")[
                "TOKEN_IN_QUERY"
            ]
            == "true"
        )
        assert (
            environment(declare(gateway_args({"table_arn": TABLE_ARN, "token_in_query": False})), "authorize")[
                "TOKEN_IN_QUERY"
            ]
            == "false"
        )

    def test_takes_what_it_is_told(self) -> None:
        recording = run(
            lambda: WebSocketGateway(
                "gateway",
                gateway_args(
                    {
                        "table_arn": TABLE_ARN,
                        "additional_audiences": ["crm", pulumi.Output.from_input("reports")],
                        "jwks_url": "https://keys.example.com/jwks.json",
                        "clock_tolerance_seconds": 0,
                        "tenant_claim": "/realm_access/roles",
                        "tenant_id_pattern": "org_[a-z]+",
                        "allowed_origins": ["https://a.example.com", "http://localhost:8080"],
                    }
                ),
            )
        )

        authorizer = environment(recording, "authorize")

        assert authorizer["AUDIENCES"] == f"{AUDIENCE} crm reports"
        assert authorizer["JWKS_URL"] == "https://keys.example.com/jwks.json"
        assert authorizer["CLOCK_TOLERANCE_SECONDS"] == "0"
        assert authorizer["TENANT_CLAIM"] == "/realm_access/roles"
        assert authorizer["TENANT_ID_PATTERN"] == "org_[a-z]+"
        assert authorizer["ALLOWED_ORIGINS"] == "https://a.example.com http://localhost:8080"


class TestNewTokens:
    def test_for_new_tokens_take_those_that_the_authorizer_takes(self, recording: Recording) -> None:
        told = declare(
            gateway_args(
                {"table_arn": TABLE_ARN, "jwks_url": "https://keys.example.com/jwks.json", "tenant_claim": "groups"}
            )
        )

        assert environment(recording, "authenticate") == {
            **POSTING_ENVIRONMENT,
            **LIMITS,
            **TOKENS,
            "REVOCATIONS_TABLE_NAME": REVOCATIONS,
        }
        for variable in TOKENS:
            assert environment(told, "authenticate")[variable] == environment(told, "authorize")[variable]


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("allowed_origins", ["https://a.example.com/forms"], "[0]: must be scheme://host[:port] without a path, "),
        ("allowed_origins", [ISSUER, "https://a.example.com/"], "[0]: must be scheme://host[:port] without a path"),
        ("allowed_origins", ["https://a.example.com", "b.example.com"], "[1]: must be scheme://host[:port] without"),
        ("allowed_origins", ["*"], "[0]: must be scheme://host[:port] without a path, in lower case, and "),
        ("allowed_origins", ["https://A.example.com"], "[0]: must be scheme://host[:port] without a path, in lower"),
        (
            "allowed_origins",
            ["https://a.example.com:443"],
            "[0]: must be scheme://host[:port] without a path, in lower",
        ),
        ("allowed_origins", ["http://a.example.com:80"], "[0]: must be scheme://host[:port] without a path, in lower"),
        ("allowed_origins", ["https://a.example.com:65536"], "[0]: must be scheme://host[:port] without a path, in"),
        ("allowed_origins", ["https://a..example.com"], "[0]: must be scheme://host[:port] without a path, in lower"),
        (
            "allowed_origins",
            [f"https://{n:04}.example.com" for n in range(100)],
            ": must be at most 2,000 ",
        ),
        (
            "jwks_url",
            "http://login.example.com/keys",
            ": must be an https URL, or an http URL of localhost or ",
        ),
        ("issuer", "login.example.com", ": must be an https URL without a query, a fragment or a placeholder, got '"),
        ("issuer", "https://login.microsoftonline.com/common/v2.0", ": must be the URL of your own Entra tenant, "),
        ("jwks_url", "file:///keys.json", ": must be an https URL, or an http URL of localhost or 127.0.0.1, without"),
        ("additional_audiences", "crm", ": must be a list, got 'crm'"),
        ("additional_audiences", ["crm", "a b"], "[1]: must be a string without spaces, got 'a b'"),
        (
            "additional_audiences",
            ["x" * 1_000],
            ": must be at most 1,000 characters together with access.audience, got 1,011",
        ),
        ("clock_tolerance_seconds", 301, ": must be an integer from 0 to 300, got 301"),
        ("clock_tolerance_seconds", -1, ": must be an integer from 0 to 300, got -1"),
        ("tenant_claim", "/a/", ": must be the name of a claim, or a JSON Pointer such as /app_metadata/tenant_id, "),
        ("tenant_id_pattern", "^t_.*$", ": must be a regular expression of letters, digits, "),
        ("token_in_query", "yes", ": must be true or false, got 'yes'"),
        ("token_in_query", 1, ": must be true or false, got 1"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, field: value})

    assert refusal(lambda: WebSocketGateway("gateway", args)).startswith(f"{full_name(field)}{message}")


def test_origins_are_what_browsers_send() -> None:
    origins = ["https://a.example.com", "http://localhost:8080", "https://a.example.com:8443", "http://[::1]:443"]

    assert environment(declare(gateway_args({"table_arn": TABLE_ARN, "allowed_origins": origins})), "authorize")[
        "ALLOWED_ORIGINS"
    ] == ("https://a.example.com http://localhost:8080 https://a.example.com:8443 http://[::1]:443")


def test_a_page_whose_url_is_an_output_may_connect() -> None:
    def program() -> None:
        page = pulumi.Output.from_input("https://d1.example.com")
        WebSocketGateway("gateway", gateway_args({"table_arn": TABLE_ARN, "allowed_origins": [page]}))

    recording = run(program)

    assert environment(recording, "authorize")["ALLOWED_ORIGINS"] == "https://d1.example.com"
