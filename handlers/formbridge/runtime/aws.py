"""How the adapters reach AWS: clients that give up soon, since the Lambda has other work and its caller retries."""

from __future__ import annotations

import json
from collections.abc import Mapping, MutableMapping
from functools import cache
from typing import TYPE_CHECKING, Any, Final, Literal, cast, overload

# Before the session, which would import it from a dozen imports further down: there CPython's stack of frames outgrows
# its first 16 KB just where urllib3 compiles its patterns, and the next are mapped and freed at every call.
import botocore.compat  # pyright: ignore[reportUnusedImport]
import botocore.session
from botocore.config import Config
from botocore.loaders import Loader

if TYPE_CHECKING:
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
"""For every client; seconds. `standard` retries throttling and server errors with full jitter."""


class _Models(Loader):
    """botocore's models of the services that we use; to learn which there are it would look into 800 folders."""

    def list_available_services(self, type_name: str) -> list[str]:  # noqa: ARG002 - a Loader's signature
        return ["dynamodb", "dynamodbstreams", "sns", "sqs"]


def parse_json_body(
    response_dict: MutableMapping[str, Any], customized_response_dict: MutableMapping[str, Any], **_: object
) -> None:
    """Take rows as they are on the wire, which is how botocore gives them, after a dozen times as long.

    But for binary values, of which our tables have none.
    """
    headers: Mapping[str, str] = response_dict["headers"]
    if response_dict["status_code"] == 200 and headers.get("content-type", "").startswith("application/x-amz-json"):
        customized_response_dict.update(json.loads(response_dict["body"]))
        response_dict["body"] = b"{}"


@cache
def session() -> botocore.session.Session:
    """botocore's session and not boto3's, whose import alone makes a cold start a quarter longer."""
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
    """A client of an AWS service, in the region and with the credentials of the environment."""
    return cast("Any", session().create_client(service, config=CONFIG))
