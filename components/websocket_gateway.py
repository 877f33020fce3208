"""The WebSocket API that dashboards connect to, its Lambdas and its connections table."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._checks import IntegerInput
from ._fanout_queue import fanout_queue
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._gateway_access import GatewayAccess, GatewayAccessArgs
from ._gateway_limits import GatewayLimits, GatewayLimitsArgs
from ._gateway_posting import GatewayPosting, GatewayPostingArgs
from ._iam import Statement
from ._janitor_schedule import JANITOR_SECONDS, run_every_minute
from ._naming import MAX_FUNCTION_NAME, check_name
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._queue_mapping import FUNCTION_SECONDS, map_queue, may_receive
from ._tags import Tags
from ._websocket_api import WebSocketApi

if TYPE_CHECKING:
    from formbridge.runtime import keys
else:
    from ._formbridge.runtime import keys

Environment = dict[str, pulumi.Input[str]]


class WebSocketGatewayArgs(TypedDict):
    """The inputs of a `WebSocketGateway`."""

    access: GatewayAccessArgs
    """Who may connect: the issuer and the audience of tokens, and the origins of web pages."""
    table_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the submissions table, a `StreamTable`, that snapshots and resumes read. Default: none. Clients then
    get only what is posted while they are connected: a snapshot is empty, and no cursor can be resumed."""
    limits: NotRequired[GatewayLimitsArgs]
    """Limits on tenants, connections and messages. Default: the default of each limit."""
    posting: NotRequired[GatewayPostingArgs]
    """How changes are posted: rate, concurrency and fan-out. Default: the default of each input."""
    log_retention_days: NotRequired[IntegerInput]
    """Days that CloudWatch keeps the logs; a value that CloudWatch accepts, such as 14, 30, 90 or 365. Default: 14."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that gets an alarm when a fan-out task has failed ten times. Default: none, the alarm is
    only visible in CloudWatch."""
    package_for: NotRequired[str]
    """The machine that runs the Lambdas: `lambda`, or `host` for an emulator on this machine. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every resource that supports tags. Default: none."""


class WebSocketGateway(pulumi.ComponentResource):
    """An API Gateway WebSocket that speaks `formbridge.v1`, with its authorizer, its connections and its Lambdas."""

    websocket_url: pulumi.Output[str]
    """Where clients connect: `wss://…/live`."""
    management_endpoint: pulumi.Output[str]
    """Where a Lambda of your own posts to connections: the endpoint of the API Gateway Management API."""
    manage_connections_arn: pulumi.Output[str]
    """What such a Lambda is granted `execute-api:ManageConnections` on, to post to connections."""
    connections_table_name: pulumi.Output[str]
    """The table of connections: `PK` is `TENANT#{tenant_id}`, and `TENANT#{tenant_id}#{n}` for the second and every
    further one of `connection_shards`; `SK` is `CONN#{connection_id}`, and `subscribed` is true once the client has
    subscribed. A row with another `SK` counts the tenant's connections."""
    connections_table_arn: pulumi.Output[str]
    """The ARN of that table."""
    broadcast_function_arn: pulumi.Output[str]
    """The Lambda that takes raw records of a `StreamTable`'s stream, and posts them to their tenants' dashboards."""
    fanout_queue_url: pulumi.Output[str]
    """The queue from which fan-out Lambdas post what is for many connections, for a `DeadLetterResync`."""
    fanout_queue_arn: pulumi.Output[str]
    """The ARN of that queue."""

    def __init__(self, name: str, args: WebSocketGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-authenticate-function", MAX_FUNCTION_NAME)
        _checks.fields(args, WebSocketGatewayArgs)
        self._access = GatewayAccess.check(args["access"], _checks.below("access"))
        self._limits = GatewayLimits.check(args.get("limits", {}), _checks.below("limits"))
        self._posting = GatewayPosting.check(args.get("posting", {}), _checks.below("posting"))
        self._table_arn = _checks.optional(_checks.table_arn, "table_arn", args.get("table_arn"))
        self._log_retention_days = _checks.log_retention(
            "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
        )
        alarm_topic_arn = _checks.optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        self._package_for = check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR))
        self._tags = args.get("tags")
        super().__init__("formbridge:index:WebSocketGateway", name, {}, opts)
        self._name = name
        self._own = pulumi.ResourceOptions(parent=self)

        connections = self._connections_table()
        api = WebSocketApi(name, self, self._tags)
        authorizer = api.authorizer(self._authorize_function())
        connect = self._connect_function(connections)
        api.route("connect", "$connect", connect, authorizer=authorizer)
        api.route("disconnect", "$disconnect", connect)
        api.route("default", "$default", self._message_function(connections, api), replies=True)
        api.route("authenticate", "authenticate", self._authenticate_function(connections, api), replies=True)
        stage = api.stage(
            rate_limit=self._limits.rate_limit,
            burst_limit=self._limits.burst_limit,
            log_retention_days=self._log_retention_days,
        )
        queue = fanout_queue(f"{name}-fanout", self, self._tags, alarm_topic_arn)
        broadcast = self._broadcast_function(connections, api, queue)
        fanout = self._fanout_function(connections, api, queue)
        map_queue(f"{name}-fanout", queue.arn, fanout, self._posting.fanout_concurrency, self, self._tags)
        run_every_minute(f"{name}-janitor", self._janitor_function(connections, api), self, self._tags)
        self.websocket_url = stage.invoke_url
        self.management_endpoint = api.management_endpoint
        self.manage_connections_arn = api.connections_arn("POST")
        self.connections_table_name = connections.name
        self.connections_table_arn = connections.arn
        self.broadcast_function_arn = broadcast.arn
        self.fanout_queue_url = queue.url
        self.fanout_queue_arn = queue.arn
        self.register_outputs(
            {
                "websocket_url": self.websocket_url,
                "management_endpoint": self.management_endpoint,
                "manage_connections_arn": self.manage_connections_arn,
                "connections_table_name": self.connections_table_name,
                "connections_table_arn": self.connections_table_arn,
                "broadcast_function_arn": self.broadcast_function_arn,
                "fanout_queue_url": self.fanout_queue_url,
                "fanout_queue_arn": self.fanout_queue_arn,
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
            tags=self._tags,
            opts=self._own,
        )

    def _authorize_function(self) -> HandlerFunction:
        return self._function(
            "authorize",
            environment={
                **self._access.token_environment,
                **self._access.handshake_environment,
                **self._posting.authorize_environment,
            },
            statements=[],
            requirements=["tokens"],
        )

    def _connect_function(self, connections: aws.dynamodb.Table) -> HandlerFunction:
        return self._function(
            "connect",
            environment={"CONNECTIONS_TABLE_NAME": connections.name, **self._limits.connect_environment},
            statements=[
                Statement(["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem"], [connections.arn])
            ],
        )

    def _message_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        environment = {**self._posting_environment(connections, api), **self._limits.message_environment}
        statements = [Statement(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]), _may_post(api)]
        if self._table_arn is not None:
            environment["TABLE_NAME"] = self._table_arn.apply(lambda arn: arn.split("/")[-1])
            index_arn = pulumi.Output.concat(self._table_arn, "/index/", keys.SUBMISSIONS_INDEX)
            statements.append(Statement(["dynamodb:Query"], [index_arn]))
        return self._function("message", environment=environment, statements=statements, requirements=["posting"])

    def _authenticate_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        return self._function(
            "authenticate",
            environment={
                **self._posting_environment(connections, api),
                **self._limits.message_environment,
                **self._access.token_environment,
            },
            statements=[Statement(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]), _may_post(api)],
            requirements=["tokens", "posting"],
        )

    def _broadcast_function(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> HandlerFunction:
        return self._function(
            "broadcast",
            environment={
                **self._fanout_environment(connections, api, queue),
                **self._posting.broadcast_environment,
            },
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _may_post(api),
                Statement(["sqs:SendMessage"], [queue.arn]),
            ],
            requirements=["posting"],
            timeout_seconds=60,
            memory_mb=512,
        )

    def _fanout_function(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> HandlerFunction:
        return self._function(
            "fanout",
            environment=self._fanout_environment(connections, api, queue),
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _may_post(api),
                may_receive(queue.arn),
                # Work for a large tenant comes back to the queue in parts.
                Statement(["sqs:SendMessage"], [queue.arn]),
            ],
            requirements=["posting"],
            timeout_seconds=FUNCTION_SECONDS,
            memory_mb=512,
        )

    def _janitor_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        return self._function(
            "janitor",
            environment=self._posting_environment(connections, api),
            statements=[
                Statement(["dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _may_post(api),
            ],
            requirements=["posting"],
            timeout_seconds=JANITOR_SECONDS,
            memory_mb=512,
        )

    def _posting_environment(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> Environment:
        """Where connections are found, and posted to, and how fast."""
        return {
            "CONNECTIONS_TABLE_NAME": connections.name,
            "MANAGEMENT_ENDPOINT": api.management_endpoint,
            **self._posting.posting_environment,
        }

    def _fanout_environment(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> Environment:
        """The same, and where the work goes that is too much for one Lambda."""
        return {
            **self._posting_environment(connections, api),
            "FANOUT_QUEUE_URL": queue.url,
            **self._posting.fanout_environment,
        }

    def _function(
        self,
        entry_point: str,
        *,
        environment: Environment,
        statements: Sequence[Statement],
        requirements: Sequence[str] = (),
        timeout_seconds: int = 10,
        memory_mb: int = 256,
    ) -> HandlerFunction:
        return HandlerFunction(
            f"{self._name}-{entry_point}",
            entry_point,
            environment=environment,
            statements=statements,
            package_for=self._package_for,
            requirements=requirements,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            log_retention_days=self._log_retention_days,
            tags=self._tags,
            opts=self._own,
        )


def _may_post(api: WebSocketApi) -> Statement:
    """May post to connections, and close them."""
    return Statement(["execute-api:ManageConnections"], [api.connections_arn("POST"), api.connections_arn("DELETE")])
