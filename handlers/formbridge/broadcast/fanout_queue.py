"""The fan-out queue: broadcasts of large tenants, divided among fan-out Lambdas."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .fanout_task import FanoutTask

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class FanoutQueue:
    """The fan-out queue of a `WebSocketGateway`."""

    client: Callable[[], SQSClient]
    """Made where it is needed: few tenants are large, and a client takes a while to make."""
    queue_url: str

    def send(self, tasks: Sequence[FanoutTask]) -> None:
        """Hand it all over. Where that fails half-way, what went is done once more when the whole is."""
        for task in tasks:
            for message in task.encode():
                self.client().send_message(QueueUrl=self.queue_url, MessageBody=message)
