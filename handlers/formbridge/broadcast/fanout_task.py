"""What one Lambda hands to others where a tenant has more connections than it posts to: shards and spans, no lists."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

from ..connections.connection import Span
from .changes import Change

MAX_CHANGES_BYTES: Final = 1_000_000
"""Of the changes in one message; SQS takes 1 MiB.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


@dataclass(frozen=True, slots=True)
class FanoutTask:
    """What a tenant's connections are to be told, or some of them. What has no span may be divided again."""

    tenant_id: str
    changes: Sequence[Change] | None
    """None: to `resync`."""
    shard: int | None = None
    """None: those of all shards."""
    span: Span | None = None

    def narrow(self, shard: int, span: Span | None = None) -> FanoutTask:
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
            if part and size + len(text) > MAX_CHANGES_BYTES:
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
    def decode(cls, text: str) -> FanoutTask:
        """A message that `encode` made."""
        read: dict[str, Any] = json.loads(text)
        changes = None if read["changes"] is None else [*map(Change.from_json, read["changes"])]
        span = None if read["span"] is None else Span(*read["span"])
        return cls(read["tenant_id"], changes, read["shard"], span)
