"""The connections of a revoked target: which they are, and how they are closed."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from formbridge.broadcast import accounting
from formbridge.broadcast.accounting import Accounting
from formbridge.connections.connection import Connection
from formbridge.connections.filters_row import FiltersRow
from formbridge.connections.tenant_row import TenantRow
from formbridge.connections.user_row import UserRow
from formbridge.posting.delivery import Outcome, Receipt, build_closing_delivery
from formbridge.posting.pacing import Pacer
from formbridge.posting.poster import ConnectionPoster, PostRefused
from formbridge.posting.signing import Signer
from formbridge.revocations.revocation import Kind, Target, list_targets
from formbridge.runtime import clock, keys
from formbridge.wire import protocol

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

    from formbridge.connections.table import ConnectionsTable

POSTS_PER_SECOND: Final = 1_000
"""Limit on the posts per second, a tenth of an account's default quota. The rest is for the Lambdas and the clients."""
TIMEOUT_SECONDS: Final = 300
"""Time limit for closing the connections. The same limit applies to recording the results afterwards."""


@dataclass(frozen=True, slots=True)
class Presence:
    """What the connections table has of a target."""

    is_known: bool
    """Whether the table has a row of the target: of a connection, of the tenant or of the user."""
    connections: Sequence[Connection]
    """The connections of the target."""


@dataclass(frozen=True, slots=True)
class Closing:
    """Result of closing connections."""

    closed: int
    """Number of closed connections."""
    failures: list[str]
    """A message for each connection that could not be closed and for each failed write, with the reason. The janitor
    tries again within a minute."""


def find_presence(table: ConnectionsTable, target: Target) -> Presence:
    """Return what the connections table has of a target. For all targets but tenants, the whole table is read.

    Raises:
        BotoCoreError, ClientError: The table cannot be read.
    """
    if target.kind is Kind.TENANT:
        connections = list(table.list_connections(target.id))
        return Presence(bool(connections) or _has_tenant_row(table, target.id), connections)
    connections, is_known = list[Connection](), False
    for row in table.scan():
        match row:
            case Connection():
                if target in list_targets(row.tenant_id, row.principal):
                    connections.append(row)
            case UserRow():
                is_same_tenant = target.tenant_id in ("", row.tenant_id)
                is_known |= target.kind is Kind.USER and row.user == target.id and is_same_tenant
            case TenantRow() | FiltersRow():
                pass
    return Presence(is_known or bool(connections), connections)


def _has_tenant_row(table: ConnectionsTable, tenant_id: str) -> bool:
    key: dict[str, AttributeValueTypeDef] = {
        "PK": {"S": keys.tenant_partition(tenant_id)},
        "SK": {"S": keys.TENANT_SORT_KEY},
    }
    return "Item" in table.client.get_item(TableName=table.table_name, Key=key, ConsistentRead=True)


def close(
    connections: Iterable[Connection], table: ConnectionsTable, endpoint: str, advance: Callable[[int], object]
) -> Closing:
    """Tell connections that they are revoked, close them, and remove their rows.

    Args:
        connections: The connections.
        table: The connections table.
        endpoint: The gateway's management endpoint.
        advance: Function that is called with the number of processed connections.

    Raises:
        ValueError: The endpoint is not a valid URL.
    """
    poster = ConnectionPoster(Signer.from_environment(endpoint), Pacer(POSTS_PER_SECOND, time.monotonic_ns))
    failures: list[str] = []

    def record_failures(receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        for receipt in receipts:
            if receipt.outcome is Outcome.BEHIND:
                reason = receipt.failure or "cannot be reached now"
                failures.append(f"{receipt.delivery.connection.connection_id}: {reason}")
            advance(1)
            yield receipt

    deliveries = (build_closing_delivery(connection, protocol.REVOKED) for connection in connections)
    with ThreadPoolExecutor(accounting.WRITER_THREADS) as writers:
        receipts = record_failures(poster.deliver(deliveries, time.monotonic() + TIMEOUT_SECONDS))
        tally = Accounting(table, writers, clock.now_ms, clock.monotonic_seconds).settle(
            receipts, time.monotonic() + 2 * TIMEOUT_SECONDS
        )
    write_failures = [str(error) for error in tally.failures if not isinstance(error, PostRefused)]
    return Closing(tally.outcomes[Outcome.GONE], failures + write_failures)
