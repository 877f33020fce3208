"""`--enforce-iam` is real: a Lambda whose role loses an action is refused, and without the option it is not."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, cast

import pytest

from formbridge.broadcast.fanout_task import FanoutTask
from tests.support.e2e.client import aws, dashboard
from tests.support.handlers.builders import connect_event, inserted, message_event, received, submission

if TYPE_CHECKING:
    from mypy_boto3_iam import IAMClient
    from mypy_boto3_lambda import LambdaClient

    from local.stack import Stack

Mint = Callable[..., str]
Event = Mapping[str, Any] | Sequence[Mapping[str, Any]]


def just_inserted(tenant: str) -> dict[str, Any]:
    """A record of the table's stream: no subscription is told what is older than it."""
    record = inserted(submission("s1", tenant_id=tenant))
    record["dynamodb"]["ApproximateCreationDateTime"] = time.time()
    return record


def from_queue(*bodies: str) -> dict[str, Any]:
    """Messages of a queue, as Lambda hands them over."""
    return {"Records": [{"messageId": str(number), "body": body} for number, body in enumerate(bodies)]}


EVENTS: dict[str, Callable[[str], Event]] = {
    "ingest-persist": lambda tenant: received(tenant_id=tenant, submission_id=f"sub-{tenant}"),
    "gateway-connect": lambda tenant: connect_event(tenant),
    "gateway-message": lambda tenant: message_event(
        {"action": "subscribe"}, tenant, expires_at=int(time.time()) + 3600
    ),
    "gateway-authenticate": lambda tenant: message_event({"action": "authenticate", "token": ""}, tenant),
    "gateway-broadcast": lambda tenant: [just_inserted(tenant)],
    "gateway-fanout": lambda tenant: from_queue(*FanoutTask(tenant, None).encode()),
    "gateway-janitor": lambda _tenant: {},
    "recovery-resync": lambda _tenant: from_queue("no dead letter"),
}
"""By Lambda: an event about a tenant that makes it call AWS."""


class Function:
    """A Lambda of the stack, as an administrator sees it."""

    def __init__(self, stack: Stack, name: str) -> None:
        self._lambda: LambdaClient = aws(stack, "lambda")
        self._iam: IAMClient = aws(stack, "iam")
        roles = {one.get("FunctionName", ""): one.get("Role", "") for one in self._lambda.list_functions()["Functions"]}
        (self._name,) = (function for function in roles if function.startswith(f"{name}-"))
        self._role = roles[self._name].rpartition("/")[2]

    def failure(self, event: Event) -> str | None:
        """Invoke it; what it failed with, or None."""
        answer = self._lambda.invoke(FunctionName=self._name, Payload=json.dumps(event), LogType="Tail")
        payload: dict[str, Any] = json.loads(answer["Payload"].read()) or {}
        if "FunctionError" in answer:
            return payload["errorMessage"]
        # What a client is told says nothing of why.
        is_internal = json.loads(payload.get("body", "{}")).get("code") == "internal"
        return base64.b64decode(answer.get("LogResult", "")).decode() if is_internal else None

    @contextmanager
    def without(self, action: str) -> Generator[None]:
        """Its role may not do `action`, until the block ends."""
        (policy,) = self._iam.list_role_policies(RoleName=self._role)["PolicyNames"]
        held = self._iam.get_role_policy(RoleName=self._role, PolicyName=policy)["PolicyDocument"]
        document = cast("dict[str, Any]", held)
        left = [{**one, "Action": [name for name in one["Action"] if name != action]} for one in document["Statement"]]
        assert left != document["Statement"]
        self._put(policy, {**document, "Statement": [one for one in left if one["Action"]]})
        try:
            yield
        finally:
            self._put(policy, document)

    def _put(self, policy: str, document: Mapping[str, Any]) -> None:
        self._iam.put_role_policy(RoleName=self._role, PolicyName=policy, PolicyDocument=json.dumps(document))


@pytest.mark.parametrize(
    ("name", "action"),
    [
        ("ingest-persist", "dynamodb:UpdateItem"),
        ("gateway-connect", "dynamodb:PutItem"),
        ("gateway-message", "dynamodb:UpdateItem"),
        ("gateway-authenticate", "dynamodb:UpdateItem"),
        ("gateway-janitor", "dynamodb:Scan"),
        ("gateway-broadcast", "dynamodb:Query"),
        ("gateway-fanout", "dynamodb:Query"),
        ("recovery-resync", "sqs:SendMessage"),
    ],
)
def test_a_lambda_is_refused_what_its_role_does_not_allow(
    stack: Stack, enforce_iam: bool, tenant: str, name: str, action: str
) -> None:
    function, event = Function(stack, name), EVENTS[name](tenant)
    with function.without(action):
        failure = function.failure(event)

    if enforce_iam:
        assert f"is not authorized to perform: {action}" in (failure or "")
    else:
        assert failure is None
    assert function.failure(event) is None


def test_broadcast_posts_only_where_its_role_may_manage_connections(
    stack: Stack, enforce_iam: bool, token: Mint, tenant: str
) -> None:
    broadcast = Function(stack, "gateway-broadcast")
    with dashboard(stack, token(tenant)) as client:
        event = EVENTS["gateway-broadcast"](tenant)
        with broadcast.without("execute-api:ManageConnections"):
            assert (broadcast.failure(event) is not None) is enforce_iam
        client.ask("ping")
        assert ("s1" in client.held) is not enforce_iam
        assert broadcast.failure(event) is None
        client.until_held(lambda held: "s1" in held)
