"""The submissions table: written by persist, read by snapshots and resumes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from . import timestamps
from .session import Page
from .submission import MalformedEvent, Submission, SubmissionEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, QueryInputTypeDef

INDEX: Final = "GSI1"
SECONDS_A_DAY: Final = 24 * 3600


class Saved(Enum):
    """What became of an event."""

    WRITTEN = "written"
    STALE = "stale"
    """The table holds this very event, or a later one: nothing was written."""


@dataclass(frozen=True, slots=True)
class SubmissionsTable:
    """The table as `StreamTable` makes it."""

    client: DynamoDBClient
    table_name: str

    def save(self, event: SubmissionEvent, now_ms: int, retention_days: int = 0) -> Saved:
        """Write an event as its submission's next version, unless the table holds it or a later one already.

        One conditional update does it, so that two Lambdas with two events of one submission cannot both win.
        `updated_at` is the time of this write and not the event's: a client's cursor has passed the event's time
        where the event comes late.

        Raises:
            MalformedEvent: the submission's id is another tenant's.
        """
        updated_at = timestamps.to_iso(now_ms)
        values: dict[str, AttributeValueTypeDef] = {
            ":tenant": {"S": event.tenant_id},
            ":submission": {"S": event.submission_id},
            ":partition": {"S": _partition(event.tenant_id)},
            ":sort": {"S": f"{updated_at}#{event.submission_id}"},
            ":form": {"S": event.form_id},
            ":status": {"S": event.status},
            ":submitted": {"S": event.submitted_at},
            ":updated": {"S": updated_at},
            ":order": {"S": event.order},
            ":one": {"N": "1"},
        }
        assignments = [
            "tenant_id = :tenant",
            "submission_id = :submission",
            "GSI1PK = :partition",
            "GSI1SK = :sort",
            "form_id = :form",
            "#status = :status",
            "submitted_at = :submitted",
            "updated_at = :updated",
            "event_order = :order",
        ]
        names = {"#status": "status"}
        if event.payload is not None:
            values[":payload"] = {"S": event.payload}
            assignments.append("payload = :payload")
        if retention_days:
            values[":ttl"] = {"N": str(now_ms // 1000 + retention_days * SECONDS_A_DAY)}
            names["#ttl"] = "ttl"
            assignments.append("#ttl = :ttl")
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key={"PK": {"S": f"SUB#{event.submission_id}"}, "SK": {"S": "META"}},
                UpdateExpression=f"SET {', '.join(assignments)} ADD version :one",
                ConditionExpression="attribute_not_exists(PK) OR (tenant_id = :tenant AND event_order < :order)",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=values,
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as refused:
            held = refused.response.get("Item", {})
            if held.get("tenant_id") != {"S": event.tenant_id}:
                raise MalformedEvent(
                    f"submission_id: {event.submission_id!r} is another tenant's"
                ) from refused
            return Saved.STALE
        return Saved.WRITTEN

    def newest(self, tenant_id: str, limit: int) -> list[Submission]:
        """The `limit` submissions that changed last, newest first."""
        return self._read(tenant_id, after="", limit=limit, ascending=False)

    def changed_since(self, tenant_id: str, position: str, limit: int) -> Page:
        """At most `limit` submissions that changed after `position`, a value of GSI1SK, in order."""
        found = self._read(tenant_id, after=position, limit=limit + 1, ascending=True)
        return Page(found[:limit], more=len(found) > limit)

    def _read(self, tenant_id: str, *, after: str, limit: int, ascending: bool) -> list[Submission]:
        found: list[Submission] = []
        for item in self._items(tenant_id, after, limit, ascending):
            found.append(Submission.from_item(item))
            if len(found) == limit:
                break
        return found

    def _items(
        self, tenant_id: str, after: str, limit: int, ascending: bool
    ) -> Iterator[dict[str, AttributeValueTypeDef]]:
        # DynamoDB deletes what has expired late, by days at times: what is past its time is left out here.
        request: QueryInputTypeDef = {
            "TableName": self.table_name,
            "IndexName": INDEX,
            "KeyConditionExpression": "GSI1PK = :partition AND GSI1SK > :after",
            "FilterExpression": "attribute_not_exists(#ttl) OR #ttl > :now",
            "ExpressionAttributeNames": {"#ttl": "ttl"},
            "ExpressionAttributeValues": {
                ":partition": {"S": _partition(tenant_id)},
                ":after": {"S": after or " "},  # a key's value cannot be empty; a blank is before every time
                ":now": {"N": str(timestamps.now_ms() // 1000)},
            },
            "ScanIndexForward": ascending,
            "Limit": limit,
        }
        for page in self.client.get_paginator("query").paginate(**request):
            yield from page["Items"]


def _partition(tenant_id: str) -> str:
    return f"TENANT#{tenant_id}"
