from __future__ import annotations

from typing import TYPE_CHECKING, Any

from local.emulator import ACCOUNT_ID, Emulator
from tests.local.conftest import REGION
from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_websocket_api(made: Monitor, call: Any, emulator: Emulator) -> None:
    api_id = by_name(made, "api").id
    own = outputs(made, "api")
    api = call("apigatewayv2", "get_api", ApiId=api_id)
    assert (api["Name"], api["Description"], api["Tags"]) == (own["name"], "live", {"team": "forms"})
    assert api["RouteSelectionExpression"] == "$request.body.action"
    assert own["executionArn"] == f"arn:aws:execute-api:{REGION}:{ACCOUNT_ID}:{api_id}"
    host = emulator.endpoint_url.removeprefix("http://")
    assert own["apiEndpoint"] == f"ws://{host}/_aws/execute-api/{api_id}"

    (integration,) = call("apigatewayv2", "get_integrations", ApiId=api_id)["Items"]
    assert integration["IntegrationId"] == by_name(made, "integration").id
    assert integration["IntegrationUri"] == outputs(made, "function")["invokeArn"]
    assert integration["TimeoutInMillis"] == 10000

    authorizers = {item["Name"]: item for item in call("apigatewayv2", "get_authorizers", ApiId=api_id)["Items"]}
    authorizer = authorizers[outputs(made, "authorizer")["name"]]
    assert authorizer["IdentitySource"] == ["route.request.header.Authorization"]
    assert authorizers[outputs(made, "open-authorizer")["name"]]["IdentitySource"] == []

    routes = {item["RouteKey"]: item for item in call("apigatewayv2", "get_routes", ApiId=api_id)["Items"]}
    assert routes["sync"]["Target"] == f"integrations/{integration['IntegrationId']}"
    assert routes["sync"]["RouteResponseSelectionExpression"] == "$default"
    assert routes["$connect"]["AuthorizerId"] == authorizer["AuthorizerId"]
    route_id = by_name(made, "route").id
    (response,) = call("apigatewayv2", "get_route_responses", ApiId=api_id, RouteId=route_id)["Items"]
    assert response["RouteResponseId"] == by_name(made, "route-response").id


def test_websocket_stage(made: Monitor, call: Any) -> None:
    api_id, own = by_name(made, "api").id, outputs(made, "stage")
    stage = call("apigatewayv2", "get_stage", ApiId=api_id, StageName="live")
    assert (stage["AutoDeploy"], stage["StageVariables"]) == (True, {"some_name": "kept"})
    assert stage["AccessLogSettings"]["DestinationArn"] == outputs(made, "logs")["arn"]
    assert stage["DefaultRouteSettings"] == {"ThrottlingBurstLimit": 5, "ThrottlingRateLimit": 10}
    assert stage["RouteSettings"] == {"$connect": {"ThrottlingRateLimit": 1}}
    assert own["invokeUrl"] == f"{outputs(made, 'api')['apiEndpoint']}/live"
    assert own["executionArn"] == f"{outputs(made, 'api')['executionArn']}/live"
