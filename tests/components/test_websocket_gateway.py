"""`WebSocketGateway`: who may connect, what each Lambda may do, and what a stage serves when it is made."""

from __future__ import annotations

import pytest

from components import WebSocketGateway
from tests.support.components.examples import STREAM_ARN, TABLE_ARN
from tests.support.components.gateway import (
    API,
    CONNECTIONS,
    CONNECTIONS_ARN,
    ENDPOINT,
    EXECUTION_ARN,
    FANOUT_ENVIRONMENT,
    LIMITS,
    MAY_FIND_CONNECTIONS,
    MAY_POST,
    POSTING_ENVIRONMENT,
    QUEUE_ARN,
    REQUIRED,
    REVOCATIONS,
    REVOCATIONS_ARN,
    declare,
    environment,
    full_name,
    function_name,
    gateway_args,
)
from tests.support.components.harness import Recording, refusal
from tests.support.components.packages import PACKAGED, POSTING
from tests.support.components.policies import allow, allow_logs, document
from tests.support.components.provider import ACCOUNT, REGION, arn, physical_name


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


def test_declares_the_api_its_routes_its_lambdas_and_its_own_tables(recording: Recording) -> None:
    assert recording.children("gateway") == {
        ("apigatewayv2/api:Api", "gateway-api"),
        ("apigatewayv2/authorizer:Authorizer", "gateway-authorizer"),
        ("apigatewayv2/stage:Stage", "gateway-stage"),
        ("cloudwatch/logGroup:LogGroup", "gateway-access-logs"),
        ("dynamodb/table:Table", "gateway-connections"),
        ("dynamodb/table:Table", "gateway-revocations"),
        ("ssm/parameter:Parameter", "gateway-user-hash-key"),
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
        ("sqs/queuePolicy:QueuePolicy", "gateway-fanout-queue-policy"),
        ("sqs/queue:Queue", "gateway-fanout-dead-letters"),
        ("sqs/queuePolicy:QueuePolicy", "gateway-fanout-dead-letters-policy"),
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


class TestAuthorizer:
    def test_may_log_and_nothing_else(self, recording: Recording) -> None:
        assert recording.json("gateway-authorize-policy", "policy") == document(allow_logs("gateway-authorize"))


class TestLambdas:
    def test_for_connections_may_write_change_and_delete_a_row(self, recording: Recording) -> None:
        assert recording.json("gateway-connect-policy", "policy") == document(
            allow_logs("gateway-connect"),
            allow(
                ["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:GetItem"], CONNECTIONS_ARN
            ),
            allow(["dynamodb:BatchGetItem"], REVOCATIONS_ARN),
            MAY_POST,
        )
        assert environment(recording, "connect") == {
            **POSTING_ENVIRONMENT,
            **LIMITS,
            "REVOCATIONS_TABLE_NAME": REVOCATIONS,
            "CONNECTION_TTL_SECONDS": "7800",
            "MAX_CONNECTIONS_PER_TENANT": "5000",
            "MAX_CONNECTIONS_PER_USER": "20",
            "TENANT_CONNECTS_PER_SECOND": "50",
            "TENANT_CONNECT_BURST": "500",
        }

    def test_for_messages_may_change_rows_close_connections_and_read_submissions_by_the_index_and_by_id(
        self, recording: Recording
    ) -> None:
        assert recording.json("gateway-message-policy", "policy") == document(
            allow_logs("gateway-message"),
            allow(["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            MAY_POST,
            allow(["dynamodb:Query"], f"{TABLE_ARN}/index/GSI1"),
            allow(["dynamodb:BatchGetItem"], TABLE_ARN),
        )
        assert environment(recording, "message") == {
            **POSTING_ENVIRONMENT,
            **LIMITS,
            "TABLE_NAME": "submissions",
        }

    def test_for_messages_knows_the_stream_of_the_table_and_needs_no_more_rights_for_it(
        self, recording: Recording
    ) -> None:
        streamed = declare(gateway_args({"table_arn": TABLE_ARN, "stream_arn": STREAM_ARN}))
        assert environment(streamed, "message") == {**environment(recording, "message"), "STREAM_ARN": STREAM_ARN}
        assert streamed.json("gateway-message-policy", "policy") == recording.json("gateway-message-policy", "policy")
        assert "STREAM_ARN" not in environment(streamed, "authenticate")

    def test_for_new_tokens_may_change_rows_and_close_connections(self, recording: Recording) -> None:
        assert recording.json("gateway-authenticate-policy", "policy") == document(
            allow_logs("gateway-authenticate"),
            allow(["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            allow(["dynamodb:BatchGetItem"], REVOCATIONS_ARN),
            MAY_POST,
        )

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
            (POSTING, {"connect", "message", "authenticate", "broadcast", "fanout", "janitor"}),
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


class TestBroadcast:
    def test_may_find_connections_post_to_them_close_them_and_hand_on_the_rest(self, recording: Recording) -> None:
        assert recording.json("gateway-broadcast-policy", "policy") == document(
            allow_logs("gateway-broadcast"),
            MAY_FIND_CONNECTIONS,
            MAY_POST,
            allow(["sqs:SendMessage"], QUEUE_ARN),
        )

    def test_knows_where_the_connections_are_and_the_queue(self, recording: Recording) -> None:
        assert environment(recording, "broadcast") == {**FANOUT_ENVIRONMENT, "FAILURE_IDENTIFIER": "eventID"}


class TestFanout:
    def test_may_what_a_broadcast_may_and_take_work_from_the_queue(self, recording: Recording) -> None:
        assert recording.json("gateway-fanout-policy", "policy") == document(
            allow_logs("gateway-fanout"),
            MAY_FIND_CONNECTIONS,
            MAY_POST,
            allow(["sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"], QUEUE_ARN),
            allow(["sqs:SendMessage"], QUEUE_ARN),
        )

    def test_knows_where_the_connections_are_and_the_queue(self, recording: Recording) -> None:
        assert environment(recording, "fanout") == FANOUT_ENVIRONMENT


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
        "revocations_table_name": REVOCATIONS,
        "user_hash_key_parameter": physical_name("gateway-user-hash-key"),
        "broadcast_function_arn": arn("lambda", f"function:{function_name('broadcast')}"),
        "fanout_queue_url": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{physical_name('gateway-fanout-queue')}",
        "fanout_queue_arn": arn("sqs", physical_name("gateway-fanout-queue")),
    }


def test_revocations_survive_what_connections_do_not(recording: Recording) -> None:
    revocations, connections = recording.inputs("gateway-revocations"), recording.inputs("gateway-connections")

    assert revocations["pointInTimeRecovery"] == {"enabled": True}
    assert connections["pointInTimeRecovery"] == {"enabled": False}
    assert revocations["serverSideEncryption"] == {"enabled": True}
    assert revocations["ttl"] == {"attributeName": "ttl", "enabled": True}
    assert revocations["globalSecondaryIndexes"] == [
        {
            "name": "REVOCATIONS",
            "keySchemas": [{"attributeName": "target", "keyType": "HASH"}],
            "projectionType": "ALL",
        }
    ]


def test_the_access_log_names_a_user_by_the_hash_alone(recording: Recording) -> None:
    written = recording.inputs("gateway-stage")["accessLogSettings"]["format"]

    assert "$context.authorizer.user" in written
    assert "principalId" not in written
    assert "claims" not in written


class TestWithoutATable:
    """As for those who post to connections themselves."""

    def test_messages_are_answered_without_submissions(self) -> None:
        recording = declare(gateway_args({}))

        assert "TABLE_NAME" not in environment(recording, "message")
        assert recording.json("gateway-message-policy", "policy") == document(
            allow_logs("gateway-message"),
            allow(["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], CONNECTIONS_ARN),
            MAY_POST,
        )

    def test_all_else_is_as_with_one(self, recording: Recording) -> None:
        assert declare(gateway_args({})).children("gateway") == recording.children("gateway")


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("table_arn", "submissions", ": must be the ARN of a DynamoDB table, got 'submissions'"),
        ("stream_arn", TABLE_ARN, f": must be the ARN of a DynamoDB stream, got '{TABLE_ARN}'"),
        ("alarm_topic_arn", "alarms", ": must be the ARN of a standard SNS topic, got 'alarms'"),
        ("log_retention_days", 13, ": must be one of 1, 3, 5, 7, 14, 30, "),
        ("package_for", "arm64", ": must be one of lambda, host, got 'arm64'"),
    ],
)
def test_a_bad_value_is_refused_by_name_before_anything_is_made(field: str, value: object, message: str) -> None:
    args = gateway_args({"table_arn": TABLE_ARN, field: value})

    assert refusal(lambda: WebSocketGateway("gateway", args)).startswith(f"{full_name(field)}{message}")
