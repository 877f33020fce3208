"""What a pipe gave up: where in a stream it is, and whose it is."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import ClientError, ParamValidationError

from ..runtime import keys
from ..runtime.identifiers import TENANT_ID, describe_mismatch

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

NAME: Final = re.compile(r"[A-Za-z0-9:/._-]{1,1024}")
"""A stream's ARN, or a shard's id."""
SEQUENCE_NUMBER: Final = re.compile(r"[0-9]{1,40}")
SHAPES: Final = {
    "streamArn": NAME,
    "shardId": NAME,
    "startSequenceNumber": SEQUENCE_NUMBER,
    "endSequenceNumber": SEQUENCE_NUMBER,
}

MAX_EMPTY_PAGES: Final = 100
"""In a row. DynamoDB may return an empty page though more follow, and of a shard that is written to there is always a
next one: that nothing follows is never said. A pipe gathers a batch for five minutes at most, so that there are few
between its records; and so many are read in about a second of the Lambda's minute."""

MAX_NAMED: Final = 20
"""Of the records that name no tenant. A batch may have 10,000, and SNS takes 256 KB."""

NO_SUCH_PLACE: Final = "there is no such place in a stream"
UNREADABLE: Final = {
    "ResourceNotFoundException": "the stream or its shard is there no more",
    "TrimmedDataAccessException": "the stream has forgotten the records, as it does after a day",
    "ValidationException": NO_SUCH_PLACE,
}


class UnreadableRange(Exception):
    """Whose records were given up cannot be found out; the text says why."""


@dataclass(frozen=True, slots=True)
class StreamRange:
    """A part of a shard of a DynamoDB stream."""

    stream_arn: str
    shard_id: str
    first: str
    """Its first record's sequence number."""
    last: str

    @classmethod
    def read(cls, dead_letter: str) -> Self:
        """The range that a pipe's dead letter tells of.

        Raises:
            UnreadableRange: it is none of a pipe from a DynamoDB stream, or a field of it, which is named, is none.
        """
        try:
            told = json.loads(dead_letter)["DDBStreamBatchInfo"]
            fields = {name: told[name] for name in SHAPES}
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise UnreadableRange("it is no dead letter of a pipe from a DynamoDB stream") from error
        for name, shape in SHAPES.items():
            if wrong := describe_mismatch(name, shape, fields[name]):
                raise UnreadableRange(wrong)
        found = cls(*fields.values())
        if int(found.last) < int(found.first):
            raise UnreadableRange(
                f"endSequenceNumber: must not be less than startSequenceNumber {found.first}, got {found.last}"
            )
        return found

    def __str__(self) -> str:
        return f"records {self.first} to {self.last} of {self.shard_id} of {self.stream_arn}"


@dataclass(frozen=True, slots=True)
class StreamReader:
    """Any DynamoDB stream."""

    client: DynamoDBStreamsClient

    def records(self, stream_range: StreamRange) -> Iterator[Mapping[str, Any]]:
        """The records of a range, read again.

        Raises:
            UnreadableRange: the stream does not have them, or not all; after those that it has.
        """
        last = int(stream_range.last)
        for record in self._from(stream_range):
            number = int(record["dynamodb"]["SequenceNumber"])
            if number <= last:
                yield record
            if number >= last:
                return
        raise UnreadableRange(f"the stream ended before {stream_range.last}")

    def _from(self, stream_range: StreamRange) -> Iterator[Mapping[str, Any]]:
        """The records from a range's first one on, until the shard seems to have no more."""
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
            raise UnreadableRange(NO_SUCH_PLACE) from error
        except ClientError as error:
            why = UNREADABLE.get(error.response.get("Error", {}).get("Code", ""))
            if why is None:
                raise
            raise UnreadableRange(why) from error


@dataclass(frozen=True, slots=True)
class Findings:
    """What a dead letter comes to: it may be both."""

    tenants: frozenset[str] = frozenset()
    """Whose submissions were given up."""
    problem: str | None = None
    """What could not be found out, with where it is; None: all was."""


def find_tenants(dead_letter: str, stream: StreamReader) -> Findings:
    """Read again what a pipe gave up, by the dead letter that tells where it is."""
    try:
        stream_range = StreamRange.read(dead_letter)
    except UnreadableRange as error:
        return Findings(problem=str(error))
    tenants: set[str] = set()
    nameless: list[str] = []
    problems: list[str] = []
    try:
        for record in stream.records(stream_range):
            owners = _owners(record)
            tenants |= owners
            if not owners and _is_submission(record):
                nameless.append(record["dynamodb"]["SequenceNumber"])
    except UnreadableRange as error:
        problems.append(str(error))
    if nameless:
        more = f" and {len(nameless) - MAX_NAMED:,} more" if len(nameless) > MAX_NAMED else ""
        problems.append(f"{', '.join(nameless[:MAX_NAMED])}{more} name no tenant")
    return Findings(frozenset(tenants), f"{stream_range}: {'; '.join(problems)}" if problems else None)


def _owners(record: Mapping[str, Any]) -> set[str]:
    """The tenants that a record names in its images."""
    images = (record["dynamodb"].get(name, {}) for name in ("OldImage", "NewImage"))
    named = (image.get("tenant_id", {}).get("S", "") for image in images)
    return {tenant_id for tenant_id in named if TENANT_ID.fullmatch(tenant_id)}


def _is_submission(record: Mapping[str, Any]) -> bool:
    """Whether a tenant is to be expected: what is no submission was not the pipe's to deliver."""
    # A table with keys of its own holds nothing else.
    key: str = record["dynamodb"]["Keys"].get("PK", {}).get("S", keys.SUBMISSION_PREFIX)
    return key.startswith(keys.SUBMISSION_PREFIX)
