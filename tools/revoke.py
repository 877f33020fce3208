"""Revoking a tenant: none of its tokens opens a connection any more, and those that are open end."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

import boto3

from formbridge import protocol
from formbridge.aws import CONFIG
from formbridge.connection import Connection, Outcome, disconnect
from formbridge.posting import POSTS_AT_A_TIME, ConnectionPoster
from formbridge.registry import Registry


@dataclass(frozen=True, slots=True)
class Revoked:
    """What became of a tenant's connections."""

    closed: int
    failures: list[str]
    """Why, of each connection that could not be closed: the janitor tries again within a minute."""


def revoke(tenant_id: str, table_name: str, management_endpoint: str) -> Revoked:
    """Refuse the tokens that a tenant has now, then end the connections that were made with them.

    Raises:
        BotoCoreError, ClientError: the table cannot be written or read.
        ValueError: the endpoint is no URL.
    """
    poster = ConnectionPoster(
        boto3.client("apigatewaymanagementapi", endpoint_url=management_endpoint, config=CONFIG),
    )
    registry = Registry(boto3.client("dynamodb", config=CONFIG), table_name)
    # A token tells the second that it was issued in, and this one is not over.
    issued_before = int(time.time()) + 1
    registry.tenants.revoke(tenant_id, issued_before)

    def failure(connection: Connection) -> str | None:
        try:
            outcome = disconnect(connection, protocol.REVOKED, poster, registry)
        except Exception as error:  # noqa: BLE001 - told to the operator, once every other connection has had its turn
            return f"{connection.connection_id}: {error}"
        return f"{connection.connection_id}: cannot be reached now" if outcome is Outcome.BEHIND else None

    concerned = [one for one in registry.connected(tenant_id) if one.issued_at < issued_before]
    with ThreadPoolExecutor(POSTS_AT_A_TIME) as threads:
        failures = [why for why in threads.map(failure, concerned) if why is not None]
    return Revoked(len(concerned) - len(failures), failures)
