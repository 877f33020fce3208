"""What happens around the gateway: the form product writes, an administrator changes the stack, time goes by."""

from __future__ import annotations

import json
import time
import uuid
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.table import ConnectionsTable
from formbridge.runtime import keys
from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from formbridge.submissions.submission import Submission
from local.emulator_client import client
from tests.support.conformance.wire import PATIENCE, Frame
from tests.support.handlers.builders import image, message_event, submission
from tests.support.handlers.region import put_revocation

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import WriteRequestTypeDef
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef, RuleTypeDef
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_lambda.type_defs import EnvironmentTypeDef

    from formbridge.revocations.revocation import Revocation, Target
    from local.stack import Stack

BATCH_WRITE = 25
"""Items that DynamoDB takes at once."""


@dataclass(frozen=True)
class Backstage:
    """The stack, as those see it who run it."""

    stack: Stack

    # --- The form product: events on the bus -----------------------------------------------------------------

    def received(self, tenant_id: str, form_id: str = "contact", **fields: object) -> str:
        """One `submission.received`; its submission's id."""
        submission_id = f"sub-{uuid.uuid4()}"
        self._put("submission.received", tenant_id, submission_id, form_id, fields)
        return submission_id

    def create_again(self, tenant_id: str, submission_id: str) -> None:
        """One `submission.received` with the id of a submission that was there before."""
        self._put("submission.received", tenant_id, submission_id, "contact", {})

    def updated(self, tenant_id: str, submission_id: str, status: str, form_id: str = "contact") -> None:
        """One `submission.updated`."""
        fields = {"status": status, "updated_at": to_iso(now_ms())}
        self._put("submission.updated", tenant_id, submission_id, form_id, fields)

    def _put(self, kind: str, tenant_id: str, submission_id: str, form_id: str, fields: Mapping[str, object]) -> None:
        detail = {
            "tenant_id": tenant_id,
            "submission_id": submission_id,
            "form_id": form_id,
            "submitted_at": to_iso(now_ms()),
            "payload": {"email": "ada@example.com"},
            **fields,
        }
        bus = self.stack.output("event_bus_name")
        entry: PutEventsRequestEntryTypeDef = {
            "EventBusName": bus,
            "Source": "form-bridge",
            "DetailType": kind,
            "Detail": json.dumps(detail),
        }
        assert self._events.put_events(Entries=[entry])["FailedEntryCount"] == 0

    # --- The submissions' table ------------------------------------------------------------------------------

    def store(self, *submissions: Submission) -> None:
        """Write submissions into the table as they are."""
        table = self.stack.output("table_name")
        for first in range(0, len(submissions), BATCH_WRITE):
            some = submissions[first : first + BATCH_WRITE]
            requests: list[WriteRequestTypeDef] = [{"PutRequest": {"Item": image(one)}} for one in some]
            assert not self._dynamodb.batch_write_item(RequestItems={table: requests})["UnprocessedItems"]

    def stored(self, tenant_id: str, submission_id: str) -> Submission | None:
        """What the table holds of a submission."""
        key = {"PK": {"S": f"SUB#{tenant_id}#{submission_id}"}, "SK": {"S": "META"}}
        found = self._dynamodb.get_item(TableName=self.stack.output("table_name"), Key=key, ConsistentRead=True)
        return Submission.from_item(found["Item"]) if "Item" in found else None

    def delete(self, tenant_id: str, submission_id: str) -> None:
        """Delete a submission's item."""
        key = {"PK": {"S": f"SUB#{tenant_id}#{submission_id}"}, "SK": {"S": "META"}}
        self._dynamodb.delete_item(TableName=self.stack.output("table_name"), Key=key)

    # --- Connections -----------------------------------------------------------------------------------------

    @property
    def connections_table(self) -> ConnectionsTable:
        """The connections' table."""
        return ConnectionsTable(self._dynamodb, self.stack.output("connections_table_name"))

    def rows(self, tenant_id: str) -> list[Connection]:
        """The connections of a tenant."""
        return list(self.connections_table.list_connections(tenant_id))

    def row(self, tenant_id: str) -> Connection:
        """The one connection of a tenant."""
        (row,) = self.rows(tenant_id)
        return row

    def expire(self, tenant_id: str) -> None:
        """Let the time go by until the token of a tenant's one connection has expired."""
        self._change_row(tenant_id, "SET expires_at = :past", int(time.time()) - 1)

    def silence(self, tenant_id: str) -> None:
        """Let the time go by for two heartbeats, in which a tenant's one connection sends nothing."""
        self._change_row(tenant_id, "SET connected_at = :past REMOVE full_at", now_ms() - 601_000)

    def revoke(self, target: Target, revocation: Revocation) -> None:
        """Revoke a target, without closing its connections."""
        put_revocation(self._dynamodb, self.stack.output("revocations_table_name"), target, revocation)

    def leave_a_row(self, tenant_id: str) -> None:
        """Let a connection of a tenant end two heartbeats ago, of which the gateway never heard."""
        key = ConnectionKey(tenant_id, f"ended-{tenant_id}")
        in_an_hour = int(time.time()) + 3600
        long_ago = now_ms() - 601_000
        connection = Connection(key, connected_at=long_ago, expires_at=in_an_hour, ttl=in_an_hour)
        assert self.connections_table.add(connection, 1, 1) is None

    def use_up_rates(self, tenant_id: str) -> None:
        """Let a tenant send and connect so much that for a minute it may neither send nor connect."""
        # With the default rates, the buckets are filled in so many microseconds.
        self._use_up(tenant_id, messages_full_at=5_000_000, connects_full_at=10_000_000)

    def use_up_early_messages(self, tenant_id: str) -> None:
        """Let a tenant send so many messages, and so many too early, that for a minute it may send neither."""
        self._use_up(tenant_id, messages_full_at=5_000_000, early_full_at=1_000_000)

    def _use_up(self, tenant_id: str, **filled_in_us: int) -> None:
        in_a_minute = (now_ms() + 60_000) * 1_000
        self._dynamodb.update_item(
            TableName=self.stack.output("connections_table_name"),
            Key={"PK": {"S": f"TENANT#{tenant_id}"}, "SK": {"S": "TENANT"}},
            UpdateExpression="SET " + ", ".join(f"{bucket} = :{bucket}" for bucket in filled_in_us),
            ExpressionAttributeValues={
                f":{bucket}": {"N": str(in_a_minute + filled)} for bucket, filled in filled_in_us.items()
            },
        )

    def _change_row(self, tenant_id: str, update: str, past: int) -> None:
        key = self.row(tenant_id).key
        self._dynamodb.update_item(
            TableName=self.connections_table.table_name,
            Key={
                "PK": {"S": keys.tenant_partition(key.tenant_id, key.shard)},
                "SK": {"S": keys.connection_sort_key(key.connection_id)},
            },
            UpdateExpression=update,
            ExpressionAttributeValues={":past": {"N": str(past)}},
        )

    def post(self, tenant_id: str, frame: Frame) -> None:
        """Post a frame to a tenant's one connection."""
        self._management.post_to_connection(ConnectionId=self.row(tenant_id).connection_id, Data=json.dumps(frame))

    # --- Lambdas ---------------------------------------------------------------------------------------------

    def broadcast(self, *records: Mapping[str, Any]) -> None:
        """Hand a batch of stream records to the broadcast, as the pipe does; all posts are made when this returns."""
        assert self._invoke("gateway-broadcast", records) == {"batchItemFailures": []}

    def reply_late(self, tenant_id: str, request: Mapping[str, object]) -> dict[str, Any]:
        """Let the message Lambda process a request of the tenant's connection that was received long ago."""
        key = self.row(tenant_id).key
        event = message_event(request, tenant_id, key.connection_id, shard=key.shard)
        answer = cast("dict[str, str]", self._invoke("gateway-message", event))
        return json.loads(answer["body"])

    def stop_the_clock(self) -> None:
        """Let the janitor run when a test says so, and not each minute, when it would meet a test half-way."""
        self._events.disable_rule(Name=self._janitors_rule.get("Name", ""))

    @property
    def janitor_runs(self) -> str:
        """How often the janitor would run."""
        return self._janitors_rule.get("ScheduleExpression", "")

    @property
    def _janitors_rule(self) -> RuleTypeDef:
        (rule,) = self._events.list_rules(NamePrefix="gateway-janitor-rule")["Rules"]
        return rule

    def sweep(self) -> None:
        """Run the janitor."""
        self._invoke("gateway-janitor", {})

    def _invoke(self, function: str, event: object) -> object:
        answer = self._lambda.invoke(FunctionName=self._name(function), Payload=json.dumps(event))
        payload = json.loads(answer["Payload"].read())
        assert "FunctionError" not in answer, payload
        return payload

    def variables(self, function: str) -> dict[str, str]:
        """The environment of a Lambda."""
        found = self._lambda.get_function_configuration(FunctionName=self._name(function))
        return dict(found.get("Environment", {}).get("Variables", {}))

    @contextmanager
    def setting(self, function: str, **variables: str) -> Generator[None]:
        """Another configuration of the stack, as far as it concerns a Lambda."""
        held = self.variables(function)
        assert held.keys() >= variables.keys()
        self._configure(function, {**held, **variables})
        try:
            yield
        finally:
            self._configure(function, held)

    def _configure(self, function: str, variables: Mapping[str, str]) -> None:
        environment: EnvironmentTypeDef = {"Variables": variables}
        self._lambda.update_function_configuration(FunctionName=self._name(function), Environment=environment)

    @contextmanager
    def without(self, function: str, action: str) -> Generator[None]:
        """A Lambda whose role may not do `action`."""
        role = self._lambda.get_function_configuration(FunctionName=self._name(function)).get("Role", "")
        role = role.rpartition("/")[2]
        (name,) = self._iam.list_role_policies(RoleName=role)["PolicyNames"]
        held = self._iam.get_role_policy(RoleName=role, PolicyName=name)["PolicyDocument"]
        document = cast("dict[str, Any]", held)
        left = [{**one, "Action": [it for it in one["Action"] if it != action]} for one in document["Statement"]]
        assert left != document["Statement"]
        without = {**document, "Statement": [one for one in left if one["Action"]]}
        self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(without))
        try:
            yield
        finally:
            self._iam.put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=json.dumps(document))

    def _name(self, function: str) -> str:
        (name,) = (name for name in self._names if name.startswith(f"{function}-function-"))
        return name

    @cached_property
    def _names(self) -> Sequence[str]:
        return [one.get("FunctionName", "") for one in self._lambda.list_functions()["Functions"]]

    # --- AWS -------------------------------------------------------------------------------------------------

    @cached_property
    def _events(self) -> EventBridgeClient:
        return self._client("events")

    @cached_property
    def _dynamodb(self) -> DynamoDBClient:
        return self._client("dynamodb")

    @cached_property
    def _lambda(self) -> LambdaClient:
        return self._client("lambda")

    @cached_property
    def _iam(self) -> IAMClient:
        return self._client("iam")

    @cached_property
    def _management(self) -> ApiGatewayManagementApiClient:
        return client("apigatewaymanagementapi", self.stack, url=self.stack.output("management_endpoint"))

    def _client(self, service: str) -> Any:
        return client(service, self.stack)


def made(tenant_id: str, submission_id: str, **fields: Any) -> Submission:
    """A submission that another program than persist wrote now."""
    now = to_iso(now_ms())
    values = {"submitted_at": now, "updated_at": now, "incarnation": 0, **fields}
    return submission(submission_id, tenant_id=tenant_id, **values)


def eventually(condition: Callable[[], bool]) -> None:
    """Wait until a condition holds that nothing tells of."""
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)
