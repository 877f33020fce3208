"""The WebSocket API of a gateway in API Gateway: its authorizer, its routes to Lambdas and its stage."""

import json

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction
from ._tags import Tags

STAGE = "live"
"""Name of the stage."""

ACCESS_LOG = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "eventType": "$context.eventType",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "connectionId": "$context.connectionId",
    "tenantId": "$context.authorizer.tenant_id",
    "sourceIp": "$context.identity.sourceIp",
    "error": "$context.error.message",
    "authorizerError": "$context.authorizer.error",
    "integrationError": "$context.integrationErrorMessage",
}
"""Fields of the access log. They contain no header and no query string, because either may contain a token."""


class WebSocketApi:
    """The API `{name}-api` with an authorizer, routes and a stage. Create the stage last.

    Args:
        name: Prefix of the names of the resources.
        parent: The component that the resources belong to.
        tags: Tags of every resource that supports tags.
    """

    management_endpoint: pulumi.Output[str]
    """URL to which Lambdas post frames for connections. It is known before the stage exists, because the Lambdas of the
    stage need it."""

    def __init__(self, name: str, parent: pulumi.Resource, tags: Tags | None) -> None:
        self._name = name
        self._parent = parent
        self._child_options = pulumi.ResourceOptions(parent=parent)
        self._tags = tags
        self._stage_dependencies: list[pulumi.Resource] = []
        self._api = aws.apigatewayv2.Api(
            f"{name}-api",
            protocol_type="WEBSOCKET",
            route_selection_expression="$request.body.action",
            tags=tags,
            opts=self._child_options,
        )
        self.management_endpoint = self._api.api_endpoint.apply(_build_management_endpoint)

    def build_connections_arn(self, method: str) -> pulumi.Output[str]:
        """Return the ARN of all connections of the stage.

        It ends in `*`, because API Gateway creates the id of a connection when the client connects.
        """
        return pulumi.Output.concat(self._api.execution_arn, f"/{STAGE}/{method}/@connections/*")

    def create_authorizer(self, function: HandlerFunction) -> aws.apigatewayv2.Authorizer:
        """Create an authorizer that invokes a Lambda."""
        # No identity source: the token can be in one of several places, and the Lambda checks each.
        authorizer = aws.apigatewayv2.Authorizer(
            f"{self._name}-authorizer",
            api_id=self._api.id,
            authorizer_type="REQUEST",
            authorizer_uri=function.invoke_arn,
            name="tenant",
            opts=self._child_options,
        )
        self._allow_invoke("authorize", function, pulumi.Output.concat("authorizers/", authorizer.id))
        return authorizer

    def add_route(
        self,
        suffix: str,
        route_key: str,
        function: HandlerFunction,
        *,
        authorizer: aws.apigatewayv2.Authorizer | None = None,
        replies: bool = False,
    ) -> None:
        """Add a route to a Lambda.

        Args:
            suffix: Part of the names of the route's resources.
            route_key: Value of `action` in a frame, or `$connect`, `$disconnect` or `$default`.
            function: The Lambda.
            authorizer: The authorizer that API Gateway invokes first.
            replies: Whether API Gateway sends the `body` that the Lambda returns to the client.
        """
        name = f"{self._name}-{suffix}"
        integration = aws.apigatewayv2.Integration(
            f"{name}-integration",
            api_id=self._api.id,
            integration_type="AWS_PROXY",
            integration_method="POST",
            integration_uri=function.invoke_arn,
            opts=self._child_options,
        )
        route = aws.apigatewayv2.Route(
            f"{name}-route",
            api_id=self._api.id,
            route_key=route_key,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type="CUSTOM" if authorizer else "NONE",
            authorizer_id=authorizer.id if authorizer else None,
            route_response_selection_expression="$default" if replies else None,
            opts=self._child_options,
        )
        self._stage_dependencies.append(route)
        self._allow_invoke(suffix, function, f"{STAGE}/{route_key}")
        if replies:
            response = aws.apigatewayv2.RouteResponse(
                f"{name}-response",
                api_id=self._api.id,
                route_id=route.id,
                route_response_key="$default",
                opts=self._child_options,
            )
            self._stage_dependencies.append(response)

    def create_stage(
        self,
        *,
        rate_limit: pulumi.Input[int],
        burst_limit: pulumi.Input[int],
        log_retention_days: pulumi.Input[int],
    ) -> aws.apigatewayv2.Stage:
        """Create the stage after all routes, because a stage serves the routes that exist when it is deployed.

        Args:
            rate_limit: Messages per second to each route, over all connections.
            burst_limit: Messages at once to each route, over all connections.
            log_retention_days: Days for which CloudWatch keeps the access log.
        """
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-access-logs", retention_in_days=log_retention_days, tags=self._tags, opts=self._child_options
        )
        return aws.apigatewayv2.Stage(
            f"{self._name}-stage",
            api_id=self._api.id,
            name=STAGE,
            auto_deploy=True,
            access_log_settings={"destination_arn": logs.arn, "format": json.dumps(ACCESS_LOG)},
            default_route_settings={
                "throttling_rate_limit": rate_limit,
                "throttling_burst_limit": burst_limit,
                "detailed_metrics_enabled": True,
                "data_trace_enabled": False,  # it would log the frames of clients, which may contain tokens
            },
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=self._stage_dependencies),
        )

    def _allow_invoke(self, suffix: str, function: HandlerFunction, source: pulumi.Input[str]) -> None:
        """Allow only the part `source` of this API to invoke the Lambda."""
        permission = aws.lambda_.Permission(
            f"{self._name}-{suffix}-permission",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(self._api.execution_arn, "/", source),
            opts=self._child_options,
        )
        self._stage_dependencies.append(permission)


def _build_management_endpoint(api_endpoint: str) -> str:
    """Turn `wss://…` into `https://…/live`, and an emulator's `ws://…` into `http://…/live`."""
    return f"http{api_endpoint.removeprefix('ws')}/{STAGE}"
