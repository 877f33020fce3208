"""The WebSocket API of a gateway in API Gateway: its authorizer, its routes to Lambdas and its stage."""

import json
from typing import NamedTuple

import pulumi
import pulumi_aws as aws

from ._function import HandlerFunction
from ._tags import Tags

STAGE = "live"
"""Name of the stage. The URL of the API ends in it."""

ACCESS_LOG = {
    "requestId": "$context.requestId",
    "requestTime": "$context.requestTime",
    "eventType": "$context.eventType",
    "routeKey": "$context.routeKey",
    "status": "$context.status",
    "connectionId": "$context.connectionId",
    "tenantId": "$context.authorizer.tenant_id",
    "user": "$context.authorizer.user",
    "sourceIp": "$context.identity.sourceIp",
    "error": "$context.error.message",
    "authorizerError": "$context.authorizer.error",
    "integrationError": "$context.integrationErrorMessage",
}
"""Fields of the access log. The log has no headers and no query strings, because they may contain tokens. `user` is a
keyed hash."""


class Throttle(NamedTuple):
    """What API Gateway lets through to a route from all clients together, as a token bucket.

    A client whose frame exceeds it gets an error frame of API Gateway, and a handshake the status 429.
    https://docs.aws.amazon.com/apigateway/latest/developerguide/websocket-api-protect.html
    """

    rate: pulumi.Output[int]
    """Maximum number of requests per second."""
    burst: pulumi.Output[int]
    """Maximum number of requests at once."""


class WebSocketApi:
    """The API `{name}-api` with an authorizer, routes and a stage.

    Call `create_stage` last, after all routes have been added.

    Args:
        name: Prefix of the names of the resources.
        parent: The component that the resources belong to.
        tags: Tags of every resource that supports tags.
    """

    management_endpoint: pulumi.Output[str]
    """URL to which Lambdas post frames for connections. It is built from the URL of the API and not from the stage: the
    stage depends on the Lambdas, and the Lambdas need this URL."""

    def __init__(self, name: str, parent: pulumi.Resource, tags: Tags | None) -> None:
        self._name = name
        self._parent = parent
        self._child_options = pulumi.ResourceOptions(parent=parent)
        self._tags = tags
        self._stage_dependencies: list[pulumi.Resource] = []
        self._throttles: dict[str, Throttle] = {}
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

        The ARN ends in `*` instead of a connection id, because API Gateway chooses the id when a client connects.
        """
        return pulumi.Output.concat(self._api.execution_arn, f"/{STAGE}/{method}/@connections/*")

    def create_authorizer(self, function: HandlerFunction) -> aws.apigatewayv2.Authorizer:
        """Create an authorizer that invokes a Lambda."""
        # The authorizer has no identity source, so API Gateway always invokes the Lambda. An identity source would
        # require the token in one fixed place, but the Lambda accepts it in any of several places.
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
        throttle: Throttle,
        authorizer: aws.apigatewayv2.Authorizer | None = None,
        replies: bool = False,
    ) -> None:
        """Add a route that invokes a Lambda.

        Args:
            suffix: Part of the names of the route's resources.
            route_key: The frames that take this route: the value of `action` in a frame, or `$connect`, `$disconnect`
                or `$default`.
            function: The Lambda.
            throttle: The throttle of the route.
            authorizer: The authorizer that API Gateway invokes before the Lambda. None: API Gateway invokes none.
            replies: Whether the Lambda replies to the client. If true, the Lambda returns the reply as `body`, and API
                Gateway sends it to the client.
        """
        name = f"{self._name}-{suffix}"
        self._throttles[route_key] = throttle
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
        default_throttle: Throttle,
        log_retention_days: pulumi.Input[int],
        kms_key_arn: pulumi.Input[str] | None = None,
    ) -> aws.apigatewayv2.Stage:
        """Create the stage. Call this after all routes have been added.

        A stage serves only the routes that exist when it is deployed. AWS refuses route settings for a route that does
        not exist. The settings of a route replace all default settings and not only the throttle.

        Args:
            default_throttle: Throttle of every route that `add_route` has not added.
            log_retention_days: Days for which CloudWatch keeps the access log.
            kms_key_arn: The KMS key that encrypts the access log. None: a key of CloudWatch encrypts it.
        """
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-access-logs",
            retention_in_days=log_retention_days,
            kms_key_id=kms_key_arn,
            tags=self._tags,
            opts=self._child_options,
        )
        return aws.apigatewayv2.Stage(
            f"{self._name}-stage",
            api_id=self._api.id,
            name=STAGE,
            auto_deploy=True,
            access_log_settings={"destination_arn": logs.arn, "format": json.dumps(ACCESS_LOG)},
            default_route_settings={
                "throttling_rate_limit": default_throttle.rate,
                "throttling_burst_limit": default_throttle.burst,
                "detailed_metrics_enabled": True,
                "data_trace_enabled": False,  # data traces contain the frames of clients, and these may contain tokens
            },
            route_settings=[
                {
                    "route_key": route_key,
                    "throttling_rate_limit": throttle.rate,
                    "throttling_burst_limit": throttle.burst,
                    "detailed_metrics_enabled": True,
                    "data_trace_enabled": False,
                }
                for route_key, throttle in self._throttles.items()
            ],
            tags=self._tags,
            opts=pulumi.ResourceOptions(parent=self._parent, depends_on=self._stage_dependencies),
        )

    def _allow_invoke(self, suffix: str, function: HandlerFunction, source: pulumi.Input[str]) -> None:
        """Allow this API to invoke the Lambda, but only from the route or the authorizer `source`."""
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
    """Return the management endpoint of the API with the URL `api_endpoint`.

    `wss://…` becomes `https://…/live`. The URL of an emulator, `ws://…`, becomes `http://…/live`.
    """
    return f"http{api_endpoint.removeprefix('ws')}/{STAGE}"
