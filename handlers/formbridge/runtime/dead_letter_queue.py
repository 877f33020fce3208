"""What no Lambda can work with, kept for a person with the reason why."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_MESSAGE_BYTES: Final = 1024 * 1024
"""The most that SQS takes, which is also the most that EventBridge does: with its reason what came may be more.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""

PART_CHARACTERS: Final = MAX_MESSAGE_BYTES // 2 - 4096
"""Of what is kept, as JSON, in one message; as a text inside of JSON each may take two."""


@dataclass(frozen=True, slots=True)
class DeadLetterQueue:
    """The queue of a component for what its Lambda cannot work with.

    What is too large for one message goes as several, `{"reason": …, "event_id": …, "part": 1, "parts": 3,
    "text": …}`, or `dead_letter_id`, whose texts put together are its JSON.
    """

    client: SQSClient
    queue_url: str

    def send(self, event: Mapping[str, Any], reason: str) -> None:
        """Keep an event that can never be stored, whole: `{"reason": …, "event": …}`."""
        self._keep("event", event, event.get("id"), reason)

    def forward(self, dead_letter: str, message_id: str, reason: str) -> None:
        """Keep a message of another dead-letter queue, its text as it is: `{"reason": …, "dead_letter": "…"}`."""
        self._keep("dead_letter", dead_letter, message_id, reason)

    def _keep(self, kind: str, what: object, its_id: object, reason: str) -> None:
        for body in _bodies(kind, what, its_id, reason):
            self.client.send_message(QueueUrl=self.queue_url, MessageBody=body)


def _bodies(kind: str, what: object, its_id: object, reason: str) -> Iterator[str]:
    whole = json.dumps({"reason": reason, kind: what})
    if len(whole) <= MAX_MESSAGE_BYTES:
        yield whole
        return
    text = json.dumps(what)
    starts = range(0, len(text), PART_CHARACTERS)
    for number, start in enumerate(starts, 1):
        part = {"part": number, "parts": len(starts), "text": text[start : start + PART_CHARACTERS]}
        yield json.dumps({"reason": reason, f"{kind}_id": its_id, **part})
