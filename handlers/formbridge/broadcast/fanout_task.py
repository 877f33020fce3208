"""Fan-out tasks: parts of a broadcast to a large tenant. The fan-out Lambdas run them. Pure.

A task names a shard or a span of a shard, not a list of connections.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..connections.connection import Span
from .changes import Change

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

MAX_CHANGES_BYTES: Final = 1_000_000
"""Limit on the size of the changes in one message. SQS accepts messages of at most 1 MiB.
https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/quotas-messages.html"""


@dataclass(frozen=True, slots=True)
class FanoutTask:
    """A broadcast to all connections of a tenant, or to some of them.

    A task without a span may be divided again.
    """

    tenant_id: str
    """The tenant."""
    changes: Sequence[Change] | None
    """The changes to post. None: post a `resync` frame to each connection."""
    epoch: int = 0
    """Epoch of the tenant's history, as of the time when the task was divided. 0: the task was not divided yet."""
    shard: int | None = None
    """The shard of the connections. None: all shards."""
    span: Span | None = None
    """The span of the shard. None: the whole shard."""
    filter_costs: Sequence[int] = ()
    """Costs of the tenant's distinct subscription filters, as of the time when the task was divided."""

    @property
    def replaces_history(self) -> bool:
        """Whether the views of the tenant's clients must start anew.

        A `resync` also replaces the history, because the changes that could not be delivered may have done so.
        """
        return self.changes is None or any(change.replaces_history for change in self.changes)

    def narrow(self, shard: int, span: Span | None = None) -> FanoutTask:
        """Return the task for one shard, or for a span of a shard."""
        return replace(self, shard=shard, span=span)

    def encode(self) -> Iterator[str]:
        """Yield the messages of the task. Many changes need more than one message."""
        if self.changes is None:
            yield self._encode_message(None)
            return
        part: list[str] = []
        size = 0
        for change in self.changes:
            encoded = json.dumps(change.to_json())
            if part and size + len(encoded) > MAX_CHANGES_BYTES:
                yield self._encode_message(part)
                part, size = [], 0
            part.append(encoded)
            size += len(encoded) + 1
        if part:
            yield self._encode_message(part)

    def _encode_message(self, changes: Sequence[str] | None) -> str:
        """Return one message.

        Args:
            changes: The changes as JSON strings, so that each change is encoded only once. None: the task is a resync.
        """
        target = json.dumps(
            {
                "tenant_id": self.tenant_id,
                "epoch": self.epoch,
                "shard": self.shard,
                "span": self.span,
                "filter_costs": self.filter_costs,
            }
        )
        encoded = "null" if changes is None else f"[{','.join(changes)}]"
        return f'{target[:-1]}, "changes": {encoded}}}'

    @classmethod
    def decode(cls, message: str) -> FanoutTask:
        """Return the task of a message that `encode` built."""
        fields: dict[str, Any] = json.loads(message)
        changes = None if fields["changes"] is None else [*map(Change.from_json, fields["changes"])]
        span = None if fields["span"] is None else Span(*fields["span"])
        return cls(fields["tenant_id"], changes, fields["epoch"], fields["shard"], span, tuple(fields["filter_costs"]))
