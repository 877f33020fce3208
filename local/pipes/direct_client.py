"""The two calls that a pipe makes between a write and its function, by the way that the emulator keeps for them.

boto3 takes 1.3 ms of CPU for a call, and the emulator's web server is one thread's, which just then answers the writer.
"""

from __future__ import annotations

import json
import socket
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from ..ministack_child import WAIT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping
    from io import BufferedRWPair

TIMEOUT_SECONDS = 910
"""Longer than any Lambda function may run, so that nobody gives up before the function does."""


class CallError(Exception):
    """A call that the emulator refused or did not answer."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
        """What the emulator calls the error; empty where it did not answer."""


class FunctionError(Exception):
    """The function raised an error, or ran out of time. It says which, and not more: it may quote what a form held."""


class DirectClient:
    """The emulator's streams and functions, over `DirectHandler`: a connection for each thread that asks."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._idle: list[BufferedRWPair] = []

    def get_records(self, iterator: str, wait_seconds: float) -> Mapping[str, Any]:
        """A page of a stream, as soon as there are records, or without any after `wait_seconds`.

        Raises:
            CallError: the emulator gives none.
        """
        headers = {"x-amz-target": "DynamoDBStreams_20120810.GetRecords", WAIT_HEADER: str(wait_seconds)}
        _headers, body = self._ask("dynamodbstreams", "/", headers, json.dumps({"ShardIterator": iterator}))
        return json.loads(body)

    def invoke(self, function_arn: str, invocation_type: str, payload: object) -> object:
        """What the function answers, decoded; None where it is not waited for.

        Raises:
            CallError: it could not be invoked.
            FunctionError: it failed.
        """
        path = f"/2015-03-31/functions/{quote(function_arn)}/invocations"
        headers, body = self._ask("lambda", path, {"x-amz-invocation-type": invocation_type}, json.dumps(payload))
        if error := headers.get("x-amz-function-error"):
            raise FunctionError(error)
        return json.loads(body) if body else None

    def close(self) -> None:
        """Close the connections; none may be in use."""
        while self._idle:
            self._idle.pop().close()

    def _ask(self, service: str, path: str, headers: Mapping[str, str], body: str) -> tuple[Mapping[str, str], str]:
        request = json.dumps([service, path, headers, body]).encode()
        try:
            line = self._take()
            try:
                line.write(request + b"\n")
                line.flush()
                answer = line.readline()
            except BaseException:
                line.close()
                raise
        except OSError as error:
            raise CallError(f"the emulator did not answer: {error}") from error
        if not answer:
            line.close()
            raise CallError("the emulator did not answer: it closed the connection")
        self._idle.append(line)
        status, fields, body = json.loads(answer)
        if status >= HTTPStatus.MULTIPLE_CHOICES:
            raise CallError(f"{status} {body}", json.loads(body).get("__type", ""))
        return fields, body

    def _take(self) -> BufferedRWPair:
        try:
            return self._idle.pop()
        except IndexError:
            pass
        with socket.create_connection(("127.0.0.1", self._port), timeout=TIMEOUT_SECONDS) as connection:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, True)
            # It keeps the connection open.
            return connection.makefile("rwb")
