"""The WebSocket that dashboards connect to: who may, what they ask, and the Lambdas that post to them."""

from collections.abc import Sequence

import pulumi
import pulumi_aws as aws

from . import _checks
from ._fanout_queue import fanout_queue
from ._function import HandlerFunction
from ._gateway_inputs import Inputs, WebSocketGatewayArgs
from ._iam import Statement
from ._janitor_schedule import JANITOR_SECONDS, run_every_minute
from ._naming import MAX_FUNCTION_NAME, check_name
from ._queue_mapping import FUNCTION_SECONDS, map_queue, may_work_off
from ._websocket_api import WebSocketApi
from .stream_table import INDEX


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
        _checks.inputs(args, WebSocketGatewayArgs)
        self._inputs = Inputs.of(args)
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
        queue = fanout_queue(f"{name}-fanout", self, self._inputs.tags, self._inputs.alarm_topic_arn)
        broadcast = self._broadcast_function(connections, api, queue)
        fanout = self._fanout_function(connections, api, queue)
        map_queue(f"{name}-fanout", queue.arn, fanout, self._inputs.posting.fanout_concurrency, self, self._inputs.tags)
        run_every_minute(f"{name}-janitor", self._janitor_function(connections, api), self, self._inputs.tags)
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
                "CONNECTION_SHARDS": self._inputs.posting.connection_shards.apply(str),
            },
            statements=[],
            requirements=["tokens"],
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
        environment = {**self._posting_environment(connections, api), **self._inputs.limits.environment}
        statements = [Statement(["dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]), _may_post(api)]
        if table_arn := self._inputs.table_arn:
            environment["TABLE_NAME"] = table_arn.apply(lambda arn: arn.split("/")[-1])
            statements.append(Statement(["dynamodb:Query"], [pulumi.Output.concat(table_arn, "/index/", INDEX)]))
        return self._function("message", environment=environment, statements=statements, requirements=["posting"])

    def _authenticate_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        return self._function(
            "authenticate",
            environment={
                **self._posting_environment(connections, api),
                **self._inputs.limits.environment,
                **self._inputs.tokens.environment,
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
                "FAILURE_IDENTIFIER": self._inputs.posting.failure_identifier,
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
                may_work_off(queue.arn),
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

    def _posting_environment(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> dict[str, pulumi.Input[str]]:
        """Where connections are found, and posted to, and how fast."""
        return {
            "CONNECTIONS_TABLE_NAME": connections.name,
            "MANAGEMENT_ENDPOINT": api.management_endpoint,
            "POSTS_PER_SECOND": self._inputs.posting.posts_per_second.apply(str),
        }

    def _fanout_environment(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> dict[str, pulumi.Input[str]]:
        """The same, and where the work goes that is too much for one Lambda."""
        return {
            **self._posting_environment(connections, api),
            "FANOUT_QUEUE_URL": queue.url,
            "FANOUT_THRESHOLD": self._inputs.posting.fanout_threshold.apply(str),
        }

    def _function(
        self,
        entry_point: str,
        *,
        environment: dict[str, pulumi.Input[str]],
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
            package_for=self._inputs.package_for,
            requirements=requirements,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            log_retention_days=self._inputs.log_retention_days,
            tags=self._inputs.tags,
            opts=self._own,
        )


def _may_post(api: WebSocketApi) -> Statement:
    """May post to connections, and close them."""
    return Statement(["execute-api:ManageConnections"], [api.connections_arn("POST"), api.connections_arn("DELETE")])
