"""The submissions table: written by persist, read by snapshots and resumes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from . import timestamps
from .logs import logger
from .session import Page
from .submission import DELETED, MalformedEvent, MalformedItem, Submission, SubmissionEvent

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, QueryInputTypeDef

INDEX: Final = "GSI1"
SECONDS_A_DAY: Final = 24 * 3600
TOMBSTONE_DAYS: Final = 7
"""How long a deleted submission's row stays: longer than any cursor resumes from, so that every client learns of it."""

Attributes = dict[str, "AttributeValueTypeDef"]


class Saved(Enum):
    """What became of an event."""

    WRITTEN = "written"
    STALE = "stale"
    """The table holds this very event, or all that a later one left of it: nothing was written."""


@dataclass(frozen=True, slots=True)
class SubmissionsTable:
    """The table as `StreamTable` makes it."""

    client: DynamoDBClient
    table_name: str

    def save(self, event: SubmissionEvent, now_ms: int, retention_days: int = 0) -> Saved:
        """Write an event as its submission's next version, unless the table holds it or a later one already.

        Each write is one conditional update, so that two Lambdas with two events of one submission cannot both win.
        `updated_at` is the time of this write and not the event's: a client's cursor has passed the event's time
        where the event comes late.

        Raises:
            MalformedEvent: the submission's id is another tenant's.
        """
        updated_at = timestamps.to_iso(now_ms)
        changed: Attributes = {
            "updated_at": {"S": updated_at},
            "GSI1SK": {"S": f"{updated_at}#{event.submission_id}"},
        }
        facts: Attributes = {
            **changed,
            "tenant_id": {"S": event.tenant_id},
            "submission_id": {"S": event.submission_id},
            "GSI1PK": {"S": _partition(event.tenant_id)},
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
            facts["ttl"] = {"N": str(now_ms // 1000 + retention_days * SECONDS_A_DAY)}
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
            return self._save_late(event, changed | payload, removed) if payload else Saved.STALE
        return Saved.WRITTEN

    def _save_late(self, event: SubmissionEvent, payload: Attributes, removed: Sequence[str]) -> Saved:
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
            return Saved.STALE
        return Saved.WRITTEN

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
            Key={"PK": {"S": f"SUB#{event.submission_id}"}, "SK": {"S": "META"}},
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

    def newest(self, tenant_id: str, limit: int) -> list[Submission]:
        """The `limit` submissions that changed last, newest first; none that was deleted."""
        return self._read(tenant_id, after="", limit=limit, ascending=False, deleted=False)

    def changed_since(self, tenant_id: str, position: str, limit: int) -> Page:
        """At most `limit` submissions that changed after `position`, a value of GSI1SK, in order."""
        found = self._read(tenant_id, after=position, limit=limit + 1, ascending=True, deleted=True)
        return Page(found[:limit], more=len(found) > limit)

    def _read(self, tenant_id: str, *, after: str, limit: int, ascending: bool, deleted: bool) -> list[Submission]:
        found: list[Submission] = []
        for item in self._items(tenant_id, after, limit, ascending, deleted):
            try:
                found.append(Submission.from_item(item))
            except MalformedItem as error:
                # Its stream record is in the pipe's dead-letter queue; it must not hide the others.
                logger.error("malformed item", extra={"tenant_id": tenant_id, "reason": str(error)})
            if len(found) == limit:
                break
        return found

    def _items(
        self, tenant_id: str, after: str, limit: int, ascending: bool, deleted: bool
    ) -> Iterator[dict[str, AttributeValueTypeDef]]:
        # DynamoDB deletes what has expired late, by days at times: what is past its time is left out here.
        request: QueryInputTypeDef = {
            "TableName": self.table_name,
            "IndexName": INDEX,
            "KeyConditionExpression": "GSI1PK = :partition AND GSI1SK > :after",
            "FilterExpression": "(attribute_not_exists(#ttl) OR #ttl > :now) AND #status <> :left_out",
            "ExpressionAttributeNames": {"#ttl": "ttl", "#status": "status"},
            "ExpressionAttributeValues": {
                ":partition": {"S": _partition(tenant_id)},
                ":after": {"S": after or " "},  # a key's value cannot be empty; a blank is before every time
                ":now": {"N": str(timestamps.now_ms() // 1000)},
                ":left_out": {"S": " " if deleted else DELETED},
            },
            "ScanIndexForward": ascending,
            "Limit": limit,
        }
        for page in self.client.get_paginator("query").paginate(**request):
            yield from page["Items"]


def _partition(tenant_id: str) -> str:
    return f"TENANT#{tenant_id}"
