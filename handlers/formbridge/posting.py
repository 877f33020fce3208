"""Posts frames to connections through API Gateway's @connections."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import boto3
from botocore import exceptions as botocore_errors
from botocore.exceptions import ClientError

from . import settings
from .aws import CONFIG
from .connection import Outcome

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


POSTS_AT_A_TIME: Final = 32
"""Threads that post to many connections."""


def connection_poster() -> ConnectionPoster:
    """To the connections of the gateway that the environment names."""
    endpoint = settings.text("MANAGEMENT_ENDPOINT")
    return ConnectionPoster(boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, config=CONFIG))


@dataclass(frozen=True, slots=True)
class ConnectionPoster:
    """Tells what became of a post from how API Gateway answered, after botocore's own bounded, jittered retries."""

    client: ApiGatewayManagementApiClient

    def post(self, connection_id: str, frames: Sequence[str]) -> Outcome:
        """Post `frames` in order, up to the first that fails.

        410 is gone; 429 (the account's rate, or that client's buffer is full), 5xx and a broken connection are behind.

        Raises:
            ClientError: any other answer: 403 is a fault of the stack, 413 one of ours.
        """

        def post_all() -> None:
            for frame in frames:
                self.client.post_to_connection(ConnectionId=connection_id, Data=frame.encode())

        return self._outcome(post_all)

    def close(self, connection_id: str) -> Outcome:
        """Close a connection; the outcomes and errors are those of a post."""
        return self._outcome(lambda: self.client.delete_connection(ConnectionId=connection_id))

    def _outcome(self, call: Callable[[], object]) -> Outcome:
        try:
            call()
        except self.client.exceptions.GoneException:
            return Outcome.GONE
        except ClientError as error:
            status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
            if status == 429 or status >= 500:
                return Outcome.BEHIND
            raise
        except (botocore_errors.ConnectionError, botocore_errors.HTTPClientError):
            return Outcome.BEHIND
        return Outcome.POSTED
