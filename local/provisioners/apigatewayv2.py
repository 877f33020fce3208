"""WebSocket APIs of API Gateway v2."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, pick_renamed
from ._names import choose_name
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


def _create_api(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    api_id = aws.client("apigatewayv2").create_api(
        Name=name,
        Tags=inputs.get("tags", {}),
        **pick_arguments(inputs, [*_API, "disableExecuteApiEndpoint"]),
    )["ApiId"]
    return CreatedResource(
        api_id,
        {
            "name": name,
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{api_id}",
            "executionArn": aws.arn("execute-api", api_id),
            "apiEndpoint": _build_endpoint(aws, api_id),
        },
    )


def _build_endpoint(aws: Aws, api_id: str) -> str:
    """Return the URL of an API. The emulator serves all APIs on one port, with the API's id in the path."""
    return f"ws://{aws.host}/_aws/execute-api/{api_id}"


def _create_authorizer(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    request = pick_arguments(inputs, _AUTHORIZER)
    # CreateAuthorizer requires a list of identity sources. The list may be empty.
    request["IdentitySource"] = inputs.get("identitySources", [])
    response = aws.client("apigatewayv2").create_authorizer(ApiId=inputs["apiId"], Name=name, **request)
    return CreatedResource(response["AuthorizerId"], {"name": name})


def _create_integration(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    response = aws.client("apigatewayv2").create_integration(
        ApiId=inputs["apiId"],
        **pick_arguments(inputs, _INTEGRATION),
        **pick_renamed(inputs, {"timeoutMilliseconds": "TimeoutInMillis"}),
    )
    return CreatedResource(response["IntegrationId"], {})


def _create_route(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    response = aws.client("apigatewayv2").create_route(ApiId=inputs["apiId"], **pick_arguments(inputs, _ROUTE))
    return CreatedResource(response["RouteId"], {})


def _create_route_response(aws: Aws, resource: Resource) -> CreatedResource:
    inputs = resource.inputs
    response = aws.client("apigatewayv2").create_route_response(
        ApiId=inputs["apiId"],
        **pick_arguments(inputs, ["routeId", "routeResponseKey", "modelSelectionExpression"]),
    )
    return CreatedResource(response["RouteResponseId"], {})


def _create_stage(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name, api_id = resource.inputs, choose_name(resource), resource.inputs["apiId"]
    aws.client("apigatewayv2").create_stage(
        ApiId=api_id,
        StageName=name,
        Tags=inputs.get("tags", {}),
        RouteSettings={
            settings["routeKey"]: pick_arguments(settings, _ROUTE_SETTINGS)
            for settings in inputs.get("routeSettings", [])
        },
        **pick_arguments(inputs, _STAGE),
        **pick_renamed(inputs, {"stageVariables": "StageVariables"}),
    )
    return CreatedResource(
        name,
        {
            "name": name,
            "arn": f"arn:aws:apigateway:{aws.region}::/apis/{api_id}/stages/{name}",
            "executionArn": aws.arn("execute-api", f"{api_id}/{name}"),
            "invokeUrl": f"{_build_endpoint(aws, api_id)}/{name}",
        },
    )


TYPES = {
    "aws:apigatewayv2/api:Api": ResourceType(
        _create_api,
        properties("name", "tags", "disableExecuteApiEndpoint", *_API),
        allowed_values={"protocolType": ["WEBSOCKET"]},
    ),
    "aws:apigatewayv2/authorizer:Authorizer": ResourceType(
        _create_authorizer,
        properties("apiId", "name", "identitySources", *_AUTHORIZER),
        allowed_values={"authorizerType": ["REQUEST"]},
    ),
    "aws:apigatewayv2/integration:Integration": ResourceType(
        _create_integration, properties("apiId", "timeoutMilliseconds", *_INTEGRATION)
    ),
    "aws:apigatewayv2/route:Route": ResourceType(
        _create_route,
        properties("apiId", *_ROUTE),
        allowed_values={"authorizationType": ["NONE", "AWS_IAM", "CUSTOM", None]},
    ),
    "aws:apigatewayv2/routeResponse:RouteResponse": ResourceType(
        _create_route_response, properties("apiId", "routeId", "routeResponseKey", "modelSelectionExpression")
    ),
    "aws:apigatewayv2/stage:Stage": ResourceType(
        # The emulator stores the settings for throttling, logs and metrics but does not apply them.
        _create_stage,
        properties("apiId", "name", "tags", "routeSettings", "stageVariables", *_STAGE),
    ),
}
