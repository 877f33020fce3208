"""The core of `tools.client` on a raw connection: the test decides which frames it is handed, and what time it is."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from tools.client import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.conformance.wire import Frame, Wire


class Client:
    """A subscription that has connected."""

    def __init__(self, wire: Wire, subscription: Subscription | None = None) -> None:
        self.subscription = subscription or Subscription()
        self.sent: list[Frame] = []
        self._later = 0.0
        self._unanswered: set[str] = set()
        self.reconnect(wire)

    @property
    def now(self) -> float:
        return time.time() + self._later

    @property
    def versions(self) -> dict[str, int]:
        """What is shown."""
        return {name: data["version"] for name, data in self.subscription.view.get_submissions(self.now).items()}

    def reconnect(self, wire: Wire) -> None:
        """Go on with another connection."""
        self._wire = wire
        self._unanswered.clear()
        self._send(self.subscription.handle_connect(self.now))
        self.settle()

    def take(self, *frames: Frame) -> None:
        """Be handed frames."""
        for frame in frames:
            self._unanswered.discard(frame.get("id", ""))
            self._send(self.subscription.handle_frame(frame, self.now))

    def settle(self) -> None:
        """Take what comes until each request is answered."""
        while self._unanswered:
            self.take(self._wire.next())

    def later(self, seconds: float) -> None:
        """Let time go by, then do what is due."""
        self._later += seconds
        self._send(self.subscription.handle_timeout(self.now))

    def refilter(self, wanted: dict[str, object] | None) -> None:
        self._send(self.subscription.set_filter(wanted, self.now))

    def _send(self, frames: Iterable[Frame]) -> None:
        for frame in frames:
            self.sent.append(frame)
            self._unanswered.add(frame["id"])
            self._wire.send(frame)
