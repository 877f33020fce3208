"""Client of the emulator's direct server for the two calls of a pipe: GetRecords and Invoke.

The client does not use boto3, because boto3 takes 1.3 ms of CPU time per call. It does not use the emulator's web
server either. The web server has only one thread, and after a write this thread is busy with the response to the
writer.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..ministack_child import WAIT_HEADER

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping
    from io import BufferedRWPair

TIMEOUT_SECONDS = 910
"""How long to wait for a response, in seconds. A Lambda function may run for up to 900 seconds."""


class CallError(Exception):
    """The emulator rejected a call or did not answer it."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
        """The emulator's error code; empty if the emulator did not answer or sent no code."""


class FunctionError(Exception):
    """The function raised an error or timed out.

    The message is only the kind of error. The function's own message is left out because it may contain form data.
    """


class DirectClient:
    """Client of the emulator's streams and functions through `ministack_child.DirectServer`.

    Several threads may use it at the same time. Each call in progress has its own connection.

    Args:
        connect: Opens a connection to the direct server (`Emulator.connect_directly`). It may raise OSError.
    """

    def __init__(self, connect: Callable[[], socket.socket]) -> None:
        self._connect = connect
        self._idle: list[BufferedRWPair] = []

    def get_records(self, iterator: str, wait_seconds: float) -> Mapping[str, Any]:
        """Return a page of a stream. Wait up to `wait_seconds` until there is a record.

        The page has no records if none arrives in this time.

        Raises:
            CallError: The emulator rejected the call or did not answer.
        """
        headers = {"x-amz-target": "DynamoDBStreams_20120810.GetRecords", WAIT_HEADER: str(wait_seconds)}
        _headers, body = self._call("dynamodbstreams", "/", headers, json.dumps({"ShardIterator": iterator}))
        return json.loads(body)

    def invoke(self, function_arn: str, invocation_type: str, payload: object) -> object:
        """Invoke a function and return its decoded response; None for the invocation type `Event`.

        Raises:
            CallError: The emulator rejected the call or did not answer.
            FunctionError: The function failed.
        """
        path = f"/2015-03-31/functions/{quote(function_arn)}/invocations"
        headers, body = self._call("lambda", path, {"x-amz-invocation-type": invocation_type}, json.dumps(payload))
        if error := headers.get("x-amz-function-error"):
            raise FunctionError(error)
        return json.loads(body) if body else None

    def close(self) -> None:
        """Close the connections. No call may be in progress."""
        while self._idle:
            self._idle.pop().close()

    def _call(self, service: str, path: str, headers: Mapping[str, str], body: str) -> tuple[Mapping[str, str], str]:
        request = json.dumps([service, path, headers, body]).encode()
        try:
            connection = self._take_connection()
            try:
                connection.write(request + b"\n")
                connection.flush()
                answer = connection.readline()
            except BaseException:
                connection.close()
                raise
        except OSError as error:
            raise CallError(f"the emulator did not answer: {error}") from error
        if not answer:
            connection.close()
            raise CallError("the emulator did not answer: it closed the connection")
        self._idle.append(connection)
        status, fields, body = json.loads(answer)
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise CallError(f"{status} {body}", json.loads(body).get("__type", ""))
        return fields, body

    def _take_connection(self) -> BufferedRWPair:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        with self._connect() as sock:
            sock.settimeout(TIMEOUT_SECONDS)
            # The file object keeps the connection open after the socket object is closed.
            return sock.makefile("rwb")
