"""Posts frames to connections through API Gateway's @connections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from botocore import exceptions as botocore_errors
from botocore.exceptions import ClientError

from .fanout import Outcome

if TYPE_CHECKING:
    from mypy_boto3_apigatewaymanagementapi import ApiGatewayManagementApiClient


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
        try:
            for frame in frames:
                self.client.post_to_connection(ConnectionId=connection_id, Data=frame.encode())
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

    def close(self, connection_id: str) -> None:
        """Close a connection; one that is gone already is fine."""
        try:
            self.client.delete_connection(ConnectionId=connection_id)
        except self.client.exceptions.GoneException:
            return
