"""What a pipe gave up: where in a stream it is, and whose it is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Self

from botocore.exceptions import ClientError, ParamValidationError

from .identifiers import TENANT_ID

if TYPE_CHECKING:
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient

ITEM_PREFIX: Final = "SUB#"
"""What the partition key of a submission begins with."""

UNREADABLE: Final = {
    "ResourceNotFoundException": "the stream or its shard is there no more",
    "TrimmedDataAccessException": "the stream has forgotten the records, as it does after a day",
}


class Unreadable(Exception):
    """Whose records were given up cannot be found out; the text says why."""


@dataclass(frozen=True, slots=True)
class Range:
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
            Unreadable: it is none of a pipe from a DynamoDB stream.
        """
        try:
            told = json.loads(dead_letter)["DDBStreamBatchInfo"]
            return cls(told["streamArn"], told["shardId"], told["startSequenceNumber"], told["endSequenceNumber"])
        except (ValueError, TypeError, KeyError) as error:
            raise Unreadable("it is no dead letter of a pipe from a DynamoDB stream") from error

    def __str__(self) -> str:
        return f"records {self.first} to {self.last} of {self.shard_id} of {self.stream_arn}"


@dataclass(frozen=True, slots=True)
class Stream:
    """Any DynamoDB stream."""

    client: DynamoDBStreamsClient

    def records(self, given_up: Range) -> Iterator[Mapping[str, Any]]:
        """The records of a range, read again.

        Raises:
            Unreadable: the stream does not have them any more.
        """
        try:
            iterator: str | None = self.client.get_shard_iterator(
                StreamArn=given_up.stream_arn,
                ShardId=given_up.shard_id,
                ShardIteratorType="AT_SEQUENCE_NUMBER",
                SequenceNumber=given_up.first,
            ).get("ShardIterator")
            while iterator:
                page = self.client.get_records(ShardIterator=iterator)
                for record in page.get("Records", []):
                    number = int(record.get("dynamodb", {}).get("SequenceNumber", "0"))
                    if number > int(given_up.last):
                        return
                    yield record
                    if number == int(given_up.last):
                        return
                iterator = page.get("NextShardIterator")
        except ParamValidationError as error:
            raise Unreadable("there is no such place in a stream") from error
        except ClientError as error:
            why = UNREADABLE.get(error.response.get("Error", {}).get("Code", ""))
            if why is None:
                raise
            raise Unreadable(why) from error


@dataclass(frozen=True, slots=True)
class Findings:
    """What a dead letter comes to."""

    tenants: frozenset[str] = frozenset()
    """Whose submissions were given up."""
    problem: str | None = None
    """What could not be found out, with where it is; None: all was."""


def investigate(dead_letter: str, stream: Stream) -> Findings:
    """Read again what a pipe gave up, by the dead letter that tells where it is."""
    try:
        given_up = Range.read(dead_letter)
    except Unreadable as error:
        return Findings(problem=str(error))
    try:
        tenants, nameless = _owners(stream.records(given_up))
    except Unreadable as error:
        return Findings(problem=f"{given_up}: {error}")
    if nameless:
        return Findings(frozenset(tenants), f"{given_up}: {', '.join(nameless)} name no tenant")
    return Findings(frozenset(tenants))


def _owners(records: Iterable[Mapping[str, Any]]) -> tuple[set[str], list[str]]:
    """The tenants whose submissions the records tell of, and the sequence numbers of those that name none.

    Of what is no submission, and so was not the pipe's to deliver, none is expected.
    """
    tenants: set[str] = set()
    nameless: list[str] = []
    for record in records:
        change = record["dynamodb"]
        images = (change.get(name, {}) for name in ("OldImage", "NewImage"))
        named = (image.get("tenant_id", {}).get("S", "") for image in images)
        theirs = {tenant_id for tenant_id in named if TENANT_ID.fullmatch(tenant_id)}
        tenants |= theirs
        # A table with keys of its own holds nothing else.
        key = change["Keys"].get("PK", {}).get("S", ITEM_PREFIX)
        if not theirs and key.startswith(ITEM_PREFIX):
            nameless.append(change["SequenceNumber"])
    return tenants, nameless
