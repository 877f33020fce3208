"""Events and items as the services shape them, small, with what a test does not care about filled in."""

from __future__ import annotations

import itertools
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from formbridge.runtime import timestamps
from formbridge.runtime.tenant_id_pattern import DEFAULT_TENANT_ID_PATTERN, TenantIdPattern
from formbridge.submissions.submission import Submission
from tests.support.handlers.principals import USER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

NOW: Final = int(datetime(2026, 11, 22, 20, 0, tzinfo=UTC).timestamp() * 1000)
"""The test's moment, in epoch milliseconds."""
NOW_ISO: Final = "2026-11-22T20:00:00.000Z"
HOUR_S: Final = 3600
TENANT_IDS: Final = TenantIdPattern.parse("tenantIdPattern", DEFAULT_TENANT_ID_PATTERN)
"""The tenant ids of a stack whose configuration names no pattern."""

METHOD_ARN: Final = "arn:aws:execute-api:us-east-1:123456789012:api123/live/$connect"

_event_numbers = itertools.count()


def iso(offset_ms: int = 0) -> str:
    """`NOW` and so many milliseconds, as the wire has it."""
    return timestamps.to_iso(NOW + offset_ms)


class LambdaContext:
    """The context of an invocation, as far as the handlers look at it."""

    aws_request_id = "request-1"

    def get_remaining_time_in_millis(self) -> int:
        return 10_000


# --- EventBridge ----------------------------------------------------------------------------------------------


def bus_event(
    kind: str, detail: object, *, event_id: str | None = None, time: str = "2026-11-22T19:59:59Z"
) -> dict[str, Any]:
    """An event as EventBridge hands it to a Lambda; each has an id of its own unless one is given."""
    return {
        "version": "0",
        "id": event_id or f"00000000-0000-4000-8000-{next(_event_numbers):012}",
        "detail-type": kind,
        "source": "form-bridge",
        "account": "123456789012",
        "time": time,
        "region": "us-east-1",
        "resources": [],
        "detail": detail,
    }


def received(*, event_id: str | None = None, **detail: object) -> dict[str, Any]:
    """A `submission.received` event."""
    fields: dict[str, object] = {
        "tenant_id": "t_acme",
        "submission_id": "s1",
        "form_id": "contact",
        "status": "processing",
        "submitted_at": "2026-11-22T19:59:59.000Z",
        "payload": {"email": "ada@example.com"},
    }
    return bus_event("submission.received", fields | detail, event_id=event_id)


def updated(*, event_id: str | None = None, **detail: object) -> dict[str, Any]:
    """A `submission.updated` event."""
    fields: dict[str, object] = {
        "tenant_id": "t_acme",
        "submission_id": "s1",
        "form_id": "contact",
        "status": "completed",
        "submitted_at": "2026-11-22T19:59:59.000Z",
        "updated_at": "2026-11-22T20:00:00.000Z",
    }
    return bus_event("submission.updated", fields | detail, event_id=event_id)


def partial(**changes: object) -> dict[str, Any]:
    """A `submission.updated` event that contains the ids and what it changes."""
    return bus_event("submission.updated", {"tenant_id": "t_acme", "submission_id": "s1", **changes})


# --- API Gateway, WebSocket -----------------------------------------------------------------------------------


def _request_context(route: str, event_type: str, connection_id: str, at: int = NOW) -> dict[str, Any]:
    return {
        "routeKey": route,
        "eventType": event_type,
        "extendedRequestId": "WvEZxFs2oAMFQKg=",
        "requestTime": "22/Nov/2026:20:00:00 +0000",
        "messageDirection": "IN",
        "stage": "live",
        "connectedAt": NOW,
        "requestTimeEpoch": at,
        "identity": {"userAgent": "Mozilla/5.0", "sourceIp": "192.0.2.1"},
        "requestId": "WvEZxFs2oAMFQKg=",
        "domainName": "api123.execute-api.us-east-1.amazonaws.com",
        "connectionId": connection_id,
        "apiId": "api123",
    }


SIGNED_IN_AT: Final = NOW // 1000 - 60
"""When the user of every connection signed in, in epoch seconds, unless a test says another time."""


def _granted(
    tenant_id: str, expires_at: int, shard: int | None, signed_in_at: int = SIGNED_IN_AT, user: str = USER
) -> dict[str, str]:
    # What the authorizer put in its context arrives as texts, whatever it was.
    granted = {
        "principalId": user,
        "tenant_id": tenant_id,
        "expires_at": str(expires_at),
        "user": user,
        "signed_in_at": str(signed_in_at),
    }
    return granted if shard is None else {**granted, "shard": str(shard)}


def authorizer_event(
    headers: Mapping[str, str] | None = None,
    query: Mapping[str, str] | None = None,
    *,
    connection_id: str = "conn-1",
) -> dict[str, Any]:
    """What a REQUEST authorizer is asked at `$connect`. Without a query its field is missing, as in reality."""
    event: dict[str, Any] = {
        "type": "REQUEST",
        "methodArn": METHOD_ARN,
        "headers": {"Host": "api123.execute-api.us-east-1.amazonaws.com", **(headers or {})},
        "stageVariables": {},
        "requestContext": _request_context("$connect", "CONNECT", connection_id),
    }
    if query is not None:
        event["queryStringParameters"] = dict(query)
    return event


def connect_event(
    tenant_id: str = "t_acme",
    connection_id: str = "conn-1",
    *,
    expires_at: int = NOW // 1000 + HOUR_S,
    signed_in_at: int = SIGNED_IN_AT,
    user: str = USER,
    shard: int | None = 0,
    headers: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """`$connect`, once the authorizer has let it through; one of an earlier version said no `shard`."""
    context = _request_context("$connect", "CONNECT", connection_id)
    return {
        "headers": {"Host": "api123.execute-api.us-east-1.amazonaws.com", **(headers or {})},
        "requestContext": {**context, "authorizer": _granted(tenant_id, expires_at, shard, signed_in_at, user)},
        "isBase64Encoded": False,
    }


def disconnect_event(
    tenant_id: str = "t_acme", connection_id: str = "conn-1", *, shard: int | None = 0
) -> dict[str, Any]:
    """`$disconnect`."""
    context = _request_context("$disconnect", "DISCONNECT", connection_id)
    return {
        "headers": {"Host": "api123.execute-api.us-east-1.amazonaws.com"},
        "requestContext": {
            **context,
            "disconnectStatusCode": 1001,
            "disconnectReason": "Going away",
            "authorizer": _granted(tenant_id, NOW // 1000 + HOUR_S, shard),
        },
        "isBase64Encoded": False,
    }


def message_event(
    body: object,
    tenant_id: str = "t_acme",
    connection_id: str = "conn-1",
    *,
    expires_at: int = NOW // 1000 + HOUR_S,
    shard: int | None = 0,
    at: int | None = None,
) -> dict[str, Any]:
    """A client's frame; `body` is sent as it is where it is a text, else as JSON.

    API Gateway received it `at` a time, by default after every frame that was made before it.
    """
    received_at = NOW if at is None else at
    return {
        "requestContext": {
            **_request_context("$default", "MESSAGE", connection_id, received_at),
            "messageId": f"WvEZyeGsIAMCKqA{next(_event_numbers):09}=",
            "authorizer": _granted(tenant_id, expires_at, shard),
        },
        "body": body if isinstance(body, str) else json.dumps(body),
        "isBase64Encoded": False,
    }


def with_context(event: Mapping[str, Any], context: Mapping[str, str]) -> dict[str, Any]:
    """The same event of a connection for which the authorizer returned this context."""
    return {**event, "requestContext": {**event["requestContext"], "authorizer": dict(context)}}


def refused_by_frame(event: Mapping[str, Any]) -> dict[str, Any]:
    """The same event of a client that wants to be refused by a frame."""
    return with_context(event, {**event["requestContext"]["authorizer"], "refusal_by_frame": "true"})


def forbidden(event: Mapping[str, Any]) -> dict[str, Any]:
    """The same event of a client that is refused by a frame because its token does not grant the tenant."""
    return with_context(event, {"principalId": USER, "user": USER, "refusal": "forbidden"})


# --- DynamoDB -------------------------------------------------------------------------------------------------


def submission(submission_id: str = "s1", *, tenant_id: str = "t_acme", **fields: Any) -> Submission:
    """A submission as the table knows it."""
    values: dict[str, Any] = {
        "form_id": "contact",
        "status": "processing",
        "version": 1,
        "submitted_at": NOW_ISO,
        "updated_at": NOW_ISO,
        "incarnation": NOW,
    }
    return Submission(tenant_id=tenant_id, submission_id=submission_id, **{**values, **fields})


def image(held: Submission) -> dict[str, AttributeValueTypeDef]:
    """A submission's item, as the table holds it and its stream shows it."""
    item: dict[str, AttributeValueTypeDef] = {
        "PK": {"S": f"SUB#{held.tenant_id}#{held.submission_id}"},
        "SK": {"S": "META"},
        "GSI1PK": {"S": f"TENANT#{held.tenant_id}"},
        "GSI1SK": {"S": f"{held.updated_at}#{held.submission_id}"},
        "tenant_id": {"S": held.tenant_id},
        "submission_id": {"S": held.submission_id},
        "form_id": {"S": held.form_id},
        "status": {"S": held.status},
        "version": {"N": str(held.version)},
        "submitted_at": {"S": held.submitted_at},
        "updated_at": {"S": held.updated_at},
        "payload": {"S": '{"email": "ada@example.com"}'},
    }
    if held.incarnation:
        item["incarnation"] = {"N": str(held.incarnation)}
    if held.expires_at is not None:
        item["ttl"] = {"N": str(held.expires_at)}
    return item


def record(
    name: str,
    *,
    new: Mapping[str, AttributeValueTypeDef] | None = None,
    old: Mapping[str, AttributeValueTypeDef] | None = None,
    event_id: str = "record-1",
    at: str | None = None,
) -> dict[str, Any]:
    """A record of the table's stream, as a pipe without an input template delivers it.

    It was made `at` a time, by default when the item says that it was updated; a removal leaves no time in the item.
    """
    either = new or old or {}
    written_at = at or (new or {}).get("updated_at", {}).get("S", NOW_ISO)
    change: dict[str, Any] = {
        "ApproximateCreationDateTime": datetime.fromisoformat(written_at).timestamp(),
        "Keys": {key: either[key] for key in ("PK", "SK") if key in either},
        "SequenceNumber": "111",
        "SizeBytes": 26,
        "StreamViewType": "NEW_AND_OLD_IMAGES",
    }
    if new is not None:
        change["NewImage"] = new
    if old is not None:
        change["OldImage"] = old
    return {
        "eventID": event_id,
        "eventName": name,
        "eventVersion": "1.1",
        "eventSource": "aws:dynamodb",
        "awsRegion": "us-east-1",
        "dynamodb": change,
        "eventSourceARN": "arn:aws:dynamodb:us-east-1:123456789012:table/submissions/stream/2026-11-22T00:00:00.000",
    }


def inserted(held: Submission, event_id: str = "record-1") -> dict[str, Any]:
    return record("INSERT", new=image(held), event_id=event_id)


def modified(held: Submission, event_id: str = "record-1", *, before: Submission | None = None) -> dict[str, Any]:
    """Of what it was `before`; by default of something that looked the same."""
    return record("MODIFY", new=image(held), old=image(before or held), event_id=event_id)


def removed(held: Submission, event_id: str = "record-1", at: str | None = None) -> dict[str, Any]:
    return record("REMOVE", old=image(held), event_id=event_id, at=at)
