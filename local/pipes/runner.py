"""From a stream to a Lambda function and a dead-letter queue."""

from __future__ import annotations

import base64
import json
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import datetime
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ..emulator import client
from .delivery import Delivery, TargetError
from .settings import PipeError, PipeSettings, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

POLL_SECONDS = 0.01
INVOKE_TIMEOUT_SECONDS = 910
"""Longer than any Lambda function may run, so that the client never gives up before the function does."""


class _Stopped(Exception):  # not an error
    """The runner was asked to stop in the middle of a delivery."""


class PipeRunner:
    """One declared pipe, run in a thread of its own."""

    def __init__(
        self, settings: PipeSettings, endpoint_url: str, region: str, *, poll_seconds: float = POLL_SECONDS
    ) -> None:
        self.settings = settings
        self._poll_seconds = poll_seconds
        self._streams = client("dynamodbstreams", endpoint_url, region)
        self._lambda = client("lambda", endpoint_url, region, read_timeout=INVOKE_TIMEOUT_SECONDS)
        self._sqs = client("sqs", endpoint_url, region)
        self._stopping = threading.Event()
        self._polling = ThreadPoolExecutor(1, f"pipe-{settings.arn}")
        self._lanes = ThreadPoolExecutor(settings.lanes, f"lane-{settings.arn}")

    def start(self) -> Future[None]:
        """Find the stream's shards and the queue, then start polling.

        Returns:
            a future that ends when the runner does: with None after `stop`, or else with what went wrong.

        Raises:
            PipeError: stream or queue do not exist.
        """
        try:
            dead_letter = self._dead_letter_queue()
            shards = [_Shard(self._streams, self.settings, shard_id) for shard_id in self._shard_ids()]
        except ClientError as error:
            raise PipeError(f"pipe {self.settings.arn}: {error}") from error
        deliveries = [
            [
                Delivery(self.settings, shard.id, target=self._invoke, dead_letter=dead_letter, sleep=self._sleep)
                for _ in range(self.settings.lanes)
            ]
            for shard in shards
        ]
        return self._polling.submit(self._poll, shards, deliveries)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def join(self) -> None:
        """Return when nothing is under way any more, an invocation that had begun included."""
        self._polling.shutdown()
        self._lanes.shutdown()

    def _poll(self, shards: Sequence[_Shard], deliveries: Sequence[Sequence[Delivery]]) -> None:
        try:
            while True:
                for shard, lanes in zip(shards, deliveries, strict=True):
                    self._offer(shard.read(), lanes)
                self._sleep(self._poll_seconds)
        except _Stopped:
            return
        except (ClientError, BotoCoreError) as error:
            raise PipeError(f"pipe {self.settings.arn}: {error}") from error

    def _offer(self, records: Sequence[Record], lanes: Sequence[Delivery]) -> None:
        """Offer each lane its records: those of one item always go to the same one, in order."""
        if len(lanes) == 1:
            lanes[0].offer(records)
            return
        shares: list[list[Record]] = [[] for _ in lanes]
        for record in records:
            keys = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            shares[zlib.crc32(keys.encode()) % len(lanes)].append(record)
        for _ in self._lanes.map(Delivery.offer, lanes, shares):
            pass  # The next poll waits for every lane; this also raises what one of them raised.

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _Stopped

    def _shard_ids(self) -> list[str]:
        stream = self._streams.describe_stream(StreamArn=self.settings.stream_arn)["StreamDescription"]
        return [shard["ShardId"] for shard in stream["Shards"]]

    def _invoke(self, records: Sequence[Record]) -> object:
        try:
            response = self._lambda.invoke(
                FunctionName=self.settings.function_arn,
                InvocationType=self.settings.invocation_type,
                Payload=json.dumps(records).encode(),
            )
            payload = response["Payload"].read()
        except (ClientError, BotoCoreError) as error:
            raise TargetError(str(error)) from error
        if "FunctionError" in response:
            # Not what it says: an error's message may quote what a form held.
            raise TargetError(response["FunctionError"])
        return json.loads(payload) if payload else None

    def _dead_letter_queue(self) -> Callable[[Mapping[str, Any]], None]:
        arn = self.settings.dead_letter_arn
        if arn is None:
            return lambda _message: None
        account, queue = arn.split(":")[4:]
        url = self._sqs.get_queue_url(QueueName=queue, QueueOwnerAWSAccountId=account)["QueueUrl"]
        return lambda message: self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))


class _Shard:
    """A position in one shard of a stream."""

    def __init__(self, streams: Any, settings: PipeSettings, shard_id: str) -> None:
        self.id = shard_id
        self._streams = streams
        self._stream_arn = settings.stream_arn
        self._iterator = self._open(ShardIteratorType=settings.starting_position)
        self._last_read = ""

    def read(self) -> list[Record]:
        """The records since the last call, up to 1,000.

        Raises:
            PipeError: the stream has been closed.
        """
        try:
            page = self._streams.get_records(ShardIterator=self._iterator)
        except self._streams.exceptions.ExpiredIteratorException:
            if not self._last_read:
                raise
            # Iterators live 15 minutes; a batch may have been retried for longer.
            self._iterator = self._open(ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=self._last_read)
            return []
        records = [pipe_record(record, self._stream_arn) for record in page["Records"]]
        if records:
            self._last_read = records[-1]["dynamodb"]["SequenceNumber"]
        self._iterator = page.get("NextShardIterator")
        if self._iterator is None and not records:
            raise PipeError(f"the stream {self._stream_arn} has been closed")
        return records

    def _open(self, **position: str) -> Any:
        response = self._streams.get_shard_iterator(StreamArn=self._stream_arn, ShardId=self.id, **position)
        return response["ShardIterator"]


def pipe_record(record: Mapping[str, Any], stream_arn: str) -> Record:
    """A record of the DynamoDB Streams API (boto3) as a pipe delivers it."""
    event: Record = json.loads(json.dumps(record, default=_as_json))
    event["eventSourceARN"] = stream_arn
    identity = event.pop("userIdentity", None)
    if identity:
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event


def _as_json(value: object) -> object:
    if isinstance(value, datetime):
        seconds = value.timestamp()
        return int(seconds) if seconds.is_integer() else seconds
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    raise TypeError(f"no JSON for {type(value).__name__}")
