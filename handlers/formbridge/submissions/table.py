"""The submissions table. The persist Lambda function writes it; snapshots and resumes read it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from ..runtime import batch_read, keys, timestamps
from ..runtime.logs import logger
from .retention import REPLAY_DAYS, SECONDS_PER_DAY, TOMBSTONE_DAYS
from .submission import DELETED, REQUIRED_FIELDS, MalformedItem, Page, Submission, is_pending

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from .event import FieldName, FieldValue, SubmissionEvent

MAX_ATTEMPTS: Final = 10
"""Maximum number of writes of one event. A write is repeated if another event of the same submission was written at the
same time."""

Item = dict[str, "AttributeValueTypeDef"]
"""Attributes of an item, by name."""

_PROJECTION: Final = {
    "ProjectionExpression": (
        "tenant_id, submission_id, form_id, #status, version, incarnation, submitted_at, updated_at, #ttl"
    ),
    "ExpressionAttributeNames": {"#status": "status", "#ttl": "ttl"},
}
"""The attributes of a submission without its payload, as parameters of a read."""
_LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
"""A character that no key contains. DynamoDB refuses a request with such a key. A client may name one in its filter."""
_IS_ABSENT: Final = "attribute_not_exists(PK)"
_IS_COMPLETE: Final = " AND ".join(f"attribute_exists(#{name})" for name in REQUIRED_FIELDS)
_IS_DELETED: Final = "#status = :deleted"
_IS_NOT_DELETED: Final = f"(attribute_not_exists(#status) OR NOT {_IS_DELETED})"
_HAS_VERSION: Final = "version = :version"


class SaveResult(Enum):
    """Result of saving an event."""

    WRITTEN = "written"
    """The event was written as the new version of its submission."""
    PENDING = "pending"
    """The event was written. No client sees the submission until the event that creates it has arrived."""
    STALE = "stale"
    """Nothing was written. The submission is deleted, or the row already contains this event or later values."""
    ABSENT = "absent"
    """Nothing was written, because the submission has no row. Only `delete` returns this."""


class WriteConflict(Exception):
    """Other events of the same submission were written during each of `MAX_ATTEMPTS` attempts to write an event."""


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
        - Each field is merged separately: the value with the highest `order` wins. A field that the event does not set
          keeps its value.
        - A deletion is final. It removes the content of the submission, and no other event changes the row any more.
        - The final state is therefore the same for every order of arrival and any number of repeats.

        Each write is one conditional update, so two concurrent Lambda invocations with two events of one submission
        cannot overwrite each other. The first attempt needs no read: it assumes that a received event creates its row,
        and that an update is later than all values of a complete row. If this is wrong, DynamoDB returns the row.

        `updated_at` is the time of the write and not the time of the event. When a late event arrives, the cursors of
        clients are already past the time of the event. With that time in `updated_at`, clients would miss the change.

        Args:
            event: Event to store.
            now_ms: Current time in epoch milliseconds.
            retention_days: Days after which the submission expires; 0 if it never expires. A deleted submission expires
                after `TOMBSTONE_DAYS` in any case, and a pending one after `REPLAY_DAYS`.

        Raises:
            WriteConflict: Too many events of the submission arrived at the same time. The event may be saved again.
        """
        if event.deletes:
            return self._delete(event.tenant_id, event.submission_id, now_ms, f"{_IS_ABSENT} OR {_IS_NOT_DELETED}")
        newer, condition, values = event.values, *_expect_usual_row(event)
        is_complete = True
        for _ in range(MAX_ATTEMPTS):
            assigned: Item = {}
            for name, value in newer.items():
                assigned |= {name: {"S": value.text}, _name_order(name): {"S": value.order}}
            row = self._write(
                event.tenant_id,
                event.submission_id,
                now_ms,
                assigned,
                condition,
                values,
                ttl_days=retention_days if is_complete else REPLAY_DAYS,
            )
            if row is None:
                return SaveResult.WRITTEN if is_complete else SaveResult.PENDING
            newer = select_newer(event, row)
            if is_final(row) or not newer:
                return SaveResult.STALE
            is_complete = all(name in row or name in newer for name in REQUIRED_FIELDS)
            condition, values = (_HAS_VERSION, {":version": row["version"]}) if row else (_IS_ABSENT, {})
        raise WriteConflict(f"{MAX_ATTEMPTS} writes failed for submission {event.submission_id!r}")

    def delete(self, tenant_id: str, submission_id: str, now_ms: int) -> SaveResult:
        """Delete a submission as a deletion event does, so that every client receives the deletion.

        No row is created. If the row of a deleted submission still has a payload, the payload is removed.
        """
        return self._delete(
            tenant_id,
            submission_id,
            now_ms,
            f"attribute_exists(PK) AND ({_IS_NOT_DELETED} OR attribute_exists(#payload))",
        )

    def _delete(self, tenant_id: str, submission_id: str, now_ms: int, condition: str) -> SaveResult:
        """Replace a row by a tombstone without content if a condition holds."""
        row = self._write(
            tenant_id,
            submission_id,
            now_ms,
            {"status": {"S": DELETED}},
            condition,
            {":deleted": {"S": DELETED}},
            removed=["payload"],
            ttl_days=TOMBSTONE_DAYS,
        )
        if row is None:
            return SaveResult.WRITTEN
        return SaveResult.STALE if row else SaveResult.ABSENT

    def _write(
        self,
        tenant_id: str,
        submission_id: str,
        now_ms: int,
        assigned: Item,
        condition: str,
        condition_values: Item,
        *,
        ttl_days: int,
        removed: Sequence[str] = (),
    ) -> Item | None:
        """Write the next version of a submission's row if a condition holds.

        Args:
            tenant_id: Tenant that owns the submission.
            submission_id: Id of the submission.
            now_ms: Current time in epoch milliseconds.
            assigned: Attributes to set, in addition to those that every write sets.
            condition: Condition on the row, as a DynamoDB expression.
            condition_values: Values of the condition, by placeholder.
            ttl_days: Days after which the row expires; 0 if it never expires.
            removed: Names of attributes to remove.

        Returns:
            None if the row was written. Otherwise the present row; it is empty if the submission has no row.
        """
        updated_at = timestamps.to_iso(now_ms)
        assigned = {
            **assigned,
            "tenant_id": {"S": tenant_id},
            "submission_id": {"S": submission_id},
            "updated_at": {"S": updated_at},
            keys.SUBMISSIONS_INDEX_PARTITION_KEY: {"S": keys.tenant_partition(tenant_id)},
            keys.SUBMISSIONS_INDEX_SORT_KEY: {"S": keys.submission_position(updated_at, submission_id)},
        }
        if ttl_days:
            assigned["ttl"] = {"N": str(now_ms // 1000 + ttl_days * SECONDS_PER_DAY)}
        else:
            removed = [*removed, "ttl"]
        assignments = [f"#{name} = :{name}" for name in assigned]
        removals = f" REMOVE {', '.join(f'#{name}' for name in removed)}" if removed else ""
        names = {*assigned, *removed, *(name for name in REQUIRED_FIELDS if f"#{name}" in condition)}
        try:
            self.client.update_item(
                TableName=self.table_name,
                Key=_build_key(tenant_id, submission_id),
                UpdateExpression=(
                    f"SET {', '.join(assignments)}, incarnation = if_not_exists(incarnation, :now){removals}"
                    " ADD version :one"
                ),
                ConditionExpression=condition,
                ExpressionAttributeNames={f"#{name}": name for name in names},
                ExpressionAttributeValues={
                    **{f":{name}": value for name, value in assigned.items()},
                    **condition_values,
                    ":now": {"N": str(now_ms)},
                    ":one": {"N": "1"},
                },
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except self.client.exceptions.ConditionalCheckFailedException as refused:
            return refused.response.get("Item", {})
        return None

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
        reached = found.get("LastEvaluatedKey", {}).get(keys.SUBMISSIONS_INDEX_SORT_KEY, {}).get("S")
        return Page(_parse_items(tenant_id, found["Items"]), reached)

    def is_indexed(self, tenant_id: str, submission_id: str, updated_ms: int) -> bool:
        """Return whether the index shows the write of a submission at `updated_ms`, in epoch milliseconds."""
        found = self.client.query(
            TableName=self.table_name,
            IndexName=keys.SUBMISSIONS_INDEX,
            KeyConditionExpression=(
                f"{keys.SUBMISSIONS_INDEX_PARTITION_KEY} = :partition AND {keys.SUBMISSIONS_INDEX_SORT_KEY} = :position"
            ),
            ExpressionAttributeValues={
                ":partition": {"S": keys.tenant_partition(tenant_id)},
                ":position": {"S": keys.submission_position(timestamps.to_iso(updated_ms), submission_id)},
            },
            Select="COUNT",
        )
        return found["Count"] > 0

    def read_by_id(self, tenant_id: str, submission_ids: Sequence[str]) -> Mapping[str, Submission] | None:
        """Return the current state of a tenant's submissions with these ids.

        The reads are strongly consistent. Pending and malformed items are left out.

        Args:
            tenant_id: Tenant whose submissions are read.
            submission_ids: Ids of at most 100 submissions.

        Returns:
            The submissions by id. None: the table has other keys than `StreamTable` has by default, so its items cannot
            be found by id.

        Raises:
            ItemsUnread: DynamoDB did not return all items.
        """
        names = (name for name in dict.fromkeys(submission_ids) if not _LONE_SURROGATE.search(name))
        keys_to_read = [_build_key(tenant_id, submission_id) for submission_id in names]
        try:
            items = batch_read.read_items(self.client, self.table_name, keys_to_read, **_PROJECTION)
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") == "ValidationException":
                return None
            raise
        return {submission.submission_id: submission for submission in _parse_items(tenant_id, items)}


def _parse_items(tenant_id: str, items: Iterable[Item]) -> list[Submission]:
    """Return the submissions of items. Leave out pending items, and log and leave out malformed items."""
    submissions: list[Submission] = []
    for item in items:
        if is_pending(item):
            continue
        try:
            submissions.append(Submission.from_item(item))
        except MalformedItem as error:
            # The item's stream record is in the dead-letter queue of the pipe.
            logger.error("malformed item", extra={"tenant_id": tenant_id, "reason": str(error)})
    return submissions


def _build_key(tenant_id: str, submission_id: str) -> Item:
    return {"PK": {"S": keys.submission_partition(tenant_id, submission_id)}, "SK": {"S": keys.SUBMISSION_SORT_KEY}}


def _name_order(field: FieldName) -> str:
    """Return the name of the attribute that holds the order of a field's value."""
    return f"{field}_order"


def _expect_usual_row(event: SubmissionEvent) -> tuple[str, Item]:
    """Return the condition of the first attempt to write an event, and the values of the condition."""
    if event.creates:
        return _IS_ABSENT, {}
    values: Item = {":deleted": {"S": DELETED}}
    clauses = [_IS_COMPLETE, f"NOT {_IS_DELETED}"]
    for name in event.values:
        order = _name_order(name)
        # `:{order}` is the order that the write assigns.
        clauses.append(f"(attribute_not_exists(#{order}) OR #{order} < :{order})")
    return " AND ".join(clauses), values


def is_final(row: Item) -> bool:
    """Return whether a row is that of a deleted submission, which no event changes any more."""
    return row.get("status") == {"S": DELETED}


def select_newer(event: SubmissionEvent, row: Item) -> dict[FieldName, FieldValue]:
    """Return the values of an event that are later than the values in a row."""
    return {
        name: value for name, value in event.values.items() if value.order > row.get(_name_order(name), {}).get("S", "")
    }
