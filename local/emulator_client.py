"""Clients of the emulator that sign their requests with the credential of the run."""

from __future__ import annotations

import http.client
from typing import Any, Protocol
from urllib.parse import urlsplit

import boto3.session
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.config import Config
from botocore.credentials import Credentials


class Endpoint(Protocol):
    """Where a client finds the emulator, and what it signs with. `Emulator` and `Stack` have these attributes."""

    @property
    def endpoint_url(self) -> str:
        """The emulator's URL."""
        ...

    @property
    def region(self) -> str:
        """The region of the stack."""
        ...

    @property
    def access_key_id(self) -> str:
        """The key id of this run's credential."""
        ...

    @property
    def secret_access_key(self) -> str:
        """The secret of this run's credential."""
        ...


def client(service: str, endpoint: Endpoint, *, url: str | None = None, read_timeout: float = 60) -> Any:
    """Create a boto3 client for the emulator, with the credential of the run. It has administrator rights.

    The client does not retry: a failure on one machine is not transient, so it must be visible.

    Args:
        service: boto3's name of the service, such as `dynamodb`.
        endpoint: The emulator or the stack.
        url: The URL of the service, such as the management endpoint of a WebSocket API; by default the emulator's URL.
        read_timeout: How long to wait for a response, in seconds.
    """
    session = boto3.session.Session(
        aws_access_key_id=endpoint.access_key_id,
        aws_secret_access_key=endpoint.secret_access_key,
        region_name=endpoint.region,
    )
    config = Config(read_timeout=read_timeout, retries={"total_max_attempts": 1})
    return session.client(service, endpoint_url=url or endpoint.endpoint_url, config=config)


def get_signed(endpoint: Endpoint, path: str, timeout: float) -> tuple[int, bytes]:
    """Send a signed GET request to the emulator, for a path that no boto3 client requests.

    Args:
        endpoint: The emulator or the stack.
        path: The path, without a query string.
        timeout: How long to wait for a response, in seconds.

    Returns:
        The HTTP status and the body of the response.

    Raises:
        OSError: The emulator does not answer.
        http.client.HTTPException: The response is not valid.
    """
    request = AWSRequest("GET", f"{endpoint.endpoint_url}{path}")
    credentials = Credentials(endpoint.access_key_id, endpoint.secret_access_key)
    SigV4Auth(credentials, "execute-api", endpoint.region).add_auth(request)
    connection = http.client.HTTPConnection(urlsplit(endpoint.endpoint_url).netloc, timeout=timeout)
    try:
        connection.request("GET", path, headers=dict(request.headers.items()))
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
