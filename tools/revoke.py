"""Revocation of a tenant.

After a revocation, the tenant's current tokens open no more connections. The connections that used them are closed.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from formbridge.broadcast import accounting
from formbridge.broadcast.accounting import Accounting
from formbridge.connections.table import ConnectionsTable
from formbridge.posting.delivery import Outcome, Receipt, build_closing_delivery
from formbridge.posting.pacing import Pacer
from formbridge.posting.poster import ConnectionPoster, PostRefused
from formbridge.posting.signing import Signer
from formbridge.runtime import clock
from formbridge.runtime.aws import client
from formbridge.wire import protocol

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

POSTS_PER_SECOND: Final = 1_000
"""Limit on the posts per second, a tenth of an account's default quota. The rest is for the Lambdas and the clients."""
TIMEOUT_SECONDS: Final = 300
"""Time limit for closing the connections. The same limit applies to recording the results afterwards."""


@dataclass(frozen=True, slots=True)
class Revocation:
    """Result of the revocation of a tenant."""

    closed: int
    """Number of closed connections."""
    failures: list[str]
    """A message for each connection that could not be closed and for each failed write, with the reason. The janitor
    tries again within a minute."""


def revoke(tenant_id: str, table_name: str, management_endpoint: str) -> Revocation:
    """Refuse the tokens that were issued to a tenant until now, then close the connections that used them.

    Raises:
        BotoCoreError, ClientError: The table cannot be written or read.
        ValueError: The endpoint is not a valid URL.
    """
    poster = ConnectionPoster(Signer.from_environment(management_endpoint), Pacer(POSTS_PER_SECOND, time.monotonic_ns))
    connections_table = ConnectionsTable(client("dynamodb"), table_name)
    # `iat` of a token has a resolution of one second, so all tokens of the current second are revoked.
    issued_before = int(time.time()) + 1
    connections_table.tenants.revoke(tenant_id, issued_before)
    failures: list[str] = []

    def record_failures(receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        for receipt in receipts:
            if receipt.outcome is Outcome.BEHIND:
                reason = receipt.failure or "cannot be reached now"
                failures.append(f"{receipt.delivery.connection.connection_id}: {reason}")
            yield receipt

    connections = (
        connection
        for connection in connections_table.list_connections(tenant_id)
        if connection.issued_at < issued_before
    )
    deliveries = (build_closing_delivery(connection, protocol.REVOKED) for connection in connections)
    with ThreadPoolExecutor(accounting.WRITER_THREADS) as writers:
        receipts = record_failures(poster.deliver(deliveries, time.monotonic() + TIMEOUT_SECONDS))
        tally = Accounting(connections_table, writers, clock.now_ms, clock.monotonic_seconds).settle(
            receipts, time.monotonic() + 2 * TIMEOUT_SECONDS
        )
    write_failures = [str(error) for error in tally.failures if not isinstance(error, PostRefused)]
    return Revocation(tally.outcomes[Outcome.GONE], failures + write_failures)
