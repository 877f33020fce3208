"""The API of a `WebSocketGateway`: its routes, its authorizer, and what its stage serves when it is made."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from tests.support.components.examples import TABLE_ARN
from tests.support.components.gateway import (
    API,
    EXECUTION_ARN,
    REQUIRED,
    declare,
    environment,
    function_name,
    gateway_args,
)
from tests.support.components.provider import REGION, Provider, api_id, arn, physical_name

if TYPE_CHECKING:
    from tests.support.components.harness import Recording

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


def invoke_arn(function: str) -> str:
    path = f"path/2015-03-31/functions/{arn('lambda', f'function:{function_name(function)}')}/invocations"
    return f"arn:aws:apigateway:{REGION}:lambda:{path}"


def throttles(recording: Recording) -> dict[str, tuple[int, int]]:
    """Rate and burst of each route."""
    return {
        route["routeKey"]: (route["throttlingRateLimit"], route["throttlingBurstLimit"])
        for route in recording.inputs("gateway-stage")["routeSettings"]
    }


@pytest.fixture(scope="module")
def recording() -> Recording:
    return declare(REQUIRED)


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
            "throttlingRateLimit": 3000,
            "throttlingBurstLimit": 3000,
            "detailedMetricsEnabled": True,
            "dataTraceEnabled": False,
        }

    def test_throttles_each_route_that_exists_for_itself(self, recording: Recording) -> None:
        assert throttles(recording) == {
            "$connect": (500, 500),
            "$disconnect": (500, 2_000),
            "$default": (3_000, 3_000),
            "authenticate": (250, 500),
        }
        assert set(throttles(recording)) == set(ROUTES.values())

    def test_measures_each_route_and_traces_no_data_of_it(self, recording: Recording) -> None:
        """What a route does not set is not as in the default settings, but as AWS has it."""
        for route in recording.inputs("gateway-stage")["routeSettings"]:
            assert (route["detailedMetricsEnabled"], route["dataTraceEnabled"]) == (True, False)

    def test_is_throttled_as_it_is_told(self) -> None:
        told = {
            "rate_limit": 5,
            "burst_limit": 10,
            "connect_rate_limit": 6,
            "connect_burst_limit": 11,
            "disconnect_rate_limit": 7,
            "disconnect_burst_limit": 12,
            "authenticate_rate_limit": 8,
            "authenticate_burst_limit": 13,
        }
        recording = declare(gateway_args({"table_arn": TABLE_ARN, **told}))
        settings = recording.inputs("gateway-stage")["defaultRouteSettings"]

        assert (settings["throttlingRateLimit"], settings["throttlingBurstLimit"]) == (5, 10)
        assert throttles(recording) == {
            "$connect": (6, 11),
            "$disconnect": (7, 12),
            "$default": (5, 10),
            "authenticate": (8, 13),
        }

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


def test_connections_are_posted_to_where_clients_connect(recording: Recording) -> None:
    websocket_url: str = recording.registered("gateway")["websocket_url"]

    assert recording.registered("gateway")["management_endpoint"] == websocket_url.replace("wss://", "https://")


def test_the_connections_of_an_emulator_are_found_without_tls() -> None:
    path = f"127.0.0.1:4566/_aws/execute-api/{API}"
    recording = declare(REQUIRED, Provider({"gateway-api": {"apiEndpoint": f"ws://{path}"}}))

    assert recording.registered("gateway")["management_endpoint"] == f"http://{path}/live"
    assert environment(recording, "broadcast")["MANAGEMENT_ENDPOINT"] == f"http://{path}/live"
