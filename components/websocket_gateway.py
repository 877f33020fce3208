"""The WebSocket that dashboards connect to: who may, what they ask, and the Lambdas that post to them."""

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
from ._websocket_api import WebSocketApi
from .stream_table import INDEX

DEFAULT_RATE_LIMIT = 1_000
DEFAULT_BURST_LIMIT = 2_000
MAX_CONNECTION_SECONDS = 2 * 3600
"""API Gateway closes a WebSocket after two hours.
https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-execution-service-websocket-limits-table.html"""
DEFAULT_CONNECTION_TTL_SECONDS = MAX_CONNECTION_SECONDS + 600

MAX_ORIGINS_LENGTH = 2_000
"""The environment of a Lambda has 4 KB in all.
https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""

DEFAULT_MAX_CONNECTIONS_PER_TENANT = 5_000
MAX_MESSAGES_PER_SECOND = 1_000
DEFAULT_MESSAGES_PER_SECOND = 10
MAX_MESSAGE_BURST = 10_000
DEFAULT_MESSAGE_BURST = 20
MAX_FILTER_LENGTH = 4_096
"""As `formbridge.v1` has it."""
MIN_FRAME_BYTES = 1_024
MAX_FRAME_BYTES = 128 * 1024
"""API Gateway takes no longer message, by the page above; it bills each begun 32 KB of one."""
DEFAULT_MAX_FRAME_BYTES = 32 * 1024

JANITOR_SECONDS = 60
"""From one run of the janitor to the next: by then it has ended or is given up, as the next one does what it left."""
DELIVERY_RETRIES = 2
"""How often EventBridge hands a run to Lambda again while Lambda does not take it."""


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
    token_in_query: NotRequired[pulumi.Input[bool]]
    """Whether `?token=…` is taken at connect, for a client that can send its token in no header. A query ends in the
    logs of proxies and in browsers' histories, and whoever reads these has the token. Default: false."""
    max_connections_per_tenant: NotRequired[WholeNumber]
    """Connections that a tenant may have at a time; at least 1. Default: 5,000."""
    messages_per_second: NotRequired[WholeNumber]
    """Messages a second that one connection may send for long, from 1 to 1,000: what its token bucket is filled with.
    Default: 10."""
    message_burst: NotRequired[WholeNumber]
    """Messages that one connection may send at once, from 1 to 10,000: what its token bucket holds. Default: 20."""
    max_filter_length: NotRequired[WholeNumber]
    """Characters of a subscription's filter, as JSON; from 1 to 4,096. Default: 4,096."""
    max_frame_bytes: NotRequired[WholeNumber]
    """Bytes of a client's frame, from 1,024 to 131,072, the most that API Gateway takes. Default: 32,768, which it
    bills as one message."""
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
    once the client has subscribed. A row with another `SK` counts the tenant's connections."""
    connections_table_arn: pulumi.Output[str]
    """The ARN of that table."""
    broadcast_function_arn: pulumi.Output[str]
    """The Lambda that takes raw records of a `StreamTable`'s stream, and posts them to their tenants' dashboards."""

    def __init__(self, name: str, args: WebSocketGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-authenticate-function", MAX_FUNCTION_NAME)
        _checks.inputs(args, WebSocketGatewayArgs)
        self._inputs = _Inputs.of(args)
        super().__init__("formbridge:index:WebSocketGateway", name, {}, opts)
        self._name = name
        self._own = pulumi.ResourceOptions(parent=self)

        connections = self._connections_table()
        api = WebSocketApi(name, self, self._inputs.tags)
        authorizer = api.authorizer(self._authorize_function())
        connect = self._connect_function(connections)
        api.route("connect", "$connect", connect, authorizer=authorizer)
        api.route("disconnect", "$disconnect", connect)
        api.route("default", "$default", self._message_function(connections, api), replies=True)
        api.route("authenticate", "authenticate", self._authenticate_function(connections, api), replies=True)
        stage = api.stage(
            rate_limit=self._inputs.rate_limit,
            burst_limit=self._inputs.burst_limit,
            log_retention_days=self._inputs.log_retention_days,
        )
        broadcast = self._broadcast_function(connections, api)
        self._run_every_minute(self._janitor_function(connections, api))
        self.websocket_url = stage.invoke_url
        self.management_endpoint = api.management_endpoint
        self.manage_connections_arn = api.connections_arn("POST")
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
            point_in_time_recovery={"enabled": False},  # no connection outlives three hours
            ttl={"attribute_name": "ttl", "enabled": True},
            tags=self._inputs.tags,
            opts=self._own,
        )

    def _authorize_function(self) -> HandlerFunction:
        return self._function(
            "authorize",
            environment={
                **self._inputs.tokens.environment,
                "ALLOWED_ORIGINS": self._inputs.allowed_origins,
                "TOKEN_IN_QUERY": self._inputs.token_in_query.apply(lambda on: "true" if on else "false"),
            },
            statements=[],
            with_dependencies=True,
        )

    def _connect_function(self, connections: aws.dynamodb.Table) -> HandlerFunction:
        return self._function(
            "connect",
            environment={
                "CONNECTIONS_TABLE_NAME": connections.name,
                "CONNECTION_TTL_SECONDS": self._inputs.connection_ttl_seconds.apply(str),
                "MAX_CONNECTIONS": self._inputs.max_connections_per_tenant.apply(str),
            },
            statements=[
                Statement(["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"], [connections.arn])
            ],
        )

    def _message_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        environment = {**_posting_environment(connections, api), **self._inputs.limits.environment}
        statements = [Statement(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]), _may_post(api)]
        if table_arn := self._inputs.table_arn:
            environment["TABLE_NAME"] = table_arn.apply(lambda arn: arn.split("/")[-1])
            statements.append(Statement(["dynamodb:Query"], [pulumi.Output.concat(table_arn, "/index/", INDEX)]))
        return self._function("message", environment=environment, statements=statements)

    def _authenticate_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        return self._function(
            "authenticate",
            environment={
                **_posting_environment(connections, api),
                **self._inputs.limits.environment,
                **self._inputs.tokens.environment,
            },
            statements=[Statement(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]), _may_post(api)],
            with_dependencies=True,
        )

    def _broadcast_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        return self._function(
            "broadcast",
            environment=_posting_environment(connections, api),
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _may_post(api),
            ],
            timeout_seconds=60,
            memory_mb=512,
        )

    def _janitor_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        return self._function(
            "janitor",
            environment=_posting_environment(connections, api),
            statements=[
                Statement(["dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _may_post(api),
            ],
            timeout_seconds=JANITOR_SECONDS,
            memory_mb=512,
        )

    def _run_every_minute(self, janitor: HandlerFunction) -> None:
        """The janitor's schedule. A run that is lost is kept nowhere: the next one does its work."""
        name = f"{self._name}-janitor"
        rule = aws.cloudwatch.EventRule(
            f"{name}-rule",
            description="The gateway's janitor, once a minute",
            schedule_expression="rate(1 minute)",
            tags=self._inputs.tags,
            opts=self._own,
        )
        # By default Lambda runs what failed again after a minute, beside the next run, and keeps what it has no room
        # for up to six hours, to run all of it at once.
        aws.lambda_.FunctionEventInvokeConfig(
            f"{name}-retries",
            function_name=janitor.name,
            maximum_event_age_in_seconds=JANITOR_SECONDS,
            maximum_retry_attempts=0,
            opts=self._own,
        )
        may_invoke = aws.lambda_.Permission(
            f"{name}-permission",
            action="lambda:InvokeFunction",
            function=janitor.name,
            principal="events.amazonaws.com",
            source_arn=rule.arn,
            opts=self._own,
        )
        aws.cloudwatch.EventTarget(
            f"{name}-target",
            rule=rule.name,
            arn=janitor.arn,
            retry_policy={
                "maximum_event_age_in_seconds": JANITOR_SECONDS,
                "maximum_retry_attempts": DELIVERY_RETRIES,
            },
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_invoke]),
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


@dataclass(frozen=True)
class _Tokens:
    """Which tokens are taken."""

    issuer: pulumi.Output[str]
    audience: pulumi.Output[str]
    jwks_url: pulumi.Output[str]
    tenant_claim: pulumi.Output[str]

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "_Tokens":
        issuer = _urls.https_url("issuer", args["issuer"])
        jwks_url = _checks.optional(_urls.jwks_url, "jwks_url", args.get("jwks_url"))
        return cls(
            issuer=issuer,
            audience=_checks.text("audience", args["audience"]),
            jwks_url=jwks_url if jwks_url is not None else jwks_url_of(issuer),
            tenant_claim=_checks.text("tenant_claim", args.get("tenant_claim", DEFAULT_TENANT_CLAIM)),
        )

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """As the Lambdas that verify tokens read it."""
        return {
            "ISSUER": self.issuer,
            "AUDIENCE": self.audience,
            "JWKS_URL": self.jwks_url,
            "TENANT_CLAIM": self.tenant_claim,
        }


@dataclass(frozen=True)
class _Limits:
    """What one connection may send."""

    messages_per_second: pulumi.Output[int]
    message_burst: pulumi.Output[int]
    max_filter_length: pulumi.Output[int]
    max_frame_bytes: pulumi.Output[int]

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "_Limits":
        return cls(
            messages_per_second=_checks.whole_number(
                "messages_per_second",
                args.get("messages_per_second", DEFAULT_MESSAGES_PER_SECOND),
                1,
                MAX_MESSAGES_PER_SECOND,
            ),
            message_burst=_checks.whole_number(
                "message_burst", args.get("message_burst", DEFAULT_MESSAGE_BURST), 1, MAX_MESSAGE_BURST
            ),
            max_filter_length=_checks.whole_number(
                "max_filter_length", args.get("max_filter_length", MAX_FILTER_LENGTH), 1, MAX_FILTER_LENGTH
            ),
            max_frame_bytes=_checks.whole_number(
                "max_frame_bytes",
                args.get("max_frame_bytes", DEFAULT_MAX_FRAME_BYTES),
                MIN_FRAME_BYTES,
                MAX_FRAME_BYTES,
            ),
        )

    @property
    def environment(self) -> dict[str, pulumi.Input[str]]:
        """As the Lambdas that answer frames read it."""
        return {
            "MESSAGES_PER_SECOND": self.messages_per_second.apply(str),
            "MESSAGE_BURST": self.message_burst.apply(str),
            "MAX_FILTER_LENGTH": self.max_filter_length.apply(str),
            "MAX_FRAME_BYTES": self.max_frame_bytes.apply(str),
        }


@dataclass(frozen=True)
class _Inputs:
    """A gateway's inputs, checked, with their defaults."""

    tokens: _Tokens
    limits: _Limits
    table_arn: pulumi.Output[str] | None
    allowed_origins: pulumi.Output[str]
    """With spaces between."""
    token_in_query: pulumi.Output[bool]
    max_connections_per_tenant: pulumi.Output[int]
    connection_ttl_seconds: pulumi.Output[int]
    rate_limit: pulumi.Output[int]
    burst_limit: pulumi.Output[int]
    log_retention_days: pulumi.Output[int]
    package_for: str
    tags: Tags | None

    @classmethod
    def of(cls, args: WebSocketGatewayArgs) -> "_Inputs":
        return cls(
            tokens=_Tokens.of(args),
            limits=_Limits.of(args),
            table_arn=_checks.optional(_checks.table_arn, "table_arn", args.get("table_arn")),
            allowed_origins=_origins(args),
            token_in_query=_checks.boolean("token_in_query", args.get("token_in_query", False)),
            max_connections_per_tenant=_checks.whole_number(
                "max_connections_per_tenant",
                args.get("max_connections_per_tenant", DEFAULT_MAX_CONNECTIONS_PER_TENANT),
                1,
            ),
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


def _posting_environment(connections: aws.dynamodb.Table, api: WebSocketApi) -> dict[str, pulumi.Input[str]]:
    """Where connections are found, and posted to."""
    return {"CONNECTIONS_TABLE_NAME": connections.name, "MANAGEMENT_ENDPOINT": api.management_endpoint}


def _may_post(api: WebSocketApi) -> Statement:
    """May post to connections, and close them."""
    return Statement(["execute-api:ManageConnections"], [api.connections_arn("POST"), api.connections_arn("DELETE")])
