"""The WebSocket that dashboards connect to: who may, what they ask, and the Lambda that posts to them."""

import json
from collections.abc import Sequence
from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._iam import Statement
from ._oidc import jwks_url_of
from ._packaging import DEFAULT_PACKAGE_FOR
from ._tags import Tags

STAGE = "live"
DEFAULT_TENANT_CLAIM = "custom:tenant_id"
DEFAULT_RATE_LIMIT = 1_000
DEFAULT_BURST_LIMIT = 2_000
INDEX = "GSI1"

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


class WebSocketGatewayArgs(TypedDict):
    """What a `WebSocketGateway` takes."""

    table_arn: pulumi.Input[str]
    """The ARN of the submissions table that snapshots and resumes read, as a `StreamTable` gives it."""
    issuer: pulumi.Input[str]
    """Who signs the tokens, as it stands in `iss`."""
    audience: pulumi.Input[str]
    """What `aud` of a token must be."""
    jwks_url: NotRequired[pulumi.Input[str]]
    """Where the issuer publishes its keys. Default: `{issuer}/.well-known/jwks.json`."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The claim that holds the tenant's id, or a list of them. Default: `custom:tenant_id`."""
    allowed_origins: NotRequired[Sequence[str]]
    """The pages (`scheme://host[:port]`) that may connect from a browser. Default: every page that holds a token."""
    rate_limit: NotRequired[int]
    """Messages a second to each route, over all connections. Default: 1,000."""
    burst_limit: NotRequired[int]
    """Messages at once to each route, over all connections. Default: 2,000."""
    log_retention_days: NotRequired[int]
    """Days that CloudWatch keeps the logs; a value that CloudWatch knows. Default: 14."""
    package_for: NotRequired[str]
    """The machine that runs the Lambdas: `lambda` or `host`. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


class WebSocketGateway(pulumi.ComponentResource):
    """An API Gateway WebSocket that speaks `formbridge.v1`, with its authorizer, its connections and its Lambdas."""

    websocket_url: pulumi.Output[str]
    management_endpoint: pulumi.Output[str]
    """Where `@connections` is, for those who post to connections themselves."""
    connections_table_name: pulumi.Output[str]
    broadcast_function_arn: pulumi.Output[str]
    """The Lambda that takes raw records of the submissions' stream, and posts them to their tenants' dashboards."""

    def __init__(self, name: str, args: WebSocketGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("formbridge:index:WebSocketGateway", name, {}, opts)
        self._name = name
        self._args = args
        self._own = pulumi.ResourceOptions(parent=self)
        self._tags = args.get("tags")

        connections = self._connections_table()
        api = aws.apigatewayv2.Api(
            f"{name}-api",
            protocol_type="WEBSOCKET",
            route_selection_expression="$request.body.action",
            tags=self._tags,
            opts=self._own,
        )
        authorizer, may_authorize = self._authorizer(api)
        connect = self._connect_function(connections)
        message = self._message_function(connections)
        routes = [
            *self._route(api, "connect", "$connect", connect, authorizer=authorizer),
            *self._route(api, "disconnect", "$disconnect", connect),
            *self._route(api, "default", "$default", message, replies=True),
        ]
        stage = self._stage(api, [*routes, may_authorize])
        self.websocket_url = stage.invoke_url
        self.management_endpoint = stage.invoke_url.apply(_management_endpoint)
        broadcast = self._broadcast_function(connections, api)
        self.connections_table_name = connections.name
        self.broadcast_function_arn = broadcast.arn
        self.register_outputs(
            {
                "websocket_url": self.websocket_url,
                "management_endpoint": self.management_endpoint,
                "connections_table_name": self.connections_table_name,
                "broadcast_function_arn": self.broadcast_function_arn,
            }
        )

    def _connections_table(self) -> aws.dynamodb.Table:
        """A table of its own: rows that come and go with connections must not feed the submissions' stream."""
        return aws.dynamodb.Table(
            f"{self._name}-connections",
            billing_mode="PAY_PER_REQUEST",
            hash_key="PK",
            range_key="SK",
            attributes=[{"name": key, "type": "S"} for key in ("PK", "SK")],
            server_side_encryption={"enabled": True},
            point_in_time_recovery={"enabled": False},  # no row outlives three hours
            ttl={"attribute_name": "ttl", "enabled": True},
            tags=self._tags,
            opts=self._own,
        )

    def _authorizer(self, api: aws.apigatewayv2.Api) -> tuple[aws.apigatewayv2.Authorizer, aws.lambda_.Permission]:
        args = self._args
        issuer = pulumi.Output.from_input(args["issuer"])
        function = self._function(
            "authorize",
            environment={
                "ISSUER": issuer,
                "AUDIENCE": args["audience"],
                "JWKS_URL": args.get("jwks_url") or jwks_url_of(issuer),
                "TENANT_CLAIM": args.get("tenant_claim", DEFAULT_TENANT_CLAIM),
                "ALLOWED_ORIGINS": " ".join(args.get("allowed_origins", [])),
            },
            statements=[],
            with_dependencies=True,
        )
        # No identity source: the token may stand in either of two headers, and the Lambda looks into both.
        authorizer = aws.apigatewayv2.Authorizer(
            f"{self._name}-authorizer",
            api_id=api.id,
            authorizer_type="REQUEST",
            authorizer_uri=function.invoke_arn,
            name="tenant",
            opts=self._own,
        )
        permission = self._may_invoke(
            "authorize", function, pulumi.Output.concat(api.execution_arn, "/authorizers/", authorizer.id)
        )
        return authorizer, permission

    def _connect_function(self, connections: aws.dynamodb.Table) -> HandlerFunction:
        return self._function(
            "connect",
            environment={"CONNECTIONS_TABLE_NAME": connections.name},
            statements=[Statement(["dynamodb:PutItem", "dynamodb:DeleteItem"], [connections.arn])],
        )

    def _message_function(self, connections: aws.dynamodb.Table) -> HandlerFunction:
        table_arn = pulumi.Output.from_input(self._args["table_arn"])
        return self._function(
            "message",
            environment={
                "CONNECTIONS_TABLE_NAME": connections.name,
                "TABLE_NAME": table_arn.apply(lambda arn: arn.split("/")[-1]),
            },
            statements=[
                Statement(["dynamodb:GetItem", "dynamodb:UpdateItem"], [connections.arn]),
                Statement(["dynamodb:Query"], [pulumi.Output.concat(table_arn, "/index/", INDEX)]),
            ],
        )

    def _broadcast_function(self, connections: aws.dynamodb.Table, api: aws.apigatewayv2.Api) -> HandlerFunction:
        # `@connections/*`: a connection's id is made by API Gateway when it connects.
        posts = [
            pulumi.Output.concat(api.execution_arn, f"/{STAGE}/{method}/@connections/*")
            for method in ("POST", "DELETE")
        ]
        return self._function(
            "broadcast",
            environment={
                "CONNECTIONS_TABLE_NAME": connections.name,
                "MANAGEMENT_ENDPOINT": self.management_endpoint,
            },
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                Statement(["execute-api:ManageConnections"], posts),
            ],
            timeout_seconds=60,
            memory_mb=512,
        )

    def _function(
        self,
        entry_point: str,
        *,
        environment: dict[str, pulumi.Input[str]],
        statements: Sequence[Statement],
        with_dependencies: bool = False,
        timeout_seconds: int = 10,
        memory_mb: int = 256,
    ) -> HandlerFunction:
        return HandlerFunction(
            f"{self._name}-{entry_point}",
            entry_point,
            environment=environment,
            statements=statements,
            package_for=self._args.get("package_for", DEFAULT_PACKAGE_FOR),
            with_dependencies=with_dependencies,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            log_retention_days=self._args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS),
            tags=self._tags,
            opts=self._own,
        )

    def _route(
        self,
        api: aws.apigatewayv2.Api,
        suffix: str,
        route_key: str,
        function: HandlerFunction,
        *,
        authorizer: aws.apigatewayv2.Authorizer | None = None,
        replies: bool = False,
    ) -> list[pulumi.Resource]:
        """A route to a Lambda; with `replies`, what the Lambda returns as `body` goes back to the client."""
        name = f"{self._name}-{suffix}"
        integration = aws.apigatewayv2.Integration(
            f"{name}-integration",
            api_id=api.id,
            integration_type="AWS_PROXY",
            integration_method="POST",
            integration_uri=function.invoke_arn,
            opts=self._own,
        )
        route = aws.apigatewayv2.Route(
            f"{name}-route",
            api_id=api.id,
            route_key=route_key,
            target=pulumi.Output.concat("integrations/", integration.id),
            authorization_type="CUSTOM" if authorizer else "NONE",
            authorizer_id=authorizer.id if authorizer else None,
            route_response_selection_expression="$default" if replies else None,
            opts=self._own,
        )
        permission = self._may_invoke(
            suffix, function, pulumi.Output.concat(api.execution_arn, f"/{STAGE}/{route_key}")
        )
        if not replies:
            return [route, permission]
        response = aws.apigatewayv2.RouteResponse(
            f"{name}-response", api_id=api.id, route_id=route.id, route_response_key="$default", opts=self._own
        )
        return [route, permission, response]

    def _may_invoke(
        self, suffix: str, function: HandlerFunction, source_arn: pulumi.Input[str]
    ) -> aws.lambda_.Permission:
        return aws.lambda_.Permission(
            f"{self._name}-{suffix}-permission",
            action="lambda:InvokeFunction",
            function=function.name,
            principal="apigateway.amazonaws.com",
            source_arn=source_arn,
            opts=self._own,
        )

    def _stage(self, api: aws.apigatewayv2.Api, ready: Sequence[pulumi.Resource]) -> aws.apigatewayv2.Stage:
        logs = aws.cloudwatch.LogGroup(
            f"{self._name}-access-logs",
            retention_in_days=self._args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS),
            tags=self._tags,
            opts=self._own,
        )
        return aws.apigatewayv2.Stage(
            f"{self._name}-stage",
            api_id=api.id,
            name=STAGE,
            auto_deploy=True,
            access_log_settings={"destination_arn": logs.arn, "format": json.dumps(ACCESS_LOG)},
            default_route_settings={
                "throttling_rate_limit": self._args.get("rate_limit", DEFAULT_RATE_LIMIT),
                "throttling_burst_limit": self._args.get("burst_limit", DEFAULT_BURST_LIMIT),
                "detailed_metrics_enabled": True,
                "data_trace_enabled": False,  # it would log what clients send, tokens included
            },
            tags=self._tags,
            # What a stage serves is what stood when it was deployed.
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready),
        )


def _management_endpoint(websocket_url: str) -> str:
    """`wss://…` → `https://…`, and `ws://…` → `http://…` where an emulator serves it."""
    return "http" + websocket_url.removeprefix("ws")
