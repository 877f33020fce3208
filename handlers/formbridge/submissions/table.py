"""The submissions table. The persist Lambda function writes it; snapshots and resumes read it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from ..runtime import keys, timestamps
from ..runtime.logs import logger
from .event import MalformedEvent, SubmissionEvent
from .submission import DELETED, MalformedItem, Page, Submission

if TYPE_CHECKING:
    from collections.abc import Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

SECONDS_PER_DAY: Final = 24 * 3600
"""Number of seconds in one day."""
TOMBSTONE_DAYS: Final = 7
"""Number of days for which the item of a deleted submission stays in the table. A cursor that a client can resume
from is always younger than this, so every client receives the deletion."""

Attributes = dict[str, "AttributeValueTypeDef"]
"""Attributes of an item, by name."""


class SaveResult(Enum):
    """Result of saving an event."""

    WRITTEN = "written"
    """The event was written as the new version of its submission."""
    STALE = "stale"
    """Nothing was written. The table already contains the event, or later events have replaced all its values."""


@dataclass(frozen=True, slots=True)
class SubmissionsTable:
    """The submissions table that the component `StreamTable` creates."""

    client: DynamoDBClient
    """DynamoDB client for all reads and writes."""
    table_name: str
    """Name of the table."""

    def save(self, event: SubmissionEvent, now_ms: int, retention_days: int = 0) -> SaveResult:
        """Write an event as the next version of its submission, unless the event is stale.

        Rules:

        - The first write has version 1, and each further write adds one.
        - Each event is written at most once, even if it arrives several times.
        - An event that is later in the order of events than all stored events is written completely.
        - An event that is earlier than a stored event is late. Only its payload and its `submitted_at` are written,
          and only if no later event has written or deleted the payload. Otherwise the late event is stale. A late
          event without a payload is always stale.
        - The final state is therefore the same for every order of arrival and any number of repeats.

        Each write is one conditional update, so two concurrent Lambda invocations with two events of one submission
        cannot overwrite each other.

        `updated_at` is the time of the write and not the time of the event. When a late event arrives, the cursors of
        clients are already past the time of the event. With that time in `updated_at`, clients would miss the change.

        Args:
            event: Event to store.
            now_ms: Current time in epoch milliseconds.
            retention_days: Days after which the submission expires; 0 if it never expires. A deleted submission expires
                after `TOMBSTONE_DAYS` in any case.

        Raises:
            MalformedEvent: A submission of another tenant has the same id.
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
            # Remove the payload now. `payload_order` prevents a late event from writing a payload again.
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
                raise MalformedEvent(
                    f"submission_id: must not belong to another tenant, got {event.submission_id!r}"
                ) from refused
            return self._save_late(event, changed | payload, removed) if payload else SaveResult.STALE
        return SaveResult.WRITTEN

    def _save_late(self, event: SubmissionEvent, payload: Attributes, removed: Sequence[str]) -> SaveResult:
        """Write only the payload of a late event, and its `submitted_at` if the event has one.

        Such events occur because an update may arrive before the event that creates the submission.
        """
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
        """Return one page of a tenant's submissions in the order of their last change. This takes one query.

        Args:
            tenant_id: Tenant whose submissions are read.
            position: Sort key in `GSI1` at which to start. With `newest_first` the result has the submissions before
                it, otherwise those after it. The submission at `position` itself is never in the result.
            limit: Maximum number of items to read.
            newest_first: Whether to read backwards in time, from newer to older submissions.
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
                # Skip only this item and return the others. The item's stream record is in the dead-letter queue of
                # the pipe.
                logger.error("malformed item", extra={"tenant_id": tenant_id, "reason": str(error)})
        return Page(submissions, found.get("LastEvaluatedKey", {}).get(keys.SUBMISSIONS_INDEX_SORT_KEY, {}).get("S"))
