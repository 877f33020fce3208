"""The emulator's process: MiniStack with three fixes, six additions and one part less.

`local.emulator` starts this process. It differs from plain `ministack` as follows:

- Fix: API Gateway accepts a WebSocket with the subprotocol that the `$connect` integration returned in its
  `Sec-WebSocket-Protocol` header. MiniStack ignores the header, and a browser that offered subprotocols then closes the
  connection.
- Fix: a handshake that the `$connect` integration refuses gets the status that the integration returned, as on AWS.
  MiniStack returns 403.
- Fix: a `$connect` authorizer that raises "Unauthorized" causes status 401, as on AWS. MiniStack returns 500.
- Addition: GetRecords of a DynamoDB stream supports long polling. The request header `x-wait-seconds` is a number of
  seconds. With the header, the response is sent as soon as there is a record, or at the end of this time. Without the
  header, the response is sent at once. AWS always responds at once.
- Addition: the web server serves only requests that are signed with a credential of this run
  (`local.request_authentication`). The environment variables `AWS_ACCESS_KEY_ID` and `AWS_SECRET_ACCESS_KEY` are the
  credential. Each Lambda worker gets the same credential, or a session of its role if IAM is enforced.
- Addition: a second server, the direct server, gives the pipes of the local run access to streams and functions without
  the web server.
- Addition: with the environment variable `RANDOM_FRAME_ORDER=1`, API Gateway processes the frames of a WebSocket
  connection in parallel and in random order, as Lambdas on AWS may do. MiniStack processes one frame after the other.
- Addition: the arguments are the file descriptors of two sockets. The first socket is already bound, and the web server
  listens on it. The second socket is connected to the parent process. It brings the connections of the direct server.
- Addition: the process ends when its parent ends. Standard input is a pipe from the parent. When this pipe closes, the
  process kills its process group, which includes the Lambda workers.
- Left out: MiniStack delivers no records of a pipe, because `local.pipes` does. A pipe has its state nevertheless.
"""

from __future__ import annotations

import asyncio
import importlib
import importlib.metadata
import inspect
import json
import os
import random
import secrets
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from functools import partial
from typing import TYPE_CHECKING, Any

from .request_authentication import Credentials, RequestAuthentication

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

INVOKE_INTEGRATION = "_invoke_ws_lambda"
AUTHORIZE_CONNECT = "_authorize_ws_connect"
PATCHED = ("handle_websocket", INVOKE_INTEGRATION, AUTHORIZE_CONNECT, "run_reentrant")
"""The functions of `ministack.services.apigateway` that this script wraps.

They process the handshake of a WebSocket.
"""

BUILD_CONTEXT = "_ws_request_context"
"""The function of `ministack.services.apigateway` that builds the `requestContext` of a WebSocket event."""
EVENT_TYPE_ARGUMENT = 6
"""The position of the argument `event_type` of `_invoke_ws_lambda`."""
MAX_FRAME_DELAY_SECONDS = 0.1
"""The longest random delay of a frame with `RANDOM_FRAME_ORDER`, in seconds."""

ISSUE_CREDENTIALS = "execution_credentials"
"""The function that returns the credential of a Lambda worker as environment variables."""

START_DELIVERY = "_ensure_poller"
"""The function that starts the thread in which MiniStack delivers the records of all running pipes."""

COROUTINES = {
    "app": ("app",),
    "services.apigateway": PATCHED,
    "services.dynamodb_streams": ("handle_request",),
    "services.lambda_svc": ("handle_request",),
}
"""The coroutine functions that this script wraps or calls, by module."""
FUNCTIONS = {
    "core.iam_evaluator": ("resolve_credential", "is_root_access_key"),
    "core.lambda_runtime": (ISSUE_CREDENTIALS,),
    "core.sigv4": (
        *("decode_header_value", "parse_header_signature"),
        *("request_time_failure", "header_signature_failure"),
    ),
    "services.apigateway": (BUILD_CONTEXT,),
    "services.lambda_svc": (ISSUE_CREDENTIALS,),
    "services.pipes": (START_DELIVERY,),
}
"""The other functions that this script wraps or calls, by module."""

AUTHORIZER_THREAD = "ministack-apigw-authorizer"
"""The name of the thread in which MiniStack runs an authorizer."""

WAIT_HEADER = "x-wait-seconds"
"""A request header of GetRecords: how long to wait for a record, in seconds."""

Fields = dict[str, Any]


def end_with_parent() -> None:
    """Kill this process group when standard input closes.

    Standard input is a pipe from the parent. It closes when the parent ends, even if SIGKILL ends the parent.
    """
    sys.stdin.buffer.read()
    os.killpg(0, signal.SIGKILL)


def check_compatibility(modules: Mapping[str, Any]) -> None:
    """Raise SystemExit if this version of MiniStack lacks a function or event that this script needs.

    Args:
        modules: MiniStack's modules by their names without the prefix `ministack.`.
    """
    missing = [
        f"{module}.{name}"
        for module, names in FUNCTIONS.items()
        for name in names
        if not callable(getattr(modules[module], name, None))
    ]
    missing += [
        f"{module}.{name}"
        for module, names in COROUTINES.items()
        for name in names
        if not inspect.iscoroutinefunction(getattr(modules[module], name, None))
    ]
    if not isinstance(getattr(modules["services.dynamodb"], "esm_wake", None), threading.Event):
        missing.append("services.dynamodb.esm_wake")
    if missing:
        version = importlib.metadata.version("ministack")
        raise SystemExit(f"MiniStack {version} has no ministack.{missing[0]}: this version is not supported")


def select_subprotocol(apigateway: Any) -> None:
    """Make API Gateway accept a WebSocket with the subprotocol that the `$connect` integration returned."""
    handle_websocket, invoke_integration = apigateway.handle_websocket, getattr(apigateway, INVOKE_INTEGRATION)
    selected: ContextVar[str | None] = ContextVar("selected", default=None)

    async def invoke_and_store_subprotocol(*args: Any, **kwargs: Any) -> Fields | None:
        response: Fields | None = await invoke_integration(*args, **kwargs)
        headers: Fields = (response or {}).get("headers") or {}
        for name, value in headers.items():
            if name.lower() == "sec-websocket-protocol":
                selected.set(value)
        return response

    async def handle_with_subprotocol(scope: Any, receive: Any, send: Any, *args: Any, **kwargs: Any) -> None:
        async def send_with_subprotocol(message: Fields) -> None:
            if message["type"] == "websocket.accept":
                message = {**message, "subprotocol": selected.get()}
            await send(message)

        await handle_websocket(scope, receive, send_with_subprotocol, *args, **kwargs)

    apigateway.handle_websocket = handle_with_subprotocol
    setattr(apigateway, INVOKE_INTEGRATION, invoke_and_store_subprotocol)


def refuse_with_status(apigateway: Any) -> None:
    """Make API Gateway refuse a handshake with the status that the `$connect` integration returned."""
    handle_websocket, invoke_integration = apigateway.handle_websocket, getattr(apigateway, INVOKE_INTEGRATION)
    returned: ContextVar[int | None] = ContextVar("returned", default=None)

    async def invoke_and_store_status(*args: Any, **kwargs: Any) -> Fields | None:
        response: Fields | None = await invoke_integration(*args, **kwargs)
        returned.set((response or {}).get("statusCode"))
        return response

    async def handle_with_status(scope: Any, receive: Any, send: Any, *args: Any, **kwargs: Any) -> None:
        is_accepted = False

        async def send_with_status(message: Fields) -> None:
            nonlocal is_accepted
            is_accepted = is_accepted or message["type"] == "websocket.accept"
            status = returned.get()
            if status is not None and not is_accepted and message["type"] == "websocket.close":
                await send({"type": "websocket.http.response.start", "status": int(status), "headers": []})
                message = {"type": "websocket.http.response.body", "body": b""}
            await send(message)

        await handle_websocket(scope, receive, send_with_status, *args, **kwargs)

    apigateway.handle_websocket = handle_with_status
    setattr(apigateway, INVOKE_INTEGRATION, invoke_and_store_status)


def process_frames_in_random_order(apigateway: Any) -> None:
    """Make API Gateway process the frames of a connection in parallel and in random order.

    Each frame is delayed by a random time of up to `MAX_FRAME_DELAY_SECONDS`. Its `requestTimeEpoch` stays the time at
    which it was received.
    """
    handle_websocket, invoke_integration = apigateway.handle_websocket, getattr(apigateway, INVOKE_INTEGRATION)
    build_context = getattr(apigateway, BUILD_CONTEXT)
    reply: ContextVar[Callable[[Fields], Any]] = ContextVar("reply")
    received_ms: ContextVar[int | None] = ContextVar("received_ms", default=None)
    tasks: set[asyncio.Task[None]] = set()

    def build_context_of_receipt(*args: Any, **kwargs: Any) -> Fields:
        context: Fields = build_context(*args, **kwargs)
        return {**context, "requestTimeEpoch": received_ms.get() or context["requestTimeEpoch"]}

    async def process(*args: Any, **kwargs: Any) -> None:
        received_ms.set(time.time_ns() // 1_000_000)
        await asyncio.sleep(random.uniform(0, MAX_FRAME_DELAY_SECONDS))  # noqa: S311 - a delay
        response: Fields | None = await invoke_integration(*args, **kwargs)
        if response and response.get("body"):
            await reply.get()({"type": "websocket.send", "text": response["body"]})

    async def invoke_or_start(*args: Any, **kwargs: Any) -> Fields | None:
        if args[EVENT_TYPE_ARGUMENT] != "MESSAGE":
            return await invoke_integration(*args, **kwargs)
        task = asyncio.create_task(process(*args, **kwargs))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        return None

    async def handle_and_store_reply(scope: Any, receive: Any, send: Any, *args: Any, **kwargs: Any) -> None:
        reply.set(send)
        await handle_websocket(scope, receive, send, *args, **kwargs)

    apigateway.handle_websocket = handle_and_store_reply
    setattr(apigateway, INVOKE_INTEGRATION, invoke_or_start)
    setattr(apigateway, BUILD_CONTEXT, build_context_of_receipt)


def refuse_unauthorized(apigateway: Any) -> None:
    """Make API Gateway return status 401 if the authorizer raised the error "Unauthorized".

    As on AWS, the message of the error must be exactly this word.
    """
    authorize, run_reentrant = getattr(apigateway, AUTHORIZE_CONNECT), apigateway.run_reentrant
    unauthorized: ContextVar[bool] = ContextVar("unauthorized", default=False)

    async def run_and_store_unauthorized(*args: Any, **kwargs: Any) -> Any:
        result = await run_reentrant(*args, **kwargs)
        if kwargs.get("thread_name") == AUTHORIZER_THREAD and result.get("error"):
            unauthorized.set(result["body"].get("errorMessage") == "Unauthorized")
        return result

    async def authorize_or_401(*args: Any, **kwargs: Any) -> tuple[tuple[int, str] | None, Fields | None]:
        refusal, context = await authorize(*args, **kwargs)
        return ((401, "Unauthorized") if unauthorized.get() else refusal), context

    setattr(apigateway, AUTHORIZE_CONNECT, authorize_or_401)
    apigateway.run_reentrant = run_and_store_unauthorized


def serve_on(config_class: Any, descriptor: int) -> None:
    """Make every web server that uses hypercorn's `config_class` listen on a socket that is already bound.

    Args:
        config_class: The class `hypercorn.config.Config`.
        descriptor: The file descriptor of the socket.
    """
    create_sockets = config_class.create_sockets

    def create_bound_socket(config: Any) -> Any:
        config.bind = [f"fd://{descriptor}"]
        sockets = create_sockets(config)
        # Hypercorn makes the descriptor inheritable for its worker processes. The Lambda workers must not inherit it.
        os.set_inheritable(descriptor, False)
        return sockets

    config_class.create_sockets = create_bound_socket


class RecordSignal:
    """Replacement for `dynamodb.esm_wake`, the event that MiniStack sets after each stream record.

    The method `set` sets the original event and also wakes every GetRecords request that waits for a record.
    """

    def __init__(self, event: threading.Event) -> None:
        self._event = event
        self._waiting: set[Callable[[], object]] = set()

    def set(self) -> None:
        """Report that a stream, no matter which, has a new record. Any thread may call this method."""
        self._event.set()
        for wake in tuple(self._waiting):
            wake()

    @contextmanager
    def waiting(self) -> Generator[asyncio.Event]:
        """Yield an asyncio event that is set when a record arrives during the block."""
        arrived = asyncio.Event()
        wake = partial(asyncio.get_running_loop().call_soon_threadsafe, arrived.set)
        self._waiting.add(wake)
        try:
            yield arrived
        finally:
            self._waiting.remove(wake)


def enable_long_polling(dynamodb: Any, streams: Any) -> None:
    """Make GetRecords wait for a record if the request has the header `WAIT_HEADER`."""
    get_records = streams.handle_request
    record_signal = dynamodb.esm_wake = RecordSignal(dynamodb.esm_wake)

    async def get_or_wait(method: str, path: str, headers: Fields, *args: Any) -> tuple[int, Fields, bytes]:
        end = time.monotonic() + float(headers.get(WAIT_HEADER, 0))
        while True:
            with record_signal.waiting() as arrived:
                answer: tuple[int, Fields, bytes] = await get_records(method, path, headers, *args)
                left = end - time.monotonic()
                if left <= 0 or json.loads(answer[2]).get("Records") != []:
                    return answer
                with suppress(TimeoutError):
                    # If a signal is lost, the read after the timeout finds the record.
                    async with asyncio.timeout(left):
                        await arrived.wait()

    streams.handle_request = get_or_wait


class DirectServer:
    """Server that calls MiniStack's services for the parent process.

    The calls do not go through the web server. The web server has only one thread, and after a write this thread is
    busy with the response to the writer.

    The server listens on no port and no path, so no other process can connect. The parent makes each connection itself
    and passes one end of it over `control`.

    A request is one line of JSON, `[service, path, headers, body]`. The response is one line of JSON,
    `[status, headers, body]`. Header names are in lower case. Requests have administrator rights.

    Args:
        control: A Unix socket that is connected to the parent process.
        services: MiniStack's service modules by the name that requests use.
    """

    def __init__(self, control: socket.socket, services: Mapping[str, Any]) -> None:
        self._control = control
        self._services = services

    def serve_forever(self) -> None:
        """Answer the requests of each connection in a thread, until the parent closes `control`."""
        while True:
            # Each connection comes with one byte, because descriptors cannot be sent without data.
            byte, descriptors, _flags, _address = socket.recv_fds(self._control, 1, 1)
            if not byte:
                return
            # There is no descriptor if the process has too many open files. The system then closes the connection.
            for descriptor in descriptors:
                connection = socket.socket(fileno=descriptor)
                connection.set_inheritable(False)  # the Lambda workers must not inherit it
                threading.Thread(target=self._answer, args=(connection,), daemon=True).start()

    def _answer(self, connection: socket.socket) -> None:
        """Answer the requests of a connection in order, until the parent closes it."""
        with connection, connection.makefile("rwb") as stream, asyncio.Runner() as runner:
            for line in stream:
                service, path, headers, body = json.loads(line)
                answer = self._services[service].handle_request("POST", path, headers, body.encode(), {})
                status, fields, body = runner.run(answer)
                fields = {name.lower(): value for name, value in fields.items()}
                stream.write(json.dumps([status, fields, body.decode()]).encode() + b"\n")
                stream.flush()


def issue_run_credentials(app: Any, *modules: Any) -> None:
    """Make MiniStack give each Lambda worker a credential that only this run knows.

    Without IAM, MiniStack gives a worker the account's id as its key id, which everyone knows. The worker gets this
    run's credential instead. With IAM, MiniStack derives the secret of a role's session from the ARNs of the function
    and the role, which everyone can guess. A random path in the role's ARN makes the secret random. MiniStack uses only
    the last segment of the ARN for anything else.

    Args:
        app: The module `ministack.app`.
        modules: The modules that contain the function `ISSUE_CREDENTIALS`.
    """
    issue_credentials = getattr(modules[0], ISSUE_CREDENTIALS)
    salt = secrets.token_hex()

    def issue_random_credentials(config: Fields) -> dict[str, str]:
        account, _, name = config.get("Role", "").rpartition(":role/")
        credentials: dict[str, str] = issue_credentials({**config, "Role": f"{account}:role/{salt}/{name}"})
        return credentials if app.AUTH else {**credentials, "AWS_ACCESS_KEY_ID": os.environ["AWS_ACCESS_KEY_ID"]}

    for module in modules:
        setattr(module, ISSUE_CREDENTIALS, issue_random_credentials)


def require_signatures(app: Any, evaluator: Any, sigv4: Any) -> None:
    """Make the web server refuse requests that are not signed with a credential of this run.

    Args:
        app: The module `ministack.app`.
        evaluator: The module `ministack.core.iam_evaluator`.
        sigv4: The module `ministack.core.sigv4`.
    """
    credentials = Credentials(
        os.environ["AWS_ACCESS_KEY_ID"],
        os.environ["AWS_SECRET_ACCESS_KEY"],
        evaluator.resolve_credential,
        evaluator.is_root_access_key,
    )
    app.app = RequestAuthentication(app.app, sigv4, credentials, int(os.environ["GATEWAY_PORT"]))


def main() -> None:
    """Run MiniStack until the parent process stops it or ends."""
    threading.Thread(target=end_with_parent, name="end-with-parent", daemon=True).start()
    # These imports are slow. The thread above already runs, so the process also ends if the parent ends during them.
    names = {*COROUTINES, *FUNCTIONS, "services.dynamodb"}
    modules: dict[str, Any] = {name: importlib.import_module(f"ministack.{name}") for name in names}
    check_compatibility(modules)
    app, functions = modules["app"], modules["services.lambda_svc"]
    apigateway, streams = modules["services.apigateway"], modules["services.dynamodb_streams"]
    require_signatures(app, modules["core.iam_evaluator"], modules["core.sigv4"])
    issue_run_credentials(app, modules["core.lambda_runtime"], functions)
    select_subprotocol(apigateway)
    refuse_with_status(apigateway)
    refuse_unauthorized(apigateway)
    if os.environ.get("RANDOM_FRAME_ORDER") == "1":
        process_frames_in_random_order(apigateway)
    enable_long_polling(modules["services.dynamodb"], streams)
    setattr(modules["services.pipes"], START_DELIVERY, lambda: None)
    direct_descriptor, gateway_descriptor = int(sys.argv.pop()), int(sys.argv.pop())
    serve_on(importlib.import_module("hypercorn.config").Config, gateway_descriptor)
    os.set_inheritable(direct_descriptor, False)  # the Lambda workers must not inherit it
    services = {"dynamodbstreams": streams, "lambda": functions}
    direct = DirectServer(socket.socket(fileno=direct_descriptor), services)
    threading.Thread(target=direct.serve_forever, name="direct-server", daemon=True).start()
    app.main()
