"""The WebSocket that dashboards connect to: who may, what they ask, and the Lambda that posts to them."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks, _urls
from ._checks import WholeNumber
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._iam import Statement
from ._naming import MAX_FUNCTION_NAME, check_name
from ._oidc import DEFAULT_TENANT_CLAIM, jwks_url_of
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._tags import Tags
from .stream_table import INDEX

STAGE = "live"
DEFAULT_RATE_LIMIT = 1_000
DEFAULT_BURST_LIMIT = 2_000
MAX_CONNECTION_SECONDS = 2 * 3600
"""API Gateway closes a WebSocket after two hours.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
DEFAULT_CONNECTION_TTL_SECONDS = MAX_CONNECTION_SECONDS + 600

MAX_ORIGINS_LENGTH = 2_000
"""The environment of a Lambda has 4 KB in all.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

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

    issuer: pulumi.Input[str]
    """Who signs the tokens: an OIDC issuer's https URL, as it stands in `iss`."""
    audience: pulumi.Input[str]
    """What `aud` of a token must be."""
    table_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the table that snapshots and resumes read, a `StreamTable`. Default: none. What is posted is then all
    that a client gets: a snapshot is empty, and a cursor is too old to resume from."""
    jwks_url: NotRequired[pulumi.Input[str] | None]
    """Where the issuer publishes its keys. Default: `{issuer}/.well-known/jwks.json`."""
    tenant_claim: NotRequired[pulumi.Input[str]]
    """The claim that holds the tenant's id, or a list of them. Default: `custom:tenant_id`."""
    allowed_origins: NotRequired[pulumi.Input[Sequence[pulumi.Input[str]]]]
    """The pages (`scheme://host[:port]`: no path, lower case, no default port) that may connect from a browser, at most
    2,000 characters in all. Default: every page that holds a token."""
    connection_ttl_seconds: NotRequired[WholeNumber]
    """Seconds after which the row of a connection expires; at least 7,200, as API Gateway keeps a connection for two
    hours. Default: 7,800."""
    rate_limit: NotRequired[WholeNumber]
    """Messages a second to each route, over all connections; at least 1. The account's quota for a region is 10,000
    unless it was raised. Default: 1,000."""
    burst_limit: NotRequired[WholeNumber]
    """Messages at once to each route, over all connections; at least 1. The account's quota is 5,000.
    Default: 2,000."""
    log_retention_days: NotRequired[WholeNumber]
    """Days that CloudWatch keeps the logs; a number that CloudWatch knows, such as 14, 30, 90 or 365. Default: 14."""
    package_for: NotRequired[str]
    """The machine that runs the Lambdas: `lambda`, or `host` for an emulator on this one. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every child that can have them. Default: none."""


class WebSocketGateway(pulumi.ComponentResource):
    """An API Gateway WebSocket that speaks `formbridge.v1`, with its authorizer, its connections and its Lambdas."""

    websocket_url: pulumi.Output[str]
    """Where clients connect: `wss://…/live`."""
    management_endpoint: pulumi.Output[str]
    """Where a Lambda of your own posts to connections: the endpoint of the API Gateway Management API."""
    manage_connections_arn: pulumi.Output[str]
    """What such a Lambda is granted `execute-api:ManageConnections` on, to post to connections."""
    connections_table_name: pulumi.Output[str]
    """The table of connections: `PK` is `TENANT#{tenant_id}`, `SK` is `CONN#{connection_id}`, and `subscribed` is true
    once the client has subscribed."""
    connections_table_arn: pulumi.Output[str]
    """The ARN of that table."""
    broadcast_function_arn: pulumi.Output[str]
    """The Lambda that takes raw records of a `StreamTable`'s stream, and posts them to their tenants' dashboards."""

    def __init__(self, name: str, args: WebSocketGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-broadcast-function", MAX_FUNCTION_NAME)
        _checks.inputs(args, WebSocketGatewayArgs)
        self._inputs = _Inputs.of(args)
        super().__init__("formbridge:index:WebSocketGateway", name, {}, opts)
        self._name = name
        self._own = pulumi.ResourceOptions(parent=self)

        connections = self._connections_table()
        api = aws.apigatewayv2.Api(
            f"{name}-api",
            protocol_type="WEBSOCKET",
            route_selection_expression="$request.body.action",
            tags=self._inputs.tags,
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
        self.manage_connections_arn = _connections_arn(api, "POST")
        broadcast = self._broadcast_function(connections, api)
        self.connections_table_name = connections.name
        self.connections_table_arn = connections.arn
        self.broadcast_function_arn = broadcast.arn
        self.register_outputs(
            {
                "websocket_url": self.websocket_url,
                "management_endpoint": self.management_endpoint,
                "manage_connections_arn": self.manage_connections_arn,
                "connections_table_name": self.connections_table_name,
                "connections_table_arn": self.connections_table_arn,
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
            tags=self._inputs.tags,
            opts=self._own,
        )

    def _authorizer(self, api: aws.apigatewayv2.Api) -> tuple[aws.apigatewayv2.Authorizer, aws.lambda_.Permission]:
        inputs = self._inputs
        function = self._function(
            "authorize",
            environment={
                "ISSUER": inputs.issuer,
                "AUDIENCE": inputs.audience,
                "JWKS_URL": inputs.jwks_url,
                "TENANT_CLAIM": inputs.tenant_claim,
                "ALLOWED_ORIGINS": inputs.allowed_origins,
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
            environment={
                "CONNECTIONS_TABLE_NAME": connections.name,
                "CONNECTION_TTL_SECONDS": self._inputs.connection_ttl_seconds.apply(str),
            },
            statements=[Statement(["dynamodb:PutItem", "dynamodb:DeleteItem"], [connections.arn])],
        )

    def _message_function(self, connections: aws.dynamodb.Table) -> HandlerFunction:
        environment: dict[str, pulumi.Input[str]] = {"CONNECTIONS_TABLE_NAME": connections.name}
        statements = [Statement(["dynamodb:GetItem", "dynamodb:UpdateItem"], [connections.arn])]
        if table_arn := self._inputs.table_arn:
            environment["TABLE_NAME"] = table_arn.apply(lambda arn: arn.split("/")[-1])
            statements.append(Statement(["dynamodb:Query"], [pulumi.Output.concat(table_arn, "/index/", INDEX)]))
        return self._function("message", environment=environment, statements=statements)

    def _broadcast_function(self, connections: aws.dynamodb.Table, api: aws.apigatewayv2.Api) -> HandlerFunction:
        return self._function(
            "broadcast",
            environment={
                "CONNECTIONS_TABLE_NAME": connections.name,
                "MANAGEMENT_ENDPOINT": self.management_endpoint,
            },
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                Statement(
                    ["execute-api:ManageConnections"],
                    [_connections_arn(api, "POST"), _connections_arn(api, "DELETE")],
                ),
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
            package_for=self._inputs.package_for,
            with_dependencies=with_dependencies,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            log_retention_days=self._inputs.log_retention_days,
            tags=self._inputs.tags,
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
            retention_in_days=self._inputs.log_retention_days,
            tags=self._inputs.tags,
            opts=self._own,
        )
        return aws.apigatewayv2.Stage(
            f"{self._name}-stage",
            api_id=api.id,
            name=STAGE,
            auto_deploy=True,
            access_log_settings={"destination_arn": logs.arn, "format": json.dumps(ACCESS_LOG)},
            default_route_settings={
                "throttling_rate_limit": self._inputs.rate_limit,
                "throttling_burst_limit": self._inputs.burst_limit,
                "detailed_metrics_enabled": True,
                "data_trace_enabled": False,  # it would log what clients send, tokens included
            },
            tags=self._inputs.tags,
            # What a stage serves is what stood when it was deployed.
            opts=pulumi.ResourceOptions(parent=self, depends_on=ready),
        )


@dataclass(frozen=True)
class _Inputs:
    """A gateway's inputs, checked, with their defaults."""

    issuer: pulumi.Output[str]
    audience: pulumi.Output[str]
    table_arn: pulumi.Output[str] | None
    jwks_url: pulumi.Output[str]
    tenant_claim: pulumi.Output[str]
    allowed_origins: pulumi.Output[str]
    """With spaces between."""
    connection_ttl_seconds: pulumi.Output[int]
    rate_limit: pulumi.Output[int]
    burst_limit: pulumi.Output[int]
    log_retention_days: pulumi.Output[int]
    package_for: str
    tags: Tags | None

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "_Inputs":
        issuer = _urls.https_url("issuer", args["issuer"])
        jwks_url = _checks.optional(_urls.jwks_url, "jwks_url", args.get("jwks_url"))
        return cls(
            issuer=issuer,
            audience=_checks.text("audience", args["audience"]),
            table_arn=_checks.optional(_checks.table_arn, "table_arn", args.get("table_arn")),
            jwks_url=jwks_url if jwks_url is not None else jwks_url_of(issuer),
            tenant_claim=_checks.text("tenant_claim", args.get("tenant_claim", DEFAULT_TENANT_CLAIM)),
            allowed_origins=_origins(args),
            connection_ttl_seconds=_checks.whole_number(
                "connection_ttl_seconds",
                args.get("connection_ttl_seconds", DEFAULT_CONNECTION_TTL_SECONDS),
                MAX_CONNECTION_SECONDS,
            ),
            rate_limit=_checks.whole_number("rate_limit", args.get("rate_limit", DEFAULT_RATE_LIMIT), 1),
            burst_limit=_checks.whole_number("burst_limit", args.get("burst_limit", DEFAULT_BURST_LIMIT), 1),
            log_retention_days=_checks.log_retention(
                "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
            ),
            package_for=check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR)),
            tags=args.get("tags"),
        )


def _origins(args: WebSocketGatewayArgs) -> pulumi.Output[str]:
    given = args.get("allowed_origins", [])
    origins = _checks.each(_urls.origin, "allowed_origins", given)
    _checks.checked(given, _joined)  # at once, where they are plain
    return origins.apply(_joined)


def _joined(origins: Sequence[Any]) -> str:
    text = " ".join(origins)
    if len(text) > MAX_ORIGINS_LENGTH:
        raise ValueError(f"allowed_origins: must be at most {MAX_ORIGINS_LENGTH:,} characters, got {len(text):,}")
    return text


def _connections_arn(api: aws.apigatewayv2.Api, method: str) -> pulumi.Output[str]:
    """The connections of the stage. `*`: a connection's id is made by API Gateway when it connects."""
    return pulumi.Output.concat(api.execution_arn, f"/{STAGE}/{method}/@connections/*")


def _management_endpoint(websocket_url: str) -> str:
    """`wss://…` → `https://…`, and `ws://…` → `http://…` where an emulator serves it."""
    return "http" + websocket_url.removeprefix("ws")
