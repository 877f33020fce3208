"""The dead-letter queue of a component, for input that its Lambda function cannot process."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""Maximum size of an SQS message in bytes. An EventBridge event has the same maximum size. An event together with the
reason may therefore be too large for one message.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""

PART_CHARACTERS: Final = MAX_MESSAGE_BYTES // 2 - 4096
"""Maximum number of characters of a dead letter's JSON in one part. The part is sent as a JSON string, in which a
character takes at most two bytes. This leaves 8 KB of the message for the other fields."""


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """A queue for input that a Lambda function cannot process.

    A dead letter that is too large for one message is sent in parts: `{"reason": …, "event_id": …, "part": 1,
    "parts": 3, "text": …}`. The parts of another queue's dead letter have `dead_letter_id` in place of `event_id`. The
    `text` fields of all parts, joined in order, are the JSON of the dead letter.
    """

    client: SQSClient
    """SQS client that sends the messages."""
    queue_url: str
    """URL of the queue."""

    def send(self, event: Mapping[str, Any], reason: str) -> None:
        """Send an event that can never be stored. The message is `{"reason": …, "event": …}`."""
        self._send("event", event, event.get("id"), reason)

    def forward(self, dead_letter: str, message_id: str, reason: str) -> None:
        """Send a dead letter of another queue. The message is `{"reason": …, "dead_letter": "…"}`.

        Args:
            dead_letter: Body of the message in the other queue.
            message_id: Id of the message in the other queue.
            reason: Why the dead letter cannot be processed.
        """
        self._send("dead_letter", dead_letter, message_id, reason)

    def _send(self, kind: str, content: object, content_id: object, reason: str) -> None:
        for body in _build_bodies(kind, content, content_id, reason):
            self.client.send_message(QueueUrl=self.queue_url, MessageBody=body)


def _build_bodies(kind: str, content: object, content_id: object, reason: str) -> Iterator[str]:
    whole = json.dumps({"reason": reason, kind: content})
    if len(whole) <= MAX_MESSAGE_BYTES:
        yield whole
        return
    text = json.dumps(content)
    starts = range(0, len(text), PART_CHARACTERS)
    for number, start in enumerate(starts, 1):
        part = {"part": number, "parts": len(starts), "text": text[start : start + PART_CHARACTERS]}
        yield json.dumps({"reason": reason, f"{kind}_id": content_id, **part})
