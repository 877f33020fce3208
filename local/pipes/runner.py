"""From a stream to a Lambda function and a dead-letter queue."""

from __future__ import annotations

import json
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ..emulator import client
from .delivery import Delivery, TargetError
from .direct_client import CallError, DirectClient, FunctionError
from .settings import PipeError, PipeSettings, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..emulator import Emulator

WAIT_SECONDS = 1.0
"""How long a poll waits for a record; with the next one, what the emulator told nobody about is found all the same."""


class _Stopped(Exception):  # not an error
    """The runner was asked to stop in the middle of a delivery."""


class PipeRunner:
    """One declared pipe, run in a thread of its own."""

    def __init__(self, settings: PipeSettings, emulator: Emulator) -> None:
        self.settings = settings
        self._calls = DirectClient(emulator.direct_port)
        self._streams = client("dynamodbstreams", emulator.endpoint_url, emulator.region)
        self._sqs = client("sqs", emulator.endpoint_url, emulator.region)
        self._stopping = threading.Event()
        self._polling = ThreadPoolExecutor(1, f"pipe-{settings.arn}")
        self._reading = ThreadPoolExecutor(1, f"read-{settings.arn}")
        self._lanes = ThreadPoolExecutor(settings.lanes, f"lane-{settings.arn}")

    def start(self) -> Future[None]:
        """Find the stream's shard and the queue, then start polling.

        Returns:
            a future that ends when the runner does: with None after `stop`, or else with what went wrong.

        Raises:
            PipeError: stream or queue do not exist.
        """
        try:
            dead_letter = self._open_dead_letter_queue()
            shard = _ShardReader(self._streams, self._calls, self.settings)
        except ClientError as error:
            raise PipeError(f"pipe {self.settings.arn}: {error}") from error
        lanes = [
            Delivery(self.settings, shard.id, target=self._invoke, dead_letter=dead_letter, sleep=self._sleep)
            for _ in range(self.settings.lanes)
        ]
        return self._polling.submit(self._poll, shard, lanes)

    def stop(self) -> None:
        """Begin nothing more."""
        self._stopping.set()

    def join(self) -> None:
        """Return when nothing is under way any more, an invocation that had begun included."""
        self._polling.shutdown()
        self._reading.shutdown()
        self._lanes.shutdown()
        self._calls.close()

    def _poll(self, shard: _ShardReader, lanes: Sequence[Delivery]) -> None:
        try:
            page = self._reading.submit(shard.read)
            while not self._stopping.is_set():
                try:
                    records = page.result(min(WAIT_SECONDS, *(lane.seconds_until_due() for lane in lanes)))
                except TimeoutError:
                    records = []  # what is pending may be due
                else:
                    if self._stopping.is_set():
                        return
                    # While these are delivered the next ones are waited for already.
                    page = self._reading.submit(shard.read)
                self._offer(records, lanes)
        except _Stopped:
            return
        except (CallError, ClientError, BotoCoreError) as error:
            # The emulator may end while the last poll waits.
            if not self._stopping.is_set():
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

    def _invoke(self, records: Sequence[Record]) -> object:
        try:
            return self._calls.invoke(self.settings.function_arn, self.settings.invocation_type, records)
        except (CallError, FunctionError) as error:
            raise TargetError(str(error)) from error

    def _open_dead_letter_queue(self) -> Callable[[Mapping[str, Any]], None]:
        arn = self.settings.dead_letter_arn
        if arn is None:
            return lambda _message: None
        account, queue = arn.split(":")[4:]
        url = self._sqs.get_queue_url(QueueName=queue, QueueOwnerAWSAccountId=account)["QueueUrl"]
        return lambda message: self._sqs.send_message(QueueUrl=url, MessageBody=json.dumps(message))


class _ShardReader:
    """A position in a stream's shard; the emulator's streams have one."""

    def __init__(self, streams: Any, calls: DirectClient, settings: PipeSettings) -> None:
        self._streams = streams
        self._calls = calls
        self._stream_arn = settings.stream_arn
        (shard,) = streams.describe_stream(StreamArn=self._stream_arn)["StreamDescription"]["Shards"]
        self.id: str = shard["ShardId"]
        self._iterator: str | None = self._open(ShardIteratorType=settings.starting_position)
        self._last_read = ""

    def read(self) -> list[Record]:
        """The records since the last call, up to 1,000, as soon as there are some; none where none come for a while.

        Raises:
            PipeError: the stream has been closed.
            CallError: it cannot be read.
        """
        if self._iterator is None:
            raise PipeError(f"the stream {self._stream_arn} has been closed")
        try:
            page = self._calls.get_records(self._iterator, WAIT_SECONDS)
        except CallError as error:
            if not (self._last_read and error.code == "ExpiredIteratorException"):
                raise
            # Iterators live 15 minutes; a batch may have been retried for longer.
            self._iterator = self._open(ShardIteratorType="AFTER_SEQUENCE_NUMBER", SequenceNumber=self._last_read)
            return []
        records = [to_pipe_record(record, self._stream_arn) for record in page["Records"]]
        if records:
            self._last_read = records[-1]["dynamodb"]["SequenceNumber"]
        self._iterator = page.get("NextShardIterator")
        return records

    def _open(self, **position: str) -> Any:
        response = self._streams.get_shard_iterator(StreamArn=self._stream_arn, ShardId=self.id, **position)
        return response["ShardIterator"]


def to_pipe_record(record: Mapping[str, Any], stream_arn: str) -> Record:
    """A record of the DynamoDB Streams API, as JSON, as a pipe delivers it."""
    event = {**record, "eventSourceARN": stream_arn}
    if identity := record.get("userIdentity"):
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event
