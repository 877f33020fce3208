"""`WebSocketGateway`: who may connect, what each Lambda may do, and what a stage serves when it is made."""

from __future__ import annotations

import json
import re
from typing import Any

import pulumi
import pytest

from components import WebSocketGateway, WebSocketGatewayArgs
from tests.support.components.examples import AUDIENCE, ISSUER, TABLE_ARN
from tests.support.components.gateway import full_name, gateway_args
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.packages import PACKAGED, POSTING
from tests.support.components.policies import allow, allow_logs, document
from tests.support.components.provider import ACCOUNT, REGION, Provider, api_id, arn, physical_name

API = api_id("gateway-api")
EXECUTION_ARN = arn("execute-api", API)
CONNECTIONS = physical_name("gateway-connections")
CONNECTIONS_ARN = arn("dynamodb", f"table/{CONNECTIONS}")
ENDPOINT = f"https://{API}.execute-api.{REGION}.amazonaws.com/live"
ROUTES = {
    "connect": "$connect",
    "disconnect": "$disconnect",
    "default": "$default",
    "authenticate": "authenticate",
}
SERVED_BY = {
    "connect": "connect",
    "disconnect": "connect",
    "default": "message",
    "authenticate": "authenticate",
    "authorize": "authorize",
}
"""The Lambda behind each route, and behind the authorizer."""
REQUIRED = gateway_args({"table_arn": TABLE_ARN})
LIMITS = {
    "MESSAGES_PER_SECOND": "10",
    "MESSAGE_BURST": "20",
    "MAX_FILTER_LENGTH": "4096",
    "MAX_FRAME_BYTES": "32768",
}
"""What one connection may send, by default."""
TOKENS = {
    "ISSUER": ISSUER,
    "AUDIENCE": AUDIENCE,
    "JWKS_URL": f"{ISSUER}/.well-known/jwks.json",
    "TENANT_CLAIM": "custom:tenant_id",
}
"""Which tokens are taken, by default."""
POSTING_ENVIRONMENT = {
    "CONNECTIONS_TABLE_NAME": CONNECTIONS,
    "MANAGEMENT_ENDPOINT": ENDPOINT,
    "POSTS_PER_SECOND": "1000",
}
"""Of every Lambda that posts, by default."""
MAY_POST = allow(
    ["execute-api:ManageConnections"],
    f"{EXECUTION_ARN}/live/POST/@connections/*",
    f"{EXECUTION_ARN}/live/DELETE/@connections/*",
)


def declare(args: WebSocketGatewayArgs, provider: Provider | None = None) -> Recording:
    return run(lambda: WebSocketGateway("gateway", args), provider=provider)


def environment(recording: Recording, function: str) -> dict[str, Any]:
    return recording.inputs(f"gateway-{function}-function")["environment"]["variables"]


def function_name(function: str) -> str:
    return physical_name(f"gateway-{function}-function")


def invoke_arn(function: str) -> str:
    path = f"path/2015-03-31/functions/{arn('lambda', f'function:{function_name(function)}')}/invocations"
    return f"arn:aws:apigateway:{REGION}:lambda:{path}"


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


def test_declares_the_api_its_routes_its_lambdas_and_its_own_table(recording: Recording) -> None:
    assert recording.children("gateway") == {
        ("apigatewayv2/api:Api", "gateway-api"),
        ("apigatewayv2/authorizer:Authorizer", "gateway-authorizer"),
        ("apigatewayv2/stage:Stage", "gateway-stage"),
        ("cloudwatch/logGroup:LogGroup", "gateway-access-logs"),
        ("dynamodb/table:Table", "gateway-connections"),
        ("apigatewayv2/integration:Integration", "gateway-connect-integration"),
        ("apigatewayv2/integration:Integration", "gateway-disconnect-integration"),
        ("apigatewayv2/integration:Integration", "gateway-default-integration"),
        ("apigatewayv2/integration:Integration", "gateway-authenticate-integration"),
        ("apigatewayv2/route:Route", "gateway-connect-route"),
        ("apigatewayv2/route:Route", "gateway-disconnect-route"),
        ("apigatewayv2/route:Route", "gateway-default-route"),
        ("apigatewayv2/route:Route", "gateway-authenticate-route"),
        ("apigatewayv2/routeResponse:RouteResponse", "gateway-default-response"),
        ("apigatewayv2/routeResponse:RouteResponse", "gateway-authenticate-response"),
        ("lambda/permission:Permission", "gateway-authorize-permission"),
        ("lambda/permission:Permission", "gateway-connect-permission"),
        ("lambda/permission:Permission", "gateway-disconnect-permission"),
        ("lambda/permission:Permission", "gateway-default-permission"),
        ("lambda/permission:Permission", "gateway-authenticate-permission"),
        ("lambda/permission:Permission", "gateway-janitor-permission"),
        ("lambda/functionEventInvokeConfig:FunctionEventInvokeConfig", "gateway-janitor-retries"),
        ("cloudwatch/eventRule:EventRule", "gateway-janitor-rule"),
        ("cloudwatch/eventTarget:EventTarget", "gateway-janitor-target"),
        ("formbridge:index:HandlerFunction", "gateway-authorize"),
        ("formbridge:index:HandlerFunction", "gateway-connect"),
        ("formbridge:index:HandlerFunction", "gateway-message"),
        ("formbridge:index:HandlerFunction", "gateway-authenticate"),
        ("formbridge:index:HandlerFunction", "gateway-broadcast"),
        ("sqs/queue:Queue", "gateway-fanout-queue"),
        ("sqs/queue:Queue", "gateway-fanout-dead-letters"),
        ("cloudwatch/metricAlarm:MetricAlarm", "gateway-fanout-dead-letters-alarm"),
        ("lambda/eventSourceMapping:EventSourceMapping", "gateway-fanout-mapping"),
        ("formbridge:index:HandlerFunction", "gateway-fanout"),
        ("formbridge:index:HandlerFunction", "gateway-janitor"),
    }


class TestConnections:
    def test_have_a_table_without_a_stream(self, recording: Recording) -> None:
        table = recording.inputs("gateway-connections")

        assert "streamEnabled" not in table
        assert (table["hashKey"], table["rangeKey"]) == ("PK", "SK")
        assert {one["name"]: one["type"] for one in table["attributes"]} == {"PK": "S", "SK": "S"}

    def test_are_encrypted_paid_for_by_use_and_forgotten_by_ttl(self, recording: Recording) -> None:
        table = recording.inputs("gateway-connections")

        assert table["billingMode"] == "PAY_PER_REQUEST"
        assert table["serverSideEncryption"] == {"enabled": True}
        assert table["ttl"] == {"attributeName": "ttl", "enabled": True}
        assert table["pointInTimeRecovery"] == {"enabled": False}


class TestRoutes:
    def test_are_chosen_by_the_action_of_a_frame(self, recording: Recording) -> None:
        assert recording.inputs("gateway-api") == {
            "protocolType": "WEBSOCKET",
            "routeSelectionExpression": "$request.body.action",
        }

    @pytest.mark.parametrize(("suffix", "route_key"), ROUTES.items())
    def test_lead_to_their_lambda(self, recording: Recording, suffix: str, route_key: str) -> None:
        route = recording.inputs(f"gateway-{suffix}-route")

        assert route["apiId"] == API
        assert route["routeKey"] == route_key
        assert route["target"] == f"integrations/{api_id(f'gateway-{suffix}-integration')}"
        assert recording.inputs(f"gateway-{suffix}-integration") == {
            "apiId": API,
            "integrationType": "AWS_PROXY",
            "integrationMethod": "POST",
            "integrationUri": invoke_arn(SERVED_BY[suffix]),
        }

    def test_ask_the_authorizer_on_connect_only(self, recording: Recording) -> None:
        routes = {one.inputs["routeKey"]: one.inputs for one in recording.of_type("apigatewayv2/route:Route")}

        assert {key: route["authorizationType"] for key, route in routes.items()} == {
            "$connect": "CUSTOM",
            "$disconnect": "NONE",
            "$default": "NONE",
            "authenticate": "NONE",
        }
        assert {key: route.get("authorizerId") for key, route in routes.items()} == {
            "$connect": api_id("gateway-authorizer"),
            "$disconnect": None,
            "$default": None,
            "authenticate": None,
        }

    def test_reply_to_frames_alone(self, recording: Recording) -> None:
        routes = {one.inputs["routeKey"]: one.inputs for one in recording.of_type("apigatewayv2/route:Route")}

        assert {key: route.get("routeResponseSelectionExpression") for key, route in routes.items()} == {
            "$connect": None,
            "$disconnect": None,
            "$default": "$default",
            "authenticate": "$default",
        }

    @pytest.mark.parametrize("suffix", ["default", "authenticate"])
    def test_reply_with_what_their_lambda_returns(self, recording: Recording, suffix: str) -> None:
        assert recording.inputs(f"gateway-{suffix}-response") == {
            "apiId": API,
            "routeId": api_id(f"gateway-{suffix}-route"),
            "routeResponseKey": "$default",
        }

    @pytest.mark.parametrize(
        ("suffix", "source"),
        [
            *((suffix, f"/live/{route_key}") for suffix, route_key in ROUTES.items()),
            ("authorize", f"/authorizers/{api_id('gateway-authorizer')}"),
        ],
    )
    def test_may_each_invoke_their_lambda_from_this_api_alone(
        self, recording: Recording, suffix: str, source: str
    ) -> None:
        assert recording.inputs(f"gateway-{suffix}-permission") == {
            "action": "lambda:InvokeFunction",
            "function": function_name(SERVED_BY[suffix]),
            "principal": "apigateway.amazonaws.com",
            "sourceArn": f"{EXECUTION_ARN}{source}",
        }


class TestAuthorizer:
    def test_is_asked_with_the_whole_request(self, recording: Recording) -> None:
        assert recording.inputs("gateway-authorizer") == {
            "apiId": API,
            "authorizerType": "REQUEST",
            "authorizerUri": invoke_arn("authorize"),
            "name": "tenant",
        }

    def test_may_log_and_nothing_else(self, recording: Recording) -> None:
        assert recording.json("gateway-authorize-policy", "policy") == document(allow_logs("gateway-authorize"))

    def test_knows_the_issuer_and_lets_every_page_with_a_token_connect(self, recording: Recording) -> None:
        assert environment(recording, "authorize") == {
            **TOKENS,
            "ALLOWED_ORIGINS": "",
            "TOKEN_IN_QUERY": "false",
            "CONNECTION_SHARDS": "1",
        }

    def test_spreads_connections_over_as_many_shards_as_it_is_told(self) -> None:
        told = environment(declare(gateway_args({"table_arn": TABLE_ARN, "connection_shards": 64})), "authorize")

        assert told["CONNECTION_SHARDS"] == "64"

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
        recording = declare(
            gateway_args(
                {
                    "table_arn": TABLE_ARN,
                    "jwks_url": "https://keys.example.com/jwks.json",
                    "tenant_claim": "groups",
                    "allowed_origins": ["https://a.example.com", "http://localhost:8080"],
                }
            )
        )

        authorizer = environment(recording, "authorize")

        assert authorizer["JWKS_URL"] == "https://keys.example.com/jwks.json"
        assert authorizer["TENANT_CLAIM"] == "groups"
        assert authorizer["ALLOWED_ORIGINS"] == "https://a.example.com http://localhost:8080"


class TestLambdas:
    def test_for_connections_may_write_change_and_delete_a_row(self, recording: Recording) -> None:
        assert recording.json("gateway-connect-policy", "policy") == document(
            allow_logs("gateway-connect"),
            allow(["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"], CONNECTIONS_ARN),
        )
        assert environment(recording, "connect") == {
            "CONNECTIONS_TABLE_NAME": CONNECTIONS,
            "CONNECTION_TTL_SECONDS": "7800",
            "MAX_CONNECTIONS_PER_TENANT": "5000",
        }

    def test_for_messages_may_change_rows_close_connections_and_read_submissions_by_the_index_alone(
        self, recording: Recording
    ) -> None:
        assert recording.json("gateway-message-policy", "policy") == document(
            allow_logs("gateway-message"),
            allow(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            MAY_POST,
            allow(["dynamodb:Query"], f"{TABLE_ARN}/index/GSI1"),
        )
        assert environment(recording, "message") == {
            **POSTING_ENVIRONMENT,
            **LIMITS,
            "TABLE_NAME": "submissions",
        }

    def test_for_new_tokens_may_change_rows_and_close_connections(self, recording: Recording) -> None:
        assert recording.json("gateway-authenticate-policy", "policy") == document(
            allow_logs("gateway-authenticate"),
            allow(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            MAY_POST,
        )

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
        }
        for variable in TOKENS:
            assert environment(told, "authenticate")[variable] == environment(told, "authorize")[variable]

    @pytest.mark.parametrize("function", ["message", "authenticate"])
    def test_for_frames_limit_them_as_they_are_told(self, function: str) -> None:
        told = declare(
            gateway_args(
                {
                    "table_arn": TABLE_ARN,
                    "messages_per_second": 1,
                    "message_burst": 2,
                    "max_filter_length": 3,
                    "max_frame_bytes": 131_072,
                }
            )
        )

        assert {name: environment(told, function)[name] for name in LIMITS} == {
            "MESSAGES_PER_SECOND": "1",
            "MESSAGE_BURST": "2",
            "MAX_FILTER_LENGTH": "3",
            "MAX_FRAME_BYTES": "131072",
        }

    @pytest.mark.parametrize("function", ["broadcast", "fanout", "janitor"])
    def test_that_post_have_time_and_memory_for_many(self, recording: Recording, function: str) -> None:
        inputs = recording.inputs(f"gateway-{function}-function")

        assert (inputs["timeout"], inputs["memorySize"]) == (60, 512)

    @pytest.mark.parametrize("function", ["authorize", "connect", "message", "authenticate"])
    def test_behind_the_api_answer_before_it_gives_up(self, recording: Recording, function: str) -> None:
        assert recording.inputs(f"gateway-{function}-function")["timeout"] < 29

    @pytest.mark.parametrize(
        ("packaged", "functions"),
        [
            (PACKAGED, {"authorize", "authenticate"}),
            (POSTING, {"message", "authenticate", "broadcast", "fanout", "janitor"}),
        ],
        ids=["verify tokens", "post"],
    )
    def test_carry_the_dependencies_for_what_they_do_and_no_others(
        self, recording: Recording, packaged: set[str], functions: set[str]
    ) -> None:
        carrying = {
            function.name.removeprefix("gateway-").removesuffix("-function")
            for function in recording.of_type("lambda/function:Function")
            if packaged.intersection(function.inputs["code"].assets)
        }

        assert carrying == functions

    @pytest.mark.parametrize(
        "function", ["authorize", "connect", "message", "authenticate", "broadcast", "fanout", "janitor"]
    )
    def test_run_the_entry_point_of_their_name(self, recording: Recording, function: str) -> None:
        assert recording.inputs(f"gateway-{function}-function")["handler"] == f"{function}.handler"


class TestJanitor:
    def test_runs_every_minute(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-rule") == {
            "description": "The gateway's janitor, once per minute",
            "scheduleExpression": "rate(1 minute)",
        }

    def test_is_what_the_rule_invokes_and_invokes_again_within_the_minute_alone(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-target") == {
            "rule": physical_name("gateway-janitor-rule"),
            "arn": arn("lambda", f"function:{function_name('janitor')}"),
            "retryPolicy": {"maximumEventAgeInSeconds": 60, "maximumRetryAttempts": 2},
        }

    def test_is_not_run_again_by_lambda_beside_its_next_run(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-retries") == {
            "functionName": function_name("janitor"),
            "maximumEventAgeInSeconds": 60,
            "maximumRetryAttempts": 0,
        }

    def test_is_the_target_when_the_rule_may_invoke_it(self, recording: Recording) -> None:
        assert "gateway-janitor-permission" in recording.dependencies("gateway-janitor-target")

    def test_is_invoked_by_its_rule_alone(self, recording: Recording) -> None:
        assert recording.inputs("gateway-janitor-permission") == {
            "action": "lambda:InvokeFunction",
            "function": function_name("janitor"),
            "principal": "events.amazonaws.com",
            "sourceArn": arn("events", f"rule/{physical_name('gateway-janitor-rule')}"),
        }

    def test_may_look_at_every_connection_post_to_it_and_close_it(self, recording: Recording) -> None:
        assert recording.json("gateway-janitor-policy", "policy") == document(
            allow_logs("gateway-janitor"),
            allow(["dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            MAY_POST,
        )
        assert environment(recording, "janitor") == POSTING_ENVIRONMENT

    def test_ends_before_its_next_run(self, recording: Recording) -> None:
        function = recording.inputs("gateway-janitor-function")

        assert (function["timeout"], function["memorySize"]) == (60, 512)
        assert "reservedConcurrentExecutions" not in function


class TestStage:
    def test_serves_what_was_ready_when_it_was_deployed(self, recording: Recording) -> None:
        ready = {
            name
            for kind, name in recording.children("gateway")
            if kind.split(":")[-1] in {"Route", "RouteResponse", "Permission"}
            and not name.startswith("gateway-janitor")
        }

        assert len(ready) == 11
        assert ready <= recording.dependencies("gateway-stage")

    def test_is_live_and_deploys_by_itself(self, recording: Recording) -> None:
        stage = recording.inputs("gateway-stage")

        assert (stage["apiId"], stage["name"], stage["autoDeploy"]) == (API, "live", True)

    def test_is_throttled_and_measured_and_traces_no_data(self, recording: Recording) -> None:
        assert recording.inputs("gateway-stage")["defaultRouteSettings"] == {
            "throttlingRateLimit": 1000,
            "throttlingBurstLimit": 2000,
            "detailedMetricsEnabled": True,
            "dataTraceEnabled": False,
        }

    def test_is_throttled_as_it_is_told(self) -> None:
        settings = declare(gateway_args({"table_arn": TABLE_ARN, "rate_limit": 5, "burst_limit": 10})).inputs(
            "gateway-stage"
        )["defaultRouteSettings"]

        assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (5, 10)

    def test_logs_who_asked_for_what_and_how_it_went(self, recording: Recording) -> None:
        access_log = recording.inputs("gateway-stage")["accessLogSettings"]

        assert access_log["destinationArn"] == arn("logs", f"log-group:{physical_name('gateway-access-logs')}")
        assert {
            "$context.requestId",
            "$context.routeKey",
            "$context.status",
            "$context.connectionId",
            "$context.authorizer.tenant_id",
        } <= set(json.loads(access_log["format"]).values())

    def test_logs_no_header_query_or_body_which_may_hold_a_token(self, recording: Recording) -> None:
        logged = json.loads(recording.inputs("gateway-stage")["accessLogSettings"]["format"]).values()
        harmless = r"^\$context\.(?!.*(header|query|body|path|token|claims|override))[a-zA-Z._]+$"

        for variable in logged:
            assert re.match(harmless, variable, re.IGNORECASE), variable


def test_logs_are_kept_as_long_as_was_asked_for() -> None:
    groups = declare(gateway_args({"table_arn": TABLE_ARN, "log_retention_days": 30})).of_type(
        "cloudwatch/logGroup:LogGroup"
    )

    assert {one.name: one.inputs["retentionInDays"] for one in groups} == {
        "gateway-access-logs": 30,
        "gateway-authorize-logs": 30,
        "gateway-connect-logs": 30,
        "gateway-message-logs": 30,
        "gateway-authenticate-logs": 30,
        "gateway-broadcast-logs": 30,
        "gateway-fanout-logs": 30,
        "gateway-janitor-logs": 30,
    }


def test_logs_are_kept_for_two_weeks_by_default(recording: Recording) -> None:
    groups = recording.of_type("cloudwatch/logGroup:LogGroup")

    assert {one.inputs["retentionInDays"] for one in groups} == {14}


def test_registers_where_to_connect_where_to_post_and_what_the_pipe_invokes(recording: Recording) -> None:
    assert recording.registered("gateway") == {
        "websocket_url": f"wss://{API}.execute-api.{REGION}.amazonaws.com/live",
        "management_endpoint": ENDPOINT,
        "manage_connections_arn": f"{EXECUTION_ARN}/live/POST/@connections/*",
        "connections_table_name": CONNECTIONS,
        "connections_table_arn": CONNECTIONS_ARN,
        "broadcast_function_arn": arn("lambda", f"function:{function_name('broadcast')}"),
        "fanout_queue_url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{physical_name('gateway-fanout-queue')}",
        "fanout_queue_arn": arn("sqs", physical_name("gateway-fanout-queue")),
    }


def test_connections_are_posted_to_where_clients_connect(recording: Recording) -> None:
    websocket_url: str = recording.registered("gateway")["websocket_url"]

    assert recording.registered("gateway")["management_endpoint"] == websocket_url.replace("wss://", "https://")


def test_the_connections_of_an_emulator_are_found_without_tls() -> None:
    path = f"127.0.0.1:4566/_aws/execute-api/{API}"
    recording = declare(REQUIRED, Provider({"gateway-api": {"apiEndpoint": f"ws://{path}"}}))

    assert recording.registered("gateway")["management_endpoint"] == f"http://{path}/live"
    assert environment(recording, "broadcast")["MANAGEMENT_ENDPOINT"] == f"http://{path}/live"


class TestWithoutATable:
    """As for those who post to connections themselves."""

    def test_messages_are_answered_without_submissions(self) -> None:
        recording = declare(gateway_args({}))

        assert "TABLE_NAME" not in environment(recording, "message")
        assert recording.json("gateway-message-policy", "policy") == document(
            allow_logs("gateway-message"),
            allow(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            MAY_POST,
        )

    def test_all_else_is_as_with_one(self, recording: Recording) -> None:
        assert declare(gateway_args({})).children("gateway") == recording.children("gateway")


def test_a_tenant_has_as_many_connections_as_it_is_given() -> None:
    recording = declare(gateway_args({"table_arn": TABLE_ARN, "max_connections_per_tenant": 1}))

    assert environment(recording, "connect")["MAX_CONNECTIONS_PER_TENANT"] == "1"


def test_rows_of_connections_outlive_them(recording: Recording) -> None:
    longer = declare(gateway_args({"table_arn": TABLE_ARN, "connection_ttl_seconds": 10_000}))

    assert environment(recording, "connect")["CONNECTION_TTL_SECONDS"] == "7800"
    assert environment(longer, "connect")["CONNECTION_TTL_SECONDS"] == "10000"


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
            ": must be an https URL, or http of localhost or ",
        ),
        ("connection_ttl_seconds", 7199, ": must be an integer of at least 7,200, got 7199"),
        ("issuer", "login.example.com", ": must be an https URL, got 'login.example.com'"),
        (
            "jwks_url",
            "file:///keys.json",
            ": must be an https URL, or http of localhost or 127.0.0.1, got 'file:///keys.json'",
        ),
        ("table_arn", "submissions", ": must be the ARN of a DynamoDB table, got 'submissions'"),
        ("token_in_query", "yes", ": must be true or false, got 'yes'"),
        ("token_in_query", 1, ": must be true or false, got 1"),
        ("max_connections_per_tenant", 0, ": must be an integer of at least 1, got 0"),
        ("messages_per_second", 0, ": must be an integer from 1 to 1,000, got 0"),
        ("messages_per_second", 1_001, ": must be an integer from 1 to 1,000, got 1001"),
        ("messages_per_second", 0.5, ": must be an integer from 1 to 1,000, got 0.5"),
        ("message_burst", 0, ": must be an integer from 1 to 10,000, got 0"),
        ("message_burst", 10_001, ": must be an integer from 1 to 10,000, got 10001"),
        ("max_filter_length", 0, ": must be an integer from 1 to 4,096, got 0"),
        ("max_filter_length", 4_097, ": must be an integer from 1 to 4,096, got 4097"),
        ("max_frame_bytes", 1_023, ": must be an integer from 1,024 to 131,072, got 1023"),
        ("max_frame_bytes", 131_073, ": must be an integer from 1,024 to 131,072, got 131073"),
        ("posts_per_second", 0, ": must be an integer of at least 1, got 0"),
        ("broadcast_concurrency", 0, ": must be an integer of at least 1, got 0"),
        ("fanout_concurrency", 1, ": must be an integer from 2 to 1,000, got 1"),
        ("fanout_concurrency", 1_001, ": must be an integer from 2 to 1,000, got 1001"),
        ("fanout_threshold", 99, ": must be an integer of at least 100, got 99"),
        ("connection_shards", 0, ": must be an integer from 1 to 64, got 0"),
        ("connection_shards", 65, ": must be an integer from 1 to 64, got 65"),
        ("failure_identifier", "eventId", ": must be one of eventID, SequenceNumber, got 'eventId'"),
        ("alarm_topic_arn", "alarms", ": must be the ARN of a standard SNS topic, got 'alarms'"),
        ("rate_limit", 0, ": must be an integer of at least 1, got 0"),
        ("burst_limit", 0, ": must be an integer of at least 1, got 0"),
        ("log_retention_days", 13, ": must be one of 1, 3, 5, 7, 14, 30, "),
        ("package_for", "arm64", ": must be one of lambda, host, got 'arm64'"),
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
