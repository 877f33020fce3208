"""What a client hears that sends more than it may."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.support.conformance.wire import Frame


@dataclass(frozen=True)
class Flood:
    """The replies in order, and the frame before the server closed the connection."""

    replies: Sequence[Frame]
    last: Frame

    @property
    def at_once(self) -> int:
        """How many messages were answered before the first was refused."""
        return len(list(takewhile(lambda reply: reply["type"] == "pong", self.replies)))

    @property
    def refused(self) -> list[Frame]:
        return [reply for reply in self.replies if reply["type"] == "error"]
