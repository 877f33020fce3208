"""Stream ranges: the stream records of a pipe's dead letter, and the tenants that they belong to."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import ClientError, ParamValidationError

from ..runtime import keys
from ..runtime.identifiers import TENANT_ID, describe_mismatch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

STREAM_NAME: Final = re.compile(r"[A-Za-z0-9:/._-]{1,1024}")
"""The ARN of a stream, or the id of a shard."""
SEQUENCE_NUMBER: Final = re.compile(r"[0-9]{1,40}")
"""The sequence number of a stream record."""
FIELD_PATTERNS: Final = {
    "streamArn": STREAM_NAME,
    "shardId": STREAM_NAME,
    "startSequenceNumber": SEQUENCE_NUMBER,
    "endSequenceNumber": SEQUENCE_NUMBER,
}
"""The fields of a dead letter that name the range, and the pattern that each value must match."""

MAX_EMPTY_PAGES: Final = 100
"""Number of consecutive empty pages after which reading a shard stops. A limit is needed because the end of an open
shard cannot be recognized: the shard always has a next page, and records may follow an empty page. A pipe collects a
batch for at most five minutes, so there are few empty pages between the records of a batch. Reading 100 pages takes
about one second of the Lambda's minute."""

MAX_LISTED_RECORDS: Final = 20
"""Maximum number of records without a valid tenant id that the text of a problem lists, by sequence number. The text is
limited because a batch may have 10,000 records and SNS accepts at most 256 KB."""

INVALID_POSITION: Final = "DynamoDB rejected the position in the stream as invalid"
UNREADABLE_REASONS: Final = {
    "ResourceNotFoundException": "the stream or its shard no longer exists",
    "TrimmedDataAccessException": "the stream no longer has the records, it keeps them for 24 hours",
    "ValidationException": INVALID_POSITION,
}
"""Reasons why a range cannot be read, by DynamoDB's error code."""


class UnreadableRange(Exception):
    """A dead letter or a stream range that cannot be read. The message gives the reason."""


@dataclass(frozen=True, slots=True)
class StreamRange:
    """A range of records in a shard of a DynamoDB stream."""

    stream_arn: str
    """ARN of the stream."""
    shard_id: str
    """Id of the shard."""
    first: str
    """Sequence number of the first record."""
    last: str
    """Sequence number of the last record."""

    @classmethod
    def parse(cls, dead_letter: str) -> Self:
        """Return the range of a pipe's dead letter.

        Raises:
            UnreadableRange: The message is not a dead letter of a pipe from a DynamoDB stream, or a field is invalid.
        """
        try:
            batch_info = json.loads(dead_letter)["DDBStreamBatchInfo"]
            fields = {name: batch_info[name] for name in FIELD_PATTERNS}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UnreadableRange("the message is not a dead letter of a pipe from a DynamoDB stream") from error
        for name, pattern in FIELD_PATTERNS.items():
            if reason := describe_mismatch(name, pattern, fields[name]):
                raise UnreadableRange(reason)
        stream_range = cls(*fields.values())
        if int(stream_range.last) < int(stream_range.first):
            raise UnreadableRange(
                f"endSequenceNumber: must be at least startSequenceNumber {stream_range.first}, got {stream_range.last}"
            )
        return stream_range

    def __str__(self) -> str:
        return f"records {self.first} to {self.last} of {self.shard_id} of {self.stream_arn}"


@dataclass(frozen=True, slots=True)
class StreamReader:
    """A reader of DynamoDB streams."""

    client: DynamoDBStreamsClient

    def read(self, stream_range: StreamRange) -> Iterator[Mapping[str, Any]]:
        """Yield the records of a range.

        Raises:
            UnreadableRange: The stream does not have all records of the range. The records that it has are yielded
                before the error.
        """
        last = int(stream_range.last)
        for record in self._read_from_first(stream_range):
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        raise UnreadableRange(f"the stream ended before {stream_range.last}")

    def _read_from_first(self, stream_range: StreamRange) -> Iterator[Mapping[str, Any]]:
        """Yield the records of a shard from the first record of a range on.

        Stop at the end of the shard, or after `MAX_EMPTY_PAGES` consecutive empty pages.
        """
        empty_pages = 0
        try:
            iterator: str | None = self.client.get_shard_iterator(
                StreamArn=stream_range.stream_arn,
                ShardId=stream_range.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=stream_range.first,
            ).get("ShardIterator")
            while iterator and empty_pages < MAX_EMPTY_PAGES:
                page = self.client.get_records(ShardIterator=iterator)
                records = page.get("Records", [])
                yield from records
                empty_pages = 0 if records else empty_pages + 1
                iterator = page.get("NextShardIterator")
        except ParamValidationError as error:
            raise UnreadableRange(INVALID_POSITION) from error
        except ClientError as error:
            reason = UNREADABLE_REASONS.get(error.response.get("Error", {}).get("Code", ""))
            if reason is None:
                raise
            raise UnreadableRange(reason) from error


@dataclass(frozen=True, slots=True)
class AffectedTenants:
    """The tenants of a dead letter's records.

    If the tenants of some records are unknown, `problem` gives the reason.
    """

    tenant_ids: frozenset[str] = frozenset()
    """Tenants of the records that could be read."""
    problem: str | None = None
    """The reason why the tenants of some records are unknown. None: the tenants of all records are known."""


def find_affected_tenants(dead_letter: str, stream: StreamReader) -> AffectedTenants:
    """Read the records of a pipe's dead letter from the stream again, and return their tenants."""
    try:
        stream_range = StreamRange.parse(dead_letter)
    except UnreadableRange as error:
        return AffectedTenants(problem=str(error))
    tenants: set[str] = set()
    without_tenant: list[str] = []
    problems: list[str] = []
    try:
        for record in stream.read(stream_range):
            owners = _find_owners(record)
            tenants |= owners
            if not owners and _is_submission(record):
                without_tenant.append(record["dynamodb"]["SequenceNumber"])
    except UnreadableRange as error:
        problems.append(str(error))
    if without_tenant:
        unlisted = len(without_tenant) - MAX_LISTED_RECORDS
        more = f" and {unlisted:,} more" if unlisted > 0 else ""
        problems.append(f"{', '.join(without_tenant[:MAX_LISTED_RECORDS])}{more} have no valid tenant_id")
    return AffectedTenants(frozenset(tenants), f"{stream_range}: {'; '.join(problems)}" if problems else None)


def _find_owners(record: Mapping[str, Any]) -> set[str]:
    """Return the valid tenant ids in the images of a record."""
    images = (record["dynamodb"].get(name, {}) for name in ("OldImage", "NewImage"))
    tenant_ids = (image.get("tenant_id", {}).get("S", "") for image in images)
    return {tenant_id for tenant_id in tenant_ids if TENANT_ID.fullmatch(tenant_id)}


def _is_submission(record: Mapping[str, Any]) -> bool:
    """Return whether a record is about a submission. The pipe delivers no other records."""
    # If the record has no key `PK`, its table has other key names. Such a table contains only submissions.
    key: str = record["dynamodb"]["Keys"].get("PK", {}).get("S", keys.SUBMISSION_PREFIX)
    return key.startswith(keys.SUBMISSION_PREFIX)
