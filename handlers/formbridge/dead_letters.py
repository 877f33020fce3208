"""Events that can never be stored, kept for a person with the reason why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead-letter queue of `SubmissionIngest`."""

    client: SQSClient
    queue_url: str

    def send(self, event: Mapping[str, Any], reason: str) -> None:
        """Keep an event whole: `{"reason": …, "event": …}`."""
        self.client.send_message(QueueUrl=self.queue_url, MessageBody=json.dumps({"reason": reason, "event": event}))
