"""What one Lambda hands to others where a tenant has more connections than it posts to: shards and spans, no lists."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..connections.connection import Span
from .changes import Change

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

MAX_WORK_BYTES: Final = 1_000_000
"""Of the changes in one message; SQS takes 1 MiB.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


@dataclass(frozen=True, slots=True)
class Work:
    """What a tenant's connections are to be told, or some of them. What has no span may be divided again."""

    tenant_id: str
    changes: Sequence[Change] | None
    """None: to `resync`."""
    shard: int | None = None
    """None: those of all shards."""
    span: Span | None = None

    def of(self, shard: int, span: Span | None = None) -> Work:
        """The same for a part of the tenant's connections."""
        return replace(self, shard=shard, span=span)

    def encode(self) -> Iterator[str]:
        """Messages that together say it."""
        if self.changes is None:
            yield self._message(None)
            return
        part: list[str] = []
        size = 0
        for change in self.changes:
            text = json.dumps(change.to_json())
            if part and size + len(text) > MAX_WORK_BYTES:
                yield self._message(part)
                part, size = [], 0
            part.append(text)
            size += len(text) + 1
        if part:
            yield self._message(part)

    def _message(self, changes: Sequence[str] | None) -> str:
        to_whom = json.dumps({"tenant_id": self.tenant_id, "shard": self.shard, "span": self.span})
        what = "null" if changes is None else f"[{','.join(changes)}]"
        return f'{to_whom[:-1]}, "changes": {what}}}'

    @classmethod
    def decode(cls, text: str) -> Work:
        """A message that `encode` made."""
        read: dict[str, Any] = json.loads(text)
        changes = None if read["changes"] is None else [*map(Change.from_json, read["changes"])]
        span = None if read["span"] is None else Span(*read["span"])
        return cls(read["tenant_id"], changes, read["shard"], span)


@dataclass(frozen=True, slots=True)
class FanoutQueue:
    """The fan-out queue of a `WebSocketGateway`."""

    client: Callable[[], SQSClient]
    """Made where it is needed: few tenants are large, and a client takes a while to make."""
    queue_url: str

    def send(self, work: Sequence[Work]) -> None:
        """Hand it all over. Where that fails half-way, what went is done once more when the whole is."""
        for one in work:
            for message in one.encode():
                self.client().send_message(QueueUrl=self.queue_url, MessageBody=message)
