"""Events that can never be stored, kept for a person with the reason why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""The most that SQS takes, which is also the most that EventBridge does: an event with its reason may be more.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""

PART_CHARACTERS: Final = MAX_MESSAGE_BYTES // 2 - 4096
"""Of an event's JSON in one message; as a text inside of JSON each may take two."""


@dataclass(frozen=True, slots=True)
class DeadLetters:
    """The dead-letter queue of `SubmissionIngest`."""

    client: SQSClient
    queue_url: str

    def send(self, event: Mapping[str, Any], reason: str) -> None:
        """Keep an event whole: `{"reason": …, "event": …}`.

        What is too large for one message goes as several, `{"reason": …, "event_id": …, "part": 1, "parts": 3,
        "text": …}`, whose texts are the event's JSON when put together.
        """
        for body in _bodies(event, reason):
            self.client.send_message(QueueUrl=self.queue_url, MessageBody=body)


def _bodies(event: Mapping[str, Any], reason: str) -> Iterator[str]:
    whole = json.dumps({"reason": reason, "event": event})
    if len(whole) <= MAX_MESSAGE_BYTES:
        yield whole
        return
    text = json.dumps(event)
    starts = range(0, len(text), PART_CHARACTERS)
    for number, start in enumerate(starts, 1):
        part = {"part": number, "parts": len(starts), "text": text[start : start + PART_CHARACTERS]}
        yield json.dumps({"reason": reason, "event_id": event.get("id"), **part})
