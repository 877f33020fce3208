"""The two calls that a pipe makes between a write and its function, without what they cost with boto3.

boto3 takes 1.3 ms of CPU for a call, which is as long as the emulator needs to answer four of them.
"""

from __future__ import annotations

import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

import urllib3
from urllib3.exceptions import HTTPError

from ..emulator import ADMINISTRATOR
from ..ministack_child import WAIT_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_SECONDS = 60
INVOKE_TIMEOUT_SECONDS = 910
"""Longer than any Lambda function may run, so that nobody gives up before the function does."""


class CallError(Exception):
    """A call that the emulator refused or did not answer."""

    def __init__(self, message: str, code: str = "") -> None:
        super().__init__(message)
        self.code = code
        """What the emulator calls the error; empty where it did not answer."""


class FunctionError(Exception):
    """The function raised an error, or ran out of time. It says which, and not more: it may quote what a form held."""


class Calls:
    """The emulator, asked on connections that are kept; by so many threads at once."""

    def __init__(self, endpoint_url: str, region: str, threads: int) -> None:
        self._region = region
        self._pool = urllib3.connection_from_url(endpoint_url, maxsize=threads, retries=False)

    def get_records(self, iterator: str, wait_seconds: float) -> Mapping[str, Any]:
        """A page of a stream, as soon as there are records, or without any after `wait_seconds`.

        Raises:
            CallError: the emulator gives none.
        """
        headers = {
            "Content-Type": "application/x-amz-json-1.0",
            "X-Amz-Target": "DynamoDBStreams_20120810.GetRecords",
            WAIT_HEADER: str(wait_seconds),
        }
        body = json.dumps({"ShardIterator": iterator}).encode()
        return json.loads(self._post("dynamodb", "/", headers, body, wait_seconds + TIMEOUT_SECONDS).data)

    def invoke(self, function_arn: str, invocation_type: str, payload: object) -> object:
        """What the function answers, decoded; None where it is not waited for.

        Raises:
            CallError: it could not be invoked.
            FunctionError: it failed.
        """
        path = f"/2015-03-31/functions/{quote(function_arn)}/invocations"
        headers = {"X-Amz-Invocation-Type": invocation_type}
        response = self._post("lambda", path, headers, json.dumps(payload).encode(), INVOKE_TIMEOUT_SECONDS)
        if error := response.headers.get("X-Amz-Function-Error"):
            raise FunctionError(error)
        return json.loads(response.data) if response.data else None

    def _post(
        self, service: str, path: str, headers: Mapping[str, str], body: bytes, timeout: float
    ) -> urllib3.BaseHTTPResponse:
        # It tells the emulator account and region. Of its administrator the emulator checks no signature.
        scope = f"{ADMINISTRATOR}/20260101/{self._region}/{service}/aws4_request"
        authorization = f"AWS4-HMAC-SHA256 Credential={scope}, SignedHeaders=host, Signature=none"
        try:
            response = self._pool.request(
                "POST", path, body=body, headers={**headers, "Authorization": authorization}, timeout=timeout
            )
        except HTTPError as error:
            raise CallError(f"the emulator did not answer: {error}") from error
        if response.status >= HTTPStatus.MULTIPLE_CHOICES:
            raise CallError(f"{response.status} {response.data.decode(errors='replace')}", _code(response.data))
        return response


def _code(body: bytes) -> str:
    try:
        return json.loads(body).get("__type", "")
    except ValueError:
        return ""
