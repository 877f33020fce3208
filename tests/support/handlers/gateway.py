"""The gateway as the handlers meet it: clients that come through the routes, and @connections over HTTP."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import connect
import message
from tests.support.handlers.builders import HOUR_S, LambdaContext, connect_event, message_event

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.handlers.clock import Clock
    from tests.support.handlers.server import Answer, LocalServer

ERRORS: Final = {410: "GoneException", 429: "LimitExceededException", 403: "ForbiddenException", 500: "InternalFailure"}


class Gateway:
    """Answers every post with 200, unless told otherwise for a connection."""

    def __init__(self, serve: Callable[[Answer], LocalServer], clock: Clock) -> None:
        self.statuses: dict[str, int] = {}
        self.server = serve(self._answer)
        self._clock = clock

    def _answer(self, method: str, path: str) -> tuple[int, str]:
        status = self.statuses.get(path.rpartition("/")[2], 200)
        return status, json.dumps({"__type": ERRORS[status]}) if status in ERRORS else ""

    def subscribe(
        self,
        connection_id: str,
        tenant_id: str = "t_acme",
        *,
        expires_in: int = HOUR_S,
        wanted: dict[str, Any] | None = None,
    ) -> None:
        """A client that came a minute ago, so that its connection is no longer young."""
        self._clock.advance(-60_000)
        connecting = connect_event(tenant_id, connection_id, expires_at=self._clock.ms // 1000 + expires_in)
        assert connect.handler(connecting, LambdaContext())["statusCode"] == 200
        asked = {"action": "subscribe", "snapshot": 0, "filter": wanted}
        message.handler(message_event(asked, tenant_id, connection_id), LambdaContext())
        self._clock.advance(60_000)

    def posted(self, connection_id: str) -> list[dict[str, Any]]:
        """The frames that were posted to a connection, whatever became of them."""
        asked = ("POST", f"/live/@connections/{connection_id}")
        return [json.loads(body) for method, path, body in self.server.requests if (method, path) == asked]

    @property
    def closed(self) -> list[str]:
        return [path.rpartition("/")[2] for method, path, _ in self.server.requests if method == "DELETE"]
