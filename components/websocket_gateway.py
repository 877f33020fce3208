"""WebSocket API to which dashboards connect, with its Lambdas and its connections table.

Example:
    from components import StreamTable, WebSocketGateway

    table = StreamTable("submissions", {})
    gateway = WebSocketGateway(
        "gateway",
        {"access": {"issuer": "https://login.example.com", "audience": "dashboards"}, "table_arn": table.table_arn},
    )
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._checks import IntegerInput
from ._encryption import READ, SEND, allow_key_use, encrypt_table
from ._fanout_queue import create_fanout_queue
from ._function import DEFAULT_LOG_RETENTION_DAYS, HandlerFunction
from ._gateway_access import GatewayAccess, GatewayAccessArgs
from ._gateway_concurrency import GatewayConcurrency, GatewayConcurrencyArgs
from ._gateway_limits import GatewayLimits, GatewayLimitsArgs
from ._gateway_posting import DEFAULT_BROADCAST_CONCURRENCY, GatewayPosting, GatewayPostingArgs
from ._iam import Statement
from ._janitor_schedule import JANITOR_SECONDS, run_every_minute
from ._naming import MAX_FUNCTION_NAME, check_name
from ._packaging import DEFAULT_PACKAGE_FOR, check_package_for
from ._queue_mapping import FUNCTION_SECONDS, allow_receive, map_queue
from ._tags import Tags
from ._user_hash_key import create_user_hash_key
from ._websocket_api import WebSocketApi

if TYPE_CHECKING:
    from formbridge.runtime import keys
else:
    from ._formbridge.runtime import keys

Environment = dict[str, pulumi.Input[str]]
"""Environment variables of a Lambda: values by name."""


class WebSocketGatewayArgs(TypedDict):
    """The inputs of a `WebSocketGateway`."""

    access: GatewayAccessArgs
    """Which clients may connect: the issuer and the audience of their tokens, and the origins of web pages."""
    table_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the submissions table, a `StreamTable`. Snapshots and resumes read this table. Default: none.
    Snapshots are then empty, and clients cannot resume from a cursor. Clients get only the updates that are posted
    while they are connected."""
    stream_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of the table's stream, an output of `StreamTable`. If the table is replaced by one that was restored from
    a backup, its stream is another, and the dashboards start anew. Default: none. The dashboards then keep the
    submissions of the previous table until they are loaded again."""
    limits: NotRequired[GatewayLimitsArgs]
    """Limits on tenants, connections and messages. Default: the default of each limit."""
    posting: NotRequired[GatewayPostingArgs]
    """How Lambdas post frames: rate, concurrency and fan-out. Default: the default of each input."""
    concurrency: NotRequired[GatewayConcurrencyArgs]
    """Reserved concurrency of the Lambdas. Default: nothing is reserved."""
    log_retention_days: NotRequired[IntegerInput]
    """Days for which CloudWatch keeps the logs; a value that CloudWatch accepts, such as 14, 30, 90 or 365.
    Default: 14."""
    kms_key_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of a KMS key of your account that encrypts the connections table, the revocations table, the fan-out
    queues and the logs. It must also be the key of the submissions table, if that has such a key. Default: none. Keys
    of AWS then encrypt them."""
    alarm_topic_arn: NotRequired[pulumi.Input[str] | None]
    """The ARN of an SNS topic that gets an alarm when a fan-out task has failed ten times. Default: none. The alarm is
    then only visible in CloudWatch."""
    deletion_protection: NotRequired[bool]
    """Whether Pulumi and DynamoDB refuse to delete the revocations table. Pulumi then refuses a replacement in the
    preview. Default: false."""
    package_for: NotRequired[str]
    """The machine that runs the Lambdas: `lambda`, or `host` for an emulator on this machine. Default: `lambda`."""
    tags: NotRequired[Tags]
    """Tags of every resource that supports tags. Default: none."""


class WebSocketGateway(pulumi.ComponentResource):
    """An API Gateway WebSocket API for the protocol `formbridge.v1`.

    The component creates the API, its authorizer, the Lambdas, the connections table, the revocations table and the
    fan-out queue. The stage of the API limits the rate of each route and has an access log. The account must have a
    role in this region with which API Gateway writes logs; see `ApiGatewayLogRole`.
    """

    websocket_url: pulumi.Output[str]
    """The URL to which clients connect: `wss://…/live`."""
    management_endpoint: pulumi.Output[str]
    """The URL of the API Gateway Management API. Your own Lambda needs it to post to connections."""
    manage_connections_arn: pulumi.Output[str]
    """The ARN of posts to connections. To post, your own Lambda needs the permission `execute-api:ManageConnections` on
    this ARN."""
    connections_table_name: pulumi.Output[str]
    """The name of the connections table. The row of a connection has the sort key `SK` = `CONN#{connection_id}`. Its
    partition key `PK` is `TENANT#{tenant_id}` in the first shard of the tenant, and `TENANT#{tenant_id}#{n}` in each
    further shard; see `connection_shards`. Its attribute `subscribed` is true while the client has a subscription. The
    other rows are not connections: `TENANT` counts the connections of the tenant, `FILTERS` has the tenant's
    subscription filters, and `USER#{hash}` has the connections of a user."""
    connections_table_arn: pulumi.Output[str]
    """The ARN of the connections table."""
    revocations_table_name: pulumi.Output[str]
    """The name of the revocations table, which `python -m tools revoke` writes."""
    user_hash_key_parameter: pulumi.Output[str]
    """The name of the SSM parameter with the key of the hashes that stand for users in rows and logs."""
    broadcast_function_arn: pulumi.Output[str]
    """The ARN of the broadcast Lambda, for the input `function_arn` of a `RealtimePipe`. The Lambda receives raw stream
    records of a `StreamTable`, and posts each change to the dashboards of the tenant."""
    fanout_queue_url: pulumi.Output[str]
    """The URL of the fan-out queue, for a `DeadLetterResync`. Fan-out Lambdas receive fan-out tasks from this queue."""
    fanout_queue_arn: pulumi.Output[str]
    """The ARN of the fan-out queue, for a `DeadLetterResync`."""

    def __init__(self, name: str, args: WebSocketGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-authenticate-function", MAX_FUNCTION_NAME)
        _checks.check_fields(args, WebSocketGatewayArgs)
        self._access = GatewayAccess.check(args["access"], _checks.qualify("access"))
        self._limits = GatewayLimits.check(args.get("limits", {}), _checks.qualify("limits"))
        self._posting = GatewayPosting.check(args.get("posting", {}), _checks.qualify("posting"))
        self._concurrency = GatewayConcurrency.check(
            args.get("concurrency", {}),
            _checks.qualify("concurrency"),
            args.get("posting", {}).get("broadcast_concurrency", DEFAULT_BROADCAST_CONCURRENCY),
            "posting.broadcast_concurrency",
        )
        self._table_arn = _checks.check_optional(_checks.table_arn, "table_arn", args.get("table_arn"))
        self._stream_arn = _checks.check_optional(_checks.stream_arn, "stream_arn", args.get("stream_arn"))
        self._log_retention_days = _checks.log_retention(
            "log_retention_days", args.get("log_retention_days", DEFAULT_LOG_RETENTION_DAYS)
        )
        alarm_topic_arn = _checks.check_optional(_checks.topic_arn, "alarm_topic_arn", args.get("alarm_topic_arn"))
        self._kms_key_arn = _checks.check_optional(_checks.key_arn, "kms_key_arn", args.get("kms_key_arn"))
        self._is_protected = _checks.plain_boolean("deletion_protection", args.get("deletion_protection", False))
        self._package_for = check_package_for("package_for", args.get("package_for", DEFAULT_PACKAGE_FOR))
        self._tags = args.get("tags")
        super().__init__("formbridge:index:WebSocketGateway", name, {}, opts)
        self._name = name
        self._child_options = pulumi.ResourceOptions(parent=self)

        connections = self._create_connections_table()
        revocations = self._create_revocations_table()
        user_hash_key = create_user_hash_key(name, self, self._tags)
        token_environment: Environment = {**self._access.token_environment, "USER_HASH_KEY": user_hash_key.value}
        api = WebSocketApi(name, self, self._tags)
        authorizer = api.create_authorizer(self._create_authorize_function(token_environment))
        limits = self._limits
        connect = self._create_connect_function(connections, revocations, api)
        api.add_route("connect", "$connect", connect, throttle=limits.connect_throttle, authorizer=authorizer)
        api.add_route("disconnect", "$disconnect", connect, throttle=limits.disconnect_throttle)
        api.add_route(
            "default",
            "$default",
            self._create_message_function(connections, api),
            throttle=limits.default_throttle,
            replies=True,
        )
        api.add_route(
            "authenticate",
            "authenticate",
            self._create_authenticate_function(connections, revocations, api, token_environment),
            throttle=limits.authenticate_throttle,
            replies=True,
        )
        stage = api.create_stage(
            default_throttle=limits.default_throttle,
            log_retention_days=self._log_retention_days,
            kms_key_arn=self._kms_key_arn,
        )
        queue = create_fanout_queue(f"{name}-fanout", self, self._tags, alarm_topic_arn, self._kms_key_arn)
        broadcast = self._create_broadcast_function(connections, api, queue)
        fanout = self._create_fanout_function(connections, api, queue)
        map_queue(f"{name}-fanout", queue.arn, fanout, self._posting.fanout_concurrency, self, self._tags)
        janitor = self._create_janitor_function(connections, revocations, api)
        run_every_minute(f"{name}-janitor", janitor, self, self._tags)
        self.websocket_url = stage.invoke_url
        self.management_endpoint = api.management_endpoint
        self.manage_connections_arn = api.build_connections_arn("POST")
        self.connections_table_name = connections.name
        self.connections_table_arn = connections.arn
        self.revocations_table_name = revocations.name
        self.user_hash_key_parameter = user_hash_key.name
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
                "revocations_table_name": self.revocations_table_name,
                "user_hash_key_parameter": self.user_hash_key_parameter,
                "broadcast_function_arn": self.broadcast_function_arn,
                "fanout_queue_url": self.fanout_queue_url,
                "fanout_queue_arn": self.fanout_queue_arn,
            }
        )

    def _create_connections_table(self) -> aws.dynamodb.Table:
        """Create the connections table.

        Connections have their own table, because their changes must not appear in the stream of the submissions table.
        """
        return aws.dynamodb.Table(
            f"{self._name}-connections",
            billing_mode="PAY_PER_REQUEST",
            hash_key="PK",
            range_key="SK",
            attributes=[{"name": key, "type": "S"} for key in ("PK", "SK")],
            server_side_encryption=encrypt_table(self._kms_key_arn),
            point_in_time_recovery={"enabled": False},  # no backup is needed: every connection ends within three hours
            ttl={"attribute_name": "ttl", "enabled": True},
            tags=self._tags,
            opts=self._child_options,
        )

    def _create_revocations_table(self) -> aws.dynamodb.Table:
        """Create the revocations table.

        Revocations have their own table, because they must not be lost. It has point-in-time recovery, which the
        connections do not need.
        """
        return aws.dynamodb.Table(
            f"{self._name}-revocations",
            billing_mode="PAY_PER_REQUEST",
            hash_key="PK",
            range_key="SK",
            attributes=[{"name": key, "type": "S"} for key in ("PK", "SK", keys.REVOCATIONS_INDEX_KEY)],
            global_secondary_indexes=[
                {
                    "name": keys.REVOCATIONS_INDEX,
                    "key_schemas": [{"attribute_name": keys.REVOCATIONS_INDEX_KEY, "key_type": "HASH"}],
                    "projection_type": "ALL",
                }
            ],
            server_side_encryption=encrypt_table(self._kms_key_arn),
            point_in_time_recovery={"enabled": True},
            deletion_protection_enabled=self._is_protected,
            ttl={"attribute_name": "ttl", "enabled": True},
            tags=self._tags,
            # Not False, which would undo the `protect` of the component.
            opts=pulumi.ResourceOptions(parent=self, protect=self._is_protected or None),
        )

    def _create_authorize_function(self, token_environment: Environment) -> HandlerFunction:
        """Create the authorizer, which verifies the token of a new connection."""
        return self._create_function(
            "authorize",
            environment={
                **token_environment,
                **self._access.handshake_environment,
                **self._posting.authorize_environment,
            },
            statements=[],
            key_actions=(),
            requirements=["tokens"],
            reserved_concurrency=self._concurrency.authorize,
        )

    def _create_connect_function(
        self, connections: aws.dynamodb.Table, revocations: aws.dynamodb.Table, api: WebSocketApi
    ) -> HandlerFunction:
        """Create the Lambda that adds and removes the rows of connections.

        A client can send a frame whose `action` is `$connect` or `$disconnect`, and API Gateway routes it to this
        Lambda. So the Lambda may close the connection of a client that sends too many, and of a client that has no row
        because a limit was reached: it then reads the user's row to say which limit.
        """
        return self._create_function(
            "connect",
            environment={
                **self._build_posting_environment(connections, api),
                "REVOCATIONS_TABLE_NAME": revocations.name,
                **self._limits.connect_environment,
            },
            statements=[
                Statement(
                    ["dynamodb:PutItem", "dynamodb:DeleteItem", "dynamodb:UpdateItem", "dynamodb:GetItem"],
                    [connections.arn],
                ),
                Statement(["dynamodb:BatchGetItem"], [revocations.arn]),
                _allow_posts(api),
            ],
            requirements=["posting"],
            reserved_concurrency=self._concurrency.connect,
        )

    def _create_message_function(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> HandlerFunction:
        """Create the Lambda that replies to all requests of clients, except `authenticate`."""
        environment = {**self._build_posting_environment(connections, api), **self._limits.message_environment}
        # The tenant's row contains the epoch of the submissions, and the user's row the connections of the user.
        statements = [
            Statement(["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
            _allow_posts(api),
        ]
        if self._stream_arn is not None:
            environment["STREAM_ARN"] = self._stream_arn
        if self._table_arn is not None:
            environment["TABLE_NAME"] = self._table_arn.apply(lambda arn: arn.split("/")[-1])
            index_arn = pulumi.Output.concat(self._table_arn, "/index/", keys.SUBMISSIONS_INDEX)
            statements.append(Statement(["dynamodb:Query"], [index_arn]))
            statements.append(Statement(["dynamodb:BatchGetItem"], [self._table_arn]))
        return self._create_function(
            "message",
            environment=environment,
            statements=statements,
            requirements=["posting"],
            reserved_concurrency=self._concurrency.message,
        )

    def _create_authenticate_function(
        self,
        connections: aws.dynamodb.Table,
        revocations: aws.dynamodb.Table,
        api: WebSocketApi,
        token_environment: Environment,
    ) -> HandlerFunction:
        """Create the Lambda that replies to `authenticate`: it extends a connection with a newer token."""
        return self._create_function(
            "authenticate",
            environment={
                **self._build_posting_environment(connections, api),
                "REVOCATIONS_TABLE_NAME": revocations.name,
                **self._limits.message_environment,
                **token_environment,
            },
            statements=[
                Statement(["dynamodb:GetItem", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                Statement(["dynamodb:BatchGetItem"], [revocations.arn]),
                _allow_posts(api),
            ],
            requirements=["tokens", "posting"],
        )

    def _create_broadcast_function(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> HandlerFunction:
        """Create the Lambda that posts changes to the dashboards of their tenants."""
        return self._create_function(
            "broadcast",
            environment={
                **self._build_fanout_environment(connections, api, queue),
                **self._posting.broadcast_environment,
            },
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _allow_posts(api),
                Statement(["sqs:SendMessage"], [queue.arn]),
            ],
            key_actions=SEND,
            requirements=["posting"],
            timeout_seconds=60,
            memory_mb=512,
            reserved_concurrency=self._concurrency.broadcast,
        )

    def _create_fanout_function(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> HandlerFunction:
        """Create the Lambda that processes the fan-out queue."""
        return self._create_function(
            "fanout",
            environment=self._build_fanout_environment(connections, api, queue),
            statements=[
                Statement(["dynamodb:Query", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                _allow_posts(api),
                allow_receive(queue.arn),
                # A fan-out Lambda divides a fan-out task that is too large, and sends the parts to the same queue.
                Statement(["sqs:SendMessage"], [queue.arn]),
            ],
            key_actions=SEND,
            requirements=["posting"],
            timeout_seconds=FUNCTION_SECONDS,
            memory_mb=512,
        )

    def _create_janitor_function(
        self, connections: aws.dynamodb.Table, revocations: aws.dynamodb.Table, api: WebSocketApi
    ) -> HandlerFunction:
        """Create the janitor, which closes expired and revoked connections, posts missed resyncs, removes old rows."""
        return self._create_function(
            "janitor",
            environment={
                **self._build_posting_environment(connections, api),
                "REVOCATIONS_TABLE_NAME": revocations.name,
            },
            statements=[
                Statement(["dynamodb:Scan", "dynamodb:UpdateItem", "dynamodb:DeleteItem"], [connections.arn]),
                Statement(
                    ["dynamodb:Scan"], [pulumi.Output.concat(revocations.arn, "/index/", keys.REVOCATIONS_INDEX)]
                ),
                _allow_connection_requests(api, "POST", "DELETE", "GET"),
            ],
            requirements=["posting"],
            timeout_seconds=JANITOR_SECONDS,
            memory_mb=512,
        )

    def _build_posting_environment(self, connections: aws.dynamodb.Table, api: WebSocketApi) -> Environment:
        """Return the environment variables of every Lambda that posts."""
        return {
            "CONNECTIONS_TABLE_NAME": connections.name,
            "MANAGEMENT_ENDPOINT": api.management_endpoint,
            **self._posting.posting_environment,
        }

    def _build_fanout_environment(
        self, connections: aws.dynamodb.Table, api: WebSocketApi, queue: aws.sqs.Queue
    ) -> Environment:
        """Return the environment variables of the Lambdas that post and send to the fan-out queue."""
        return {
            **self._build_posting_environment(connections, api),
            "FANOUT_QUEUE_URL": queue.url,
            **self._posting.fanout_environment,
        }

    def _create_function(
        self,
        entry_point: str,
        *,
        environment: Environment,
        statements: Sequence[Statement],
        key_actions: Sequence[str] = READ,
        requirements: Sequence[str] = (),
        timeout_seconds: int = 10,
        memory_mb: int = 256,
        reserved_concurrency: pulumi.Input[int] | None = None,
    ) -> HandlerFunction:
        """Create a Lambda with the inputs that all Lambdas of the gateway share.

        `key_actions` are the actions that the Lambda needs on the KMS key, if there is one.
        """
        return HandlerFunction(
            f"{self._name}-{entry_point}",
            entry_point,
            environment=environment,
            statements=[*statements, *allow_key_use(self._kms_key_arn, key_actions)],
            package_for=self._package_for,
            requirements=requirements,
            timeout_seconds=timeout_seconds,
            memory_mb=memory_mb,
            log_retention_days=self._log_retention_days,
            kms_key_arn=self._kms_key_arn,
            reserved_concurrency=reserved_concurrency,
            tags=self._tags,
            opts=self._child_options,
        )


def _allow_posts(api: WebSocketApi) -> Statement:
    """Return the permission to post to connections and to close connections."""
    return _allow_connection_requests(api, "POST", "DELETE")


def _allow_connection_requests(api: WebSocketApi, *methods: str) -> Statement:
    """Return the permission to make requests with these HTTP methods to `@connections`."""
    return Statement(["execute-api:ManageConnections"], [api.build_connections_arn(method) for method in methods])
