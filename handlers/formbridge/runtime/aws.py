"""Botocore clients for the adapters.

Their timeouts are short, because the caller of the Lambda function repeats a failed invocation.
"""

from __future__ import annotations

import json
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, cast, overload

# Import botocore.compat first, to shorten the cold start. Otherwise botocore.session imports it a dozen imports deeper.
# At that depth, the first chunk (16 KB) of CPython's frame stack is full when urllib3 compiles its patterns. Then each
# function call allocates a second chunk, and each return frees it.
import botocore.compat  # pyright: ignore[reportUnusedImport]
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

if TYPE_CHECKING:
    from collections.abc import Mapping, MutableMapping

    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodbstreams import DynamoDBStreamsClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_sqs import SQSClient

CONFIG: Final = Config(
    connect_timeout=2,
    read_timeout=5,
    retries={"mode": "standard", "total_max_attempts": 3},
    max_pool_connections=64,
    tcp_keepalive=True,
)
"""Settings of every client. Timeouts are in seconds. The `standard` mode repeats a request after throttling or a
server error, with full jitter. It makes at most three attempts in all."""

_HTTP_OK: Final = 200


class _Models(Loader):
    """A loader of botocore's service models with a fixed list of services.

    The default loader searches 800 folders to find the services.
    """

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - the signature is Loader's
        return ["dynamodb", "dynamodbstreams", "sns", "sqs"]


def parse_json_body(
    response_dict: MutableMapping[str, Any], customized_response_dict: MutableMapping[str, Any], **_: object
) -> None:
    """Parse the JSON body of a DynamoDB response a dozen times faster than botocore does.

    Botocore calls this function as a handler of its `before-parse` event. The function replaces the body with `{}`, so
    that nothing is left for botocore to parse. The result is the same as botocore's, except for binary values. Our
    tables contain no binary values.
    """
    headers: Mapping[str, str] = response_dict["headers"]
    if response_dict["status_code"] == _HTTP_OK and headers.get("content-type", "").startswith(
        "application/x-amz-json"
    ):
        customized_response_dict.update(json.loads(response_dict["body"]))
        response_dict["body"] = b"{}"


@cache
def session() -> botocore.session.Session:
    """Return the botocore session of this process.

    We do not use boto3, because importing it makes a cold start a quarter longer.
    """
    made = botocore.session.get_session()
    made.register_component("data_loader", _Models())
    for operation in ("Query", "Scan"):
        made.register(f"before-parse.dynamodb.{operation}", parse_json_body)
    return made


@overload
def client(service: Literal["dynamodb"]) -> DynamoDBClient: ...
@overload
def client(service: Literal["dynamodbstreams"]) -> DynamoDBStreamsClient: ...
@overload
def client(service: Literal["sns"]) -> SNSClient: ...
@overload
def client(service: Literal["sqs"]) -> SQSClient: ...
def client(service: str) -> Any:
    """Return a new client of an AWS service, with the region and the credentials of the environment."""
    return cast("Any", session().create_client(service, config=CONFIG))
