"""The fan-out queue, which distributes fan-out tasks to Lambdas."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from mypy_boto3_sqs import SQSClient

    from .fanout_task import FanoutTask


@dataclass(frozen=True, slots=True)
class FanoutQueue:
    """The fan-out queue of a `WebSocketGateway`."""

    client: Callable[[], SQSClient]
    """Returns the SQS client. Called only when a task is sent, because few tenants need the queue and creating a client
    takes time."""
    queue_url: str
    """URL of the queue."""

    def send(self, tasks: Sequence[FanoutTask]) -> None:
        """Send tasks to the queue.

        If a message cannot be sent, the invocation fails and is repeated. Messages that were already sent are then sent
        again and processed twice.
        """
        for task in tasks:
            for message in task.encode():
                self.client().send_message(QueueUrl=self.queue_url, MessageBody=message)
