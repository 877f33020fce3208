"""The emulator's own process: MiniStack with two repairs, and an end tied to its parent's.

Run by `local.emulator` as a script; it takes nothing from this project. What differs from plain `ministack`:

- API Gateway selects the WebSocket subprotocol that the `$connect` integration returned in its
  `Sec-WebSocket-Protocol` header. MiniStack drops it, and a browser that offered subprotocols then hangs up.
- A `$connect` authorizer that raises "Unauthorized" makes a 401, as on AWS. MiniStack makes it a 500.
- Standard input is a pipe from the parent. When it closes, however the parent ended, this process takes itself and
  its process group (the Lambda workers) with it.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import os
import signal
import sys
import threading
from contextvars import ContextVar
from typing import Any

PATCHED = ("handle_websocket", "_invoke_ws_lambda", "_authorize_ws_connect", "run_reentrant")
"""The functions of `ministack.services.apigateway` through which a WebSocket handshake passes."""

AUTHORIZER_THREAD = "ministack-apigw-authorizer"
"""How MiniStack names the thread in which it runs an authorizer."""

Fields = dict[str, Any]


def end_with_parent() -> None:
    """Kill this process group when standard input closes: not even a SIGKILL of the parent leaves it running."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def check_fit(apigateway: Any) -> None:
    """Raise SystemExit unless this version of MiniStack has the functions to wrap."""
    for name in PATCHED:
        if not inspect.iscoroutinefunction(getattr(apigateway, name, None)):
            version = importlib.metadata.version("ministack")
            raise SystemExit(
                f"MiniStack {version} has no ministack.services.apigateway.{name}: "
                "the repairs of its WebSocket handshake do not fit it"
            )


def select_subprotocol(apigateway: Any) -> None:
    """Accept a WebSocket with the subprotocol that its `$connect` integration returned."""
    handle_websocket, invoke_integration = apigateway.handle_websocket, apigateway._invoke_ws_lambda
    selected: ContextVar[str | None] = ContextVar("selected", default=None)

    async def invoke_noting_subprotocol(*args: Any, **kwargs: Any) -> Fields | None:
        response: Fields | None = await invoke_integration(*args, **kwargs)
        headers: Fields = (response or {}).get("headers") or {}
        for name, value in headers.items():
            if name.lower() == "sec-websocket-protocol":
                selected.set(value)
        return response

    async def handle_selecting_subprotocol(scope: Any, receive: Any, send: Any, *args: Any, **kwargs: Any) -> None:
        async def send_with_subprotocol(message: Fields) -> None:
            if message["type"] == "websocket.accept":
                message = {**message, "subprotocol": selected.get()}
            await send(message)

        await handle_websocket(scope, receive, send_with_subprotocol, *args, **kwargs)

    apigateway.handle_websocket = handle_selecting_subprotocol
    apigateway._invoke_ws_lambda = invoke_noting_subprotocol


def refuse_unauthorized(apigateway: Any) -> None:
    """Answer 401 to a handshake whose authorizer raised an error of exactly the text "Unauthorized"."""
    authorize, run_reentrant = apigateway._authorize_ws_connect, apigateway.run_reentrant
    unauthorized: ContextVar[bool] = ContextVar("unauthorized", default=False)

    async def run_noting_unauthorized(*args: Any, **kwargs: Any) -> Any:
        result = await run_reentrant(*args, **kwargs)
        if kwargs.get("thread_name") == AUTHORIZER_THREAD and result.get("error"):
            unauthorized.set(result["body"].get("errorMessage") == "Unauthorized")
        return result

    async def authorize_or_401(*args: Any, **kwargs: Any) -> tuple[tuple[int, str] | None, Fields | None]:
        refusal, context = await authorize(*args, **kwargs)
        return ((401, "Unauthorized") if unauthorized.get() else refusal), context

    apigateway._authorize_ws_connect = authorize_or_401
    apigateway.run_reentrant = run_noting_unauthorized


def main() -> None:
    """Run MiniStack until its parent ends or stops it."""
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    from ministack import app
    from ministack.services import apigateway

    check_fit(apigateway)
    select_subprotocol(apigateway)
    refuse_unauthorized(apigateway)
    app.main()


if __name__ == "__main__":
    main()
