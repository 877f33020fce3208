"""A request to an ASGI application without a network."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence


@dataclass(frozen=True)
class Answer:
    """A response, and whether the body of the request was read for it."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    body_was_read: bool

    def json(self) -> Any:
        """Return the decoded body."""
        return json.loads(self.body)


def ask(
    app: Callable[..., Awaitable[None]],
    method: str,
    path: str,
    headers: Sequence[tuple[str, str]],
    body: Sequence[bytes] = (b"",),
) -> Answer:
    """Send a request to an application.

    Args:
        app: The application.
        method: The HTTP method.
        path: The path with its query string. Nothing in it is percent-encoded.
        headers: The headers; a name may be repeated.
        body: The parts of the body, as they arrive.
    """
    sent: list[dict[str, Any]] = []
    parts = iter([{"type": "http.request", "body": part, "more_body": True} for part in body[:-1]])
    last = iter([{"type": "http.request", "body": body[-1], "more_body": False}])
    reads = 0

    async def receive() -> dict[str, Any]:
        nonlocal reads
        reads += 1
        return next(parts, None) or next(last, {"type": "http.disconnect"})

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    raw_path, _, query = path.partition("?")
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": raw_path,
        "raw_path": raw_path.encode(),
        "root_path": "",
        "query_string": query.encode(),
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
    }
    asyncio.run(_run(app, scope, receive, send))
    start, *rest = sent
    fields = {name.decode().lower(): value.decode("latin-1") for name, value in start["headers"]}
    return Answer(start["status"], fields, b"".join(message.get("body", b"") for message in rest), reads > 0)


async def _run(app: Callable[..., Awaitable[None]], *arguments: object) -> None:
    await app(*arguments)
