"""API Gateway v2: WebSocket APIs."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import Created, Resource
from ._arguments import arguments, renamed
from ._names import name_of
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws

_API = ("protocolType", "description", "routeSelectionExpression", "apiKeySelectionExpression", "version")
_AUTHORIZER = ("authorizerType", "authorizerUri", "authorizerCredentialsArn")
_INTEGRATION = (
    *("integrationType", "integrationUri", "integrationMethod", "connectionId", "connectionType", "description"),
    *("contentHandlingStrategy", "credentialsArn", "passthroughBehavior"),
)
_ROUTE = (
    *("routeKey", "target", "authorizationType", "authorizerId", "apiKeyRequired"),
    *("operationName", "routeResponseSelectionExpression", "modelSelectionExpression"),
)
_STAGE = ("autoDeploy", "description", "accessLogSettings", "defaultRouteSettings")
_ROUTE_SETTINGS = (
    *("dataTraceEnabled", "detailedMetricsEnabled", "loggingLevel"),
    *("throttlingBurstLimit", "throttlingRateLimit"),
)


def _api(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    api_id = aws.client("apigatewayv2").create_api(
        Name=name,
        Tags=inputs.get("tags", {}),
        **arguments(inputs, [*_API, "disableExecuteApiEndpoint"]),
    )["ApiId"]
    return Created(
        api_id,
        {
            "name": name,
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{api_id}",
            "executionArn": aws.arn("execute-api", api_id),
            "apiEndpoint": _endpoint(aws, api_id),
        },
    )


def _endpoint(aws: Aws, api_id: str) -> str:
    """The emulator serves all APIs on its one port, told apart by path."""
    return f"ws://{aws.host}/_aws/execute-api/{api_id}"


def _authorizer(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    request = arguments(inputs, _AUTHORIZER)
    # The API demands a list, and takes an empty one.
    request["IdentitySource"] = inputs.get("identitySources", [])
    response = aws.client("apigatewayv2").create_authorizer(ApiId=inputs["apiId"], Name=name, **request)
    return Created(response["AuthorizerId"], {"name": name})


def _integration(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    response = aws.client("apigatewayv2").create_integration(
        ApiId=inputs["apiId"],
        **arguments(inputs, _INTEGRATION),
        **renamed(inputs, {"timeoutMilliseconds": "TimeoutInMillis"}),
    )
    return Created(response["IntegrationId"], {})


def _route(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    response = aws.client("apigatewayv2").create_route(ApiId=inputs["apiId"], **arguments(inputs, _ROUTE))
    return Created(response["RouteId"], {})


def _route_response(aws: Aws, resource: Resource) -> Created:
    inputs = resource.inputs
    response = aws.client("apigatewayv2").create_route_response(
        ApiId=inputs["apiId"],
        **arguments(inputs, ["routeId", "routeResponseKey", "modelSelectionExpression"]),
    )
    return Created(response["RouteResponseId"], {})


def _stage(aws: Aws, resource: Resource) -> Created:
    inputs, name, api_id = resource.inputs, name_of(resource), resource.inputs["apiId"]
    aws.client("apigatewayv2").create_stage(
        ApiId=api_id,
        StageName=name,
        Tags=inputs.get("tags", {}),
        RouteSettings={
            settings["routeKey"]: arguments(settings, _ROUTE_SETTINGS) for settings in inputs.get("routeSettings", [])
        },
        **arguments(inputs, _STAGE),
        **renamed(inputs, {"stageVariables": "StageVariables"}),
    )
    return Created(
        name,
        {
            "name": name,
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{api_id}/stages/{name}",
            "executionArn": aws.arn("execute-api", f"{api_id}/{name}"),
            "invokeUrl": f"{_endpoint(aws, api_id)}/{name}",
        },
    )


TYPES = {
    "aws:apigatewayv2/api:Api": ResourceType(
        _api,
        properties("name", "tags", "disableExecuteApiEndpoint", *_API),
        values={"protocolType": ["WEBSOCKET"]},
    ),
    "aws:apigatewayv2/authorizer:Authorizer": ResourceType(
        _authorizer,
        properties("apiId", "name", "identitySources", *_AUTHORIZER),
        values={"authorizerType": ["REQUEST"]},
    ),
    "aws:apigatewayv2/integration:Integration": ResourceType(
        _integration, properties("apiId", "timeoutMilliseconds", *_INTEGRATION)
    ),
    "aws:apigatewayv2/route:Route": ResourceType(
        _route,
        properties("apiId", *_ROUTE),
        values={"authorizationType": ["NONE", "AWS_IAM", "CUSTOM", None]},
    ),
    "aws:apigatewayv2/routeResponse:RouteResponse": ResourceType(
        _route_response, properties("apiId", "routeId", "routeResponseKey", "modelSelectionExpression")
    ),
    "aws:apigatewayv2/stage:Stage": ResourceType(
        # The emulator keeps the settings of throttling, logs and metrics, and acts on none.
        _stage,
        properties("apiId", "name", "tags", "routeSettings", "stageVariables", *_STAGE),
    ),
}
