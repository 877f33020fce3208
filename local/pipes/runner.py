"""Runner of a pipe. It reads a stream and invokes a Lambda function with batches of records."""

from __future__ import annotations

import json
import threading
import zlib
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

from botocore.exceptions import BotoCoreError, ClientError

from ..emulator_client import client
from .delivery import Delivery, TargetError
from .direct_client import CallError, DirectClient, FunctionError
from .settings import PipeError, PipeSettings, Record

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from ..emulator import Emulator

WAIT_SECONDS = 1.0
"""How long a poll waits for a record, in seconds.

If the emulator does not signal a new record, the next poll finds the record.
"""


class _Stopped(Exception):
    """The runner was stopped during a delivery. This is not an error."""


class PipeRunner:
    """Runner of one declared pipe in its own threads.

    Args:
        settings: The settings of the pipe.
        emulator: The running emulator with the stream, the function and the queue.
    """

    def __init__(self, settings: PipeSettings, emulator: Emulator) -> None:
        self.settings = settings
        self._direct_client = DirectClient(emulator.connect_directly)
        self._streams = client("dynamodbstreams", emulator)
        self._sqs = client("sqs", emulator)
        self._stopping = threading.Event()
        self._polling = ThreadPoolExecutor(1, f"pipe-{settings.arn}")
        self._reading = ThreadPoolExecutor(1, f"read-{settings.arn}")
        self._lanes = ThreadPoolExecutor(settings.lanes, f"lane-{settings.arn}")

    def start(self) -> Future[None]:
        """Look up the stream's shard and the dead-letter queue, then start to poll.

        Returns:
            A future that is done when the runner ends. Its result is None after `stop`. If the runner fails, the future
            has the exception.

        Raises:
            PipeError: The stream or the queue does not exist.
        """
        try:
            dead_letter = self._open_dead_letter_queue()
            shard = _ShardReader(self._streams, self._direct_client, self.settings)
        except ClientError as error:
            raise PipeError(f"pipe {self.settings.arn}: {error}") from error
        lanes = [
            Delivery(self.settings, shard.id, target=self._invoke, dead_letter=dead_letter, sleep=self._sleep)
            for _ in range(self.settings.lanes)
        ]
        return self._polling.submit(self._poll, shard, lanes)

    def stop(self) -> None:
        """Stop polling and retrying. Return immediately; `join` waits for the end."""
        self._stopping.set()

    def join(self) -> None:
        """Wait until the runner and its invocations have ended, then close its connections."""
        self._polling.shutdown()
        self._reading.shutdown()
        self._lanes.shutdown()
        self._direct_client.close()

    def _poll(self, shard: _ShardReader, lanes: Sequence[Delivery]) -> None:
        try:
            page = self._reading.submit(shard.read)
            while not self._stopping.is_set():
                try:
                    records = page.result(min(WAIT_SECONDS, *(lane.seconds_until_due() for lane in lanes)))
                except TimeoutError:
                    # Deliver pending records whose batching window has ended.
                    records = []
                else:
                    if self._stopping.is_set():
                        return
                    # Start the next poll while these records are delivered.
                    page = self._reading.submit(shard.read)
                self._offer(records, lanes)
        except _Stopped:
            return
        except (CallError, ClientError, BotoCoreError) as error:
            # After `stop`, an error is expected: the emulator may end while the last poll waits.
            if not self._stopping.is_set():
                raise PipeError(f"pipe {self.settings.arn}: {error}") from error

    def _offer(self, records: Sequence[Record], lanes: Sequence[Delivery]) -> None:
        """Offer each lane its records. Records of one table item always go to the same lane, in order."""
        if len(lanes) == 1:
            lanes[0].offer(records)
            return
        shares: list[list[Record]] = [[] for _ in lanes]
        for record in records:
            keys = json.dumps(record["dynamodb"]["Keys"], sort_keys=True)
            shares[zlib.crc32(keys.encode()) % len(lanes)].append(record)
        for _ in self._lanes.map(Delivery.offer, lanes, shares):
            pass  # Wait for every lane, and raise an exception that a lane raised.

    def _sleep(self, seconds: float) -> None:
        if self._stopping.wait(seconds):
            raise _Stopped

    def _invoke(self, records: Sequence[Record]) -> object:
        try:
            return self._direct_client.invoke(self.settings.function_arn, self.settings.invocation_type, records)
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
    """Reader of a stream of the emulator. Such a stream has exactly one shard."""

    def __init__(self, streams: Any, direct_client: DirectClient, settings: PipeSettings) -> None:
        self._streams = streams
        self._direct_client = direct_client
        self._stream_arn = settings.stream_arn
        (shard,) = streams.describe_stream(StreamArn=self._stream_arn)["StreamDescription"]["Shards"]
        self.id: str = shard["ShardId"]
        self._iterator: str | None = self._open(ShardIteratorType=settings.starting_position)
        self._last_read = ""

    def read(self) -> list[Record]:
        """Return the records since the last call, up to 1,000.

        The list is empty if no record arrives within `WAIT_SECONDS`.

        Raises:
            PipeError: The stream has been closed.
            CallError: The emulator rejected the call or did not answer.
        """
        if self._iterator is None:
            raise PipeError(f"the stream {self._stream_arn} has been closed")
        try:
            page = self._direct_client.get_records(self._iterator, WAIT_SECONDS)
        except CallError as error:
            if not (self._last_read and error.code == "ExpiredIteratorException"):
                raise
            # The iterator has expired: it is valid for 15 minutes, and retries of a batch may take longer. Continue
            # after the last record that was read.
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
    """Convert a record of the DynamoDB Streams API (decoded JSON) to the form that a pipe delivers."""
    event = {**record, "eventSourceARN": stream_arn}
    if identity := record.get("userIdentity"):
        event["userIdentity"] = {"type": identity["Type"], "principalId": identity["PrincipalId"]}
    return event
