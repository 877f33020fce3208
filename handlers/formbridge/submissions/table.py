"""The submissions table: written by persist, read by snapshots and resumes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..runtime import keys, timestamps
from ..runtime.logs import logger
from .event import MalformedEvent, SubmissionEvent
from .submission import DELETED, MalformedItem, Page, Submission

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

SECONDS_PER_DAY: Final = 24 * 3600
TOMBSTONE_DAYS: Final = 7
"""How long a deleted submission's row stays: longer than any cursor resumes from, so that every client learns of it."""

Attributes = dict[str, "AttributeValueTypeDef"]


class SaveResult(Enum):
    """What became of an event."""

    WRITTEN = "written"
    STALE = "stale"
    """The table holds this very event, or all that a later one left of it: nothing was written."""


@dataclass(frozen=True, slots=True)
class SubmissionsTable:
    """The table as `StreamTable` makes it."""

    client: DynamoDBClient
    table_name: str

    def save(self, event: SubmissionEvent, now_ms: int, retention_days: int = 0) -> SaveResult:
        """Write an event as its submission's next version, unless the table holds it or a later one already.

        Of the versions hold: the first write is 1, and each write adds one; each event is written at most once, however
        often it comes; what is written is later in the events' order than all that was, or is a payload that no later
        event brought; and so the end is the same in whatever order, and with whatever repeats, the events come.

        Each write is one conditional update, so that two Lambdas with two events of one submission cannot both win.
        `updated_at` is the time of this write and not the event's: a client's cursor has passed the event's time
        where the event comes late.

        Raises:
            MalformedEvent: the submission's id is another tenant's.
        """
        updated_at = timestamps.to_iso(now_ms)
        changed: Attributes = {
            "updated_at": {"S": updated_at},
            keys.SUBMISSIONS_INDEX_SORT_KEY: {"S": keys.submission_position(updated_at, event.submission_id)},
        }
        facts: Attributes = {
            **changed,
            "tenant_id": {"S": event.tenant_id},
            "submission_id": {"S": event.submission_id},
            keys.SUBMISSIONS_INDEX_PARTITION_KEY: {"S": keys.tenant_partition(event.tenant_id)},
            "form_id": {"S": event.form_id},
            "status": {"S": event.status},
            "submitted_at": {"S": event.submitted_at},
            "event_order": {"S": event.order},
        }
        payload: Attributes = {}
        removed: list[str] = []
        if event.status == DELETED:
            # What the form said goes now, and no late event brings it back; that it went stays for a while.
            payload = {"payload_order": {"S": event.order}}
            removed = ["payload"]
            retention_days = TOMBSTONE_DAYS
        elif event.payload is not None:
            payload = {"payload": {"S": event.payload}, "payload_order": {"S": event.order}}
        if retention_days:
            facts["ttl"] = {"N": str(now_ms // 1000 + retention_days * SECONDS_PER_DAY)}
        try:
            self._write(
                event,
                facts | payload,
                removed if retention_days else [*removed, "ttl"],
                condition="attribute_not_exists(PK) OR (tenant_id = :tenant AND event_order < :order)",
            )
        except self.client.exceptions.ConditionalCheckFailedException as refused:
            held = refused.response.get("Item", {})
            if held.get("tenant_id") != {"S": event.tenant_id}:
                raise MalformedEvent(f"submission_id: {event.submission_id!r} is another tenant's") from refused
            return self._save_late(event, changed | payload, removed) if payload else SaveResult.STALE
        return SaveResult.WRITTEN

    def _save_late(self, event: SubmissionEvent, payload: Attributes, removed: Sequence[str]) -> SaveResult:
        """Of a late event the form's content still counts: an update may have overtaken the form that it updates."""
        known: Attributes = {"submitted_at": {"S": event.submitted_at}} if event.submitted_at_is_known else {}
        try:
            self._write(
                event,
                payload | known,
                removed,
                condition="tenant_id = :tenant AND (attribute_not_exists(payload_order) OR payload_order < :order)",
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            return SaveResult.STALE
        return SaveResult.WRITTEN

    def _write(self, event: SubmissionEvent, assigned: Attributes, removed: Sequence[str], condition: str) -> None:
        assignments = [
            f"#{name} = if_not_exists(#{name}, :{name})"
            if name == "submitted_at" and not event.submitted_at_is_known
            else f"#{name} = :{name}"
            for name in assigned
        ]
        removals = f" REMOVE {', '.join(f'#{name}' for name in removed)}" if removed else ""
        self.client.update_item(
            TableName=self.table_name,
            Key={"PK": {"S": keys.submission_partition(event.submission_id)}, "SK": {"S": keys.SUBMISSION_SORT_KEY}},
            UpdateExpression=f"SET {', '.join(assignments)}{removals} ADD version :one",
            ConditionExpression=condition,
            ExpressionAttributeNames={f"#{name}": name for name in {*assigned, *removed}},
            ExpressionAttributeValues={
                **{f":{name}": value for name, value in assigned.items()},
                ":one": {"N": "1"},
                ":tenant": {"S": event.tenant_id},
                ":order": {"S": event.order},
            },
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )

    def read(self, tenant_id: str, position: str, limit: int, *, newest_first: bool = False) -> Page:
        """At most `limit` submissions from `position`, a value of GSI1's sort key, on: in order of time, or against it.

        One query; what lies at `position` itself is not read again.
        """
        found = self.client.query(
            TableName=self.table_name,
            IndexName=keys.SUBMISSIONS_INDEX,
            KeyConditionExpression=(
                f"{keys.SUBMISSIONS_INDEX_PARTITION_KEY} = :partition"
                f" AND {keys.SUBMISSIONS_INDEX_SORT_KEY} {'<' if newest_first else '>'} :position"
            ),
            ExpressionAttributeValues={
                ":partition": {"S": keys.tenant_partition(tenant_id)},
                ":position": {"S": position},
            },
            ScanIndexForward=not newest_first,
            Limit=limit,
        )
        submissions: list[Submission] = []
        for item in found["Items"]:
            try:
                submissions.append(Submission.from_item(item))
            except MalformedItem as error:
                # Its stream record is in the pipe's dead-letter queue; it must not hide the others.
                logger.error("malformed item", extra={"tenant_id": tenant_id, "reason": str(error)})
        return Page(submissions, found.get("LastEvaluatedKey", {}).get(keys.SUBMISSIONS_INDEX_SORT_KEY, {}).get("S"))
