"""A gateway's API in API Gateway: the authorizer that it asks, the routes to Lambdas, the stage that serves them."""

import json

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction
from ._tags import Tags

STAGE = "live"

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
"""What the access log says of a request: no header and no query, either of which may hold a token."""


class WebSocketApi:
    """The API `{name}-api`, and what is added to it, all below `parent`. Its stage comes last."""

    management_endpoint: pulumi.Output[str]
    """Where connections are posted to: known before the stage, whose Lambdas are told."""

    def __init__(self, name: str, parent: pulumi.Resource, tags: Tags | None) -> None:
        self._name = name
        self._parent = parent
        self._own = pulumi.ResourceOptions(parent=parent)
        self._tags = tags
        self._ready: list[pulumi.Resource] = []
        self._api = aws.apigatewayv2.Api(
            f"{name}-api",
            protocol_type="WEBSOCKET",
            route_selection_expression="$request.body.action",
            tags=tags,
            opts=self._own,
        )
        self.management_endpoint = self._api.api_endpoint.apply(_management_endpoint)

    def connections_arn(self, method: str) -> pulumi.Output[str]:
        """The connections of the stage. `*`: a connection's id is made by API Gateway when it connects."""
        return pulumi.Output.concat(self._api.execution_arn, f"/{STAGE}/{method}/@connections/*")

    def authorizer(self, function: HandlerFunction) -> aws.apigatewayv2.Authorizer:
        """An authorizer that asks a Lambda."""
        # No identity source: the token may stand in several places, and the Lambda looks into each.
        authorizer = aws.apigatewayv2.Authorizer(
            f"{self._name}-authorizer",
            api_id=self._api.id,
            authorizer_type="REQUEST",
            authorizer_uri=function.invoke_arn,
            name="tenant",
            opts=self._own,
        )
        self._may_invoke("authorize", function, pulumi.Output.concat("authorizers/", authorizer.id))
        return authorizer

    def route(
        self,
        suffix: str,
        route_key: str,
        function: HandlerFunction,
        *,
        authorizer: aws.apigatewayv2.Authorizer | None = None,
        replies: bool = False,
    ) -> None:
        """A route to a Lambda; with `replies`, what the Lambda returns as `body` goes back to the client."""
        name = f"{self._name}-{suffix}"
        integration = aws.apigatewayv2.Integration(
            f"{name}-integration",
            api_id=self._api.id,
            integration_type="AWS_PROXY",
            integration_method="POST",
            integration_uri=function.invoke_arn,
            opts=self._own,
        )
        route = aws.apigatewayv2.Route(
            f"{name}-route",
            api_id=self._api.id,
            route_key=route_key,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type="CUSTOM" if authorizer else "NONE",
            authorizer_id=authorizer.id if authorizer else None,
            route_response_selection_expression="$default" if replies else None,
            opts=self._own,
        )
        self._ready.append(route)
        self._may_invoke(suffix, function, f"{STAGE}/{route_key}")
        if replies:
            response = aws.apigatewayv2.RouteResponse(
                f"{name}-response",
                api_id=self._api.id,
                route_id=route.id,
                route_response_key="$default",
                opts=self._own,
            )
            self._ready.append(response)

    def stage(
        self,
        *,
        rate_limit: pulumi.Input[int],
        burst_limit: pulumi.Input[int],
        log_retention_days: pulumi.Input[int],
    ) -> aws.apigatewayv2.Stage:
        """The stage, made after all that was added: what it serves is what stood when it was deployed."""
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-access-logs", retention_in_days=log_retention_days, tags=self._tags, opts=self._own
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
                "data_trace_enabled": False,  # it would log what clients send, tokens included
            },
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=self._ready),
        )

    def _may_invoke(self, suffix: str, function: HandlerFunction, source: pulumi.Input[str]) -> None:
        permission = aws.lambda_.Permission(
            f"{self._name}-{suffix}-permission",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="apigateway.amazonaws.com",
            source_arn=pulumi.Output.concat(self._api.execution_arn, "/", source),
            opts=self._own,
        )
        self._ready.append(permission)


def _management_endpoint(api_endpoint: str) -> str:
    """`wss://…` → `https://…/live`, and `ws://…` → `http://…/live` where an emulator serves it."""
    return f"http{api_endpoint.removeprefix('ws')}/{STAGE}"
