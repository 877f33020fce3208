"""Erasure of the content of submissions in the submissions table, and the copies that remain elsewhere."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, NamedTuple

from botocore.exceptions import ClientError

from formbridge.runtime import clock, keys
from formbridge.submissions.table import SaveResult

from .tenant_rows import TenantRows, has_content

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import ListArchivesRequestTypeDef

    from formbridge.submissions.table import Item, SubmissionsTable

    from .dead_letters import Scope

WRITER_THREADS: Final = 8
"""Number of rows that are written at the same time."""
MAX_PASSES: Final = 5
"""Maximum number of reads of the tenant's rows. Each read finds the rows that were written during the one before."""

STREAM_HOURS: Final = 24
"""Hours for which a DynamoDB stream keeps a record.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/Streams.html"""
RECOVERY_DAYS: Final = 35
"""Default of the days for which point-in-time recovery keeps every state of a table.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/PointInTimeRecovery_Howitworks.html"""
DELIVERY_HOURS: Final = 2
"""Hours for which an event can be on its way to the table: one in EventBridge, then one in Lambda's asynchronous
queue. `SubmissionIngest` sets both."""


@dataclass(slots=True)
class Erasure:
    """Result of the erasure of rows."""

    erased: int = 0
    """Number of submissions whose content was removed. In a dry run, the number that has content."""
    empty: int = 0
    """Number of submissions that had no content any more."""
    problems: list[str] = field(default_factory=list[str])
    """A message for each row that could not be erased, and one if the tenant's rows never came to rest."""


class Copy(NamedTuple):
    """A copy of content that `erase` cannot remove."""

    place: str
    """Where the copy is."""
    until: str
    """When the copy is removed."""


def erase_rows(table: SubmissionsTable, scope: Scope, *, dry_run: bool, advance: Callable[[int], object]) -> Erasure:
    """Replace the rows of a scope by tombstones, as a deletion event does.

    Pending rows lose their content too. Tombstones are checked.

    Args:
        table: The submissions table.
        scope: Submissions to erase.
        dry_run: Whether to count the rows without changing them.
        advance: Function that is called with the number of rows after each page.

    Raises:
        BotoCoreError, ClientError: The table cannot be read or written.
    """
    rows = TenantRows(table.client, table.table_name, scope.tenant_id)
    erasure, seen = Erasure(), set[str]()
    with ThreadPoolExecutor(WRITER_THREADS) as threads:

        def erase(page: Sequence[Item]) -> Iterable[SaveResult | str]:
            if dry_run:
                return [SaveResult.WRITTEN if has_content(row) else SaveResult.STALE for row in rows.read(page)]
            return threads.map(partial(_erase_row, table, scope.tenant_id), page)

        for _ in range(MAX_PASSES):
            seen_before = len(seen)
            for page in _list_pages(rows, scope):
                unseen = [row for row in page if row["PK"].get("S", "") not in seen]
                seen.update(row["PK"].get("S", "") for row in unseen)
                for result in erase(unseen):
                    erasure.erased += result is SaveResult.WRITTEN
                    erasure.empty += result is SaveResult.STALE
                    if isinstance(result, str):
                        erasure.problems.append(result)
                advance(len(unseen))
            if len(seen) == seen_before:
                return erasure
    erasure.problems.append("the tenant still receives submissions; stop its forms and run the command again")
    return erasure


def _list_pages(rows: TenantRows, scope: Scope) -> Iterator[Sequence[Item]]:
    """Yield the keys and ids of the rows of a scope."""
    if scope.submission_id is None:
        # A row that is erased moves to the newest end of the index, which this read has passed.
        yield from rows.list_pages(newest_first=True)
    else:
        partition = keys.submission_partition(scope.tenant_id, scope.submission_id)
        yield [
            {
                "PK": {"S": partition},
                "SK": {"S": keys.SUBMISSION_SORT_KEY},
                "submission_id": {"S": scope.submission_id},
            }
        ]


def _erase_row(table: SubmissionsTable, tenant_id: str, row: Item) -> SaveResult | str:
    """Replace a row by a tombstone. Return a problem if the row is not one that persist writes."""
    key, submission_id = row["PK"].get("S", ""), row.get("submission_id", {}).get("S", "")
    if key != keys.submission_partition(tenant_id, submission_id):
        return f"row {key}: not erased, because its key is not that of its submission; delete it yourself"
    try:
        return table.delete(tenant_id, submission_id, clock.now_ms())
    except ClientError as error:
        # An attribute of a row that another program wrote can have a type that the update does not expect.
        if error.response.get("Error", {}).get("Code") != "ValidationException":
            raise
        return f"row {key}: not erased: {error}"


def list_table_copies(client: DynamoDBClient, table_name: str, now_ms: int) -> list[Copy]:
    """Return the copies of content that was in the submissions table until now.

    Raises:
        BotoCoreError, ClientError: The table cannot be described.
    """
    copies = [Copy("stream of the submissions table", _add(now_ms, timedelta(hours=STREAM_HOURS)))]
    described = client.describe_continuous_backups(TableName=table_name)["ContinuousBackupsDescription"]
    recovery = described.get("PointInTimeRecoveryDescription", {})
    if recovery.get("PointInTimeRecoveryStatus") == "ENABLED":
        days = recovery.get("RecoveryPeriodInDays", RECOVERY_DAYS)
        copies.append(Copy("point-in-time recovery of the submissions table", _add(now_ms, timedelta(days=days))))
    for page in client.get_paginator("list_backups").paginate(TableName=table_name, BackupType="ALL"):
        copies += [
            Copy(f"backup {backup.get('BackupArn')}", _format(backup.get("BackupExpiryDateTime")))
            for backup in page["BackupSummaries"]
        ]
    return copies


def list_bus_copies(client: EventBridgeClient, bus_name: str, now_ms: int) -> list[Copy]:
    """Return the copies of events that were on the event bus until now.

    Raises:
        BotoCoreError, ClientError: The bus cannot be described.
    """
    copies = [Copy("events on their way to the table", _add(now_ms, timedelta(hours=DELIVERY_HOURS)))]
    request: ListArchivesRequestTypeDef = {"EventSourceArn": client.describe_event_bus(Name=bus_name)["Arn"]}
    while True:
        answer = client.list_archives(**request)
        for archive in answer["Archives"]:
            days = archive.get("RetentionDays")
            until = _add(now_ms, timedelta(days=days)) if days else _format(None)
            copies.append(Copy(f"archive {archive.get('ArchiveName')} of the event bus", until))
        if "NextToken" not in answer:
            return copies
        request["NextToken"] = answer["NextToken"]


def _add(now_ms: int, duration: timedelta) -> str:
    return _format(datetime.fromtimestamp(now_ms / 1000, UTC) + duration)


def _format(until: datetime | None) -> str:
    return f"until {until:%Y-%m-%d %H:%M} UTC" if until else "until you delete it"
