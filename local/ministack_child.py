"""The emulator's own process: MiniStack with two repairs and two additions, and an end tied to its parent's.

Run by `local.emulator` as a script; it takes nothing from this project. What differs from plain `ministack`:

- API Gateway selects the WebSocket subprotocol that the `$connect` integration returned in its
  `Sec-WebSocket-Protocol` header. MiniStack drops it, and a browser that offered subprotocols then hangs up.
- A `$connect` authorizer that raises "Unauthorized" makes a 401, as on AWS. MiniStack makes it a 500.
- A GetRecords of a DynamoDB stream with the header `x-wait-seconds` is answered when there is a record, or after that
  time. Without the header, and on AWS, the answer comes at once, and who reads a stream has to ask again and again.
- Its arguments are the descriptors of two bound sockets. The web server listens on the first. On the second the local
  run's pipes reach streams and functions past the web server.
- Standard input is a pipe from the parent. When it closes, however the parent ended, this process takes itself and
  its process group (the Lambda workers) with it.
"""

from __future__ import annotations

import asyncio
import importlib.metadata
import inspect
import json
import os
import signal
import socket
import socketserver
import sys
import threading
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import Any

PATCHED = ("handle_websocket", "_invoke_ws_lambda", "_authorize_ws_connect", "run_reentrant")
"""The functions of `ministack.services.apigateway` through which a WebSocket handshake passes."""

AUTHORIZER_THREAD = "ministack-apigw-authorizer"
"""How MiniStack names the thread in which it runs an authorizer."""

WAIT_HEADER = "x-wait-seconds"
"""The header in which a GetRecords says how long it would wait for a record."""

Fields = dict[str, Any]


def end_with_parent() -> None:
    """Kill this process group when standard input closes: not even a SIGKILL of the parent leaves it running."""
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def check_fit(apigateway: Any, dynamodb: Any, streams: Any, functions: Any) -> None:
    """Raise SystemExit unless this version of MiniStack has what is to be wrapped."""
    coroutines = {f"apigateway.{name}": getattr(apigateway, name, None) for name in PATCHED}
    coroutines["dynamodb_streams.handle_request"] = getattr(streams, "handle_request", None)
    coroutines["lambda_svc.handle_request"] = getattr(functions, "handle_request", None)
    missing = [name for name, function in coroutines.items() if not inspect.iscoroutinefunction(function)]
    if not isinstance(getattr(dynamodb, "esm_wake", None), threading.Event):
        missing.append("dynamodb.esm_wake")
    if missing:
        version = importlib.metadata.version("ministack")
        raise SystemExit(f"MiniStack {version} has no ministack.services.{missing[0]}: our repairs do not fit it")


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


def serve_on(config_class: Any, descriptor: int) -> None:
    """Make each web server with a configuration of hypercorn's `config_class` listen on a bound socket."""
    create_sockets = config_class.create_sockets

    def create_our_socket(config: Any) -> Any:
        config.bind = [f"fd://{descriptor}"]
        sockets = create_sockets(config)
        os.set_inheritable(descriptor, False)  # hypercorn's own workers would need it, the Lambda workers do not
        return sockets

    config_class.create_sockets = create_our_socket


class Bell:
    """Stands in for the event that `dynamodb` sets after each stream record, and wakes who waits for one too."""

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._waiting: set[Callable[[], object]] = set()

    def set(self) -> None:
        """There is a record, of whatever stream. Any thread may say so."""
        self._event.set()
        for wake in tuple(self._waiting):
            wake()

    @contextmanager
    def waiting(self) -> Generator[asyncio.Event]:
        """An event of the running loop, set by the first record after the beginning of the block."""
        rung = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, rung.set)
        self._waiting.add(wake)
        try:
            yield rung
        finally:
            self._waiting.remove(wake)


def await_records(dynamodb: Any, streams: Any) -> None:
    """Let a GetRecords that says so wait for a record, and answer it as soon as there is one."""
    get_records = streams.handle_request
    bell = dynamodb.esm_wake = Bell(dynamodb.esm_wake)

    async def get_or_await_records(method: str, path: str, headers: Fields, *args: Any) -> tuple[int, Fields, bytes]:
        end = time.monotonic() + float(headers.get(WAIT_HEADER, 0))
        while True:
            with bell.waiting() as rung:
                answer: tuple[int, Fields, bytes] = await get_records(method, path, headers, *args)
                left = end - time.monotonic()
                if left <= 0 or json.loads(answer[2]).get("Records") != []:
                    return answer
                with suppress(TimeoutError):
                    # What was not heard of is found when the time is over.
                    async with asyncio.timeout(left):
                        await rung.wait()

    streams.handle_request = get_or_await_records


class Line(socketserver.StreamRequestHandler):
    """A connection to services of MiniStack without its web server, which is one thread's and busy after a write.

    What comes is a line of JSON, `[service, path, headers, body]`, and a line `[status, headers, body]` answers it; the
    names of headers are in lower case. It asks as the administrator.
    """

    disable_nagle_algorithm = True
    server: LineServer  # pyright: ignore[reportIncompatibleVariableOverride]

    def handle(self) -> None:
        """Answer one request after another."""
        with asyncio.Runner() as runner:
            for line in self.rfile:
                service, path, headers, body = json.loads(line)
                answer = self.server.services[service].handle_request("POST", path, headers, body.encode(), {})
                status, fields, body = runner.run(answer)
                fields = {name.lower(): value for name, value in fields.items()}
                self.wfile.write(json.dumps([status, fields, body.decode()]).encode() + b"\n")


class LineServer(socketserver.ThreadingTCPServer):
    """Takes connections on a bound socket to `services`, modules of MiniStack by a name for them."""

    daemon_threads = True

    def __init__(self, bound: socket.socket, services: Mapping[str, Any]) -> None:
        super().__init__(bound.getsockname(), Line, bind_and_activate=False)
        self.socket.close()
        self.socket = bound
        self.services = services
        self.server_activate()


def main() -> None:
    """Run MiniStack until its parent ends or stops it."""
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    from hypercorn.config import Config
    from ministack import app
    from ministack.services import apigateway, dynamodb, dynamodb_streams, lambda_svc

    check_fit(apigateway, dynamodb, dynamodb_streams, lambda_svc)
    select_subprotocol(apigateway)
    refuse_unauthorized(apigateway)
    await_records(dynamodb, dynamodb_streams)
    line, gateway = int(sys.argv.pop()), int(sys.argv.pop())
    serve_on(Config, gateway)
    os.set_inheritable(line, False)
    services = {"dynamodbstreams": dynamodb_streams, "lambda": lambda_svc}
    lines = LineServer(socket.socket(fileno=line), services)
    threading.Thread(target=lines.serve_forever, name="lines", daemon=True).start()
    app.main()


if __name__ == "__main__":
    main()
