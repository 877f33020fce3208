"""A byte-by-byte search of everything that a running stack keeps."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.e2e.client import aws

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_logs import CloudWatchLogsClient
    from mypy_boto3_sqs import SQSClient
    from mypy_boto3_sqs.type_defs import MessageTypeDef

    from local.stack import Stack


def find(stack: Stack, paths: Iterable[Path], text: str) -> set[str]:
    """The places that contain a text: tables, queues, log groups, and the files at and below `paths`."""
    sources = (_tables(aws(stack, "dynamodb")), _queues(aws(stack, "sqs")), _logs(aws(stack, "logs")), _files(paths))
    return {place for source in sources for place, content in source if text.encode() in content}


def find_in_streams(stack: Stack, text: str) -> set[str]:
    """The tables whose stream has a record that contains a text."""
    return {table for table, content in _streams(aws(stack, "dynamodbstreams")) if text.encode() in content}


def _encode(value: object) -> bytes:
    return json.dumps(value, default=str).encode()


def _tables(client: DynamoDBClient) -> Iterator[tuple[str, bytes]]:
    for names in client.get_paginator("list_tables").paginate():
        for name in names["TableNames"]:
            for page in client.get_paginator("scan").paginate(TableName=name):
                yield from ((name, _encode(item)) for item in page["Items"])


def _queues(client: SQSClient) -> Iterator[tuple[str, bytes]]:
    """The messages of all queues, which are visible again afterwards."""
    for url in client.list_queues().get("QueueUrls", []):
        messages: list[MessageTypeDef] = []
        while found := client.receive_message(QueueUrl=url, MaxNumberOfMessages=10, VisibilityTimeout=60).get(
            "Messages"
        ):
            messages += found
        for message in messages:
            handle = message.get("ReceiptHandle", "")
            client.change_message_visibility(QueueUrl=url, ReceiptHandle=handle, VisibilityTimeout=0)
            yield url.rpartition("/")[2], _encode(message)


def _logs(client: CloudWatchLogsClient) -> Iterator[tuple[str, bytes]]:
    for groups in client.get_paginator("describe_log_groups").paginate():
        for group in groups["logGroups"]:
            name = group.get("logGroupName", "")
            for page in client.get_paginator("filter_log_events").paginate(logGroupName=name):
                yield from ((name, _encode(event)) for event in page["events"])


def _files(paths: Iterable[Path]) -> Iterator[tuple[str, bytes]]:
    for path in paths:
        below = (Path(folder, name) for folder, _, names in os.walk(path) for name in names)
        for file in (path, *below):
            if file.is_file():
                try:
                    content = file.read_bytes()
                except FileNotFoundError:  # a Lambda worker that has ended removes its files
                    continue
                yield str(file), content


def _streams(client: DynamoDBStreamsClient) -> Iterator[tuple[str, bytes]]:
    for stream in client.list_streams().get("Streams", []):
        arn = stream.get("StreamArn", "")
        for shard in client.describe_stream(StreamArn=arn)["StreamDescription"].get("Shards", []):
            iterator = client.get_shard_iterator(
                StreamArn=arn, ShardId=shard.get("ShardId", ""), ShardIteratorType="TRIM_HORIZON"
            ).get("ShardIterator")
            while iterator:
                answer = client.get_records(ShardIterator=iterator)
                records = answer.get("Records", [])
                yield from ((stream.get("TableName", ""), _encode(record)) for record in records)
                # The iterator of an open shard never ends.
                iterator = answer.get("NextShardIterator") if records else None
