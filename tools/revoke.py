"""Revoking a tenant: none of its tokens opens a connection any more, and those that are open end."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Final

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

POSTS_PER_SECOND: Final = 1_000
"""A tenth of what an account may; the rest is for the Lambdas and the clients."""
PATIENCE_SECONDS: Final = 300
"""For closing the connections, and for noting it."""


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
    poster = ConnectionPoster(Signer.from_environment(management_endpoint), Pacer(POSTS_PER_SECOND, time.monotonic_ns))
    connections_table = ConnectionsTable(client("dynamodb"), table_name)
    # A token tells the second that it was issued in, and this one is not over.
    issued_before = int(time.time()) + 1
    connections_table.tenants.revoke(tenant_id, issued_before)
    failures: list[str] = []

    def noted(receipts: Iterable[Receipt]) -> Iterator[Receipt]:
        for receipt in receipts:
            if receipt.outcome is Outcome.BEHIND:
                why = receipt.failure or "cannot be reached now"
                failures.append(f"{receipt.delivery.connection.connection_id}: {why}")
            yield receipt

    concerned = (one for one in connections_table.list_connections(tenant_id) if one.issued_at < issued_before)
    deliveries = (build_closing_delivery(connection, protocol.REVOKED) for connection in concerned)
    with ThreadPoolExecutor(accounting.WRITER_THREADS) as writers:
        receipts = noted(poster.deliver(deliveries, time.monotonic() + PATIENCE_SECONDS))
        tally = Accounting(connections_table, writers, clock.now_ms, clock.monotonic_seconds).settle(
            receipts, time.monotonic() + 2 * PATIENCE_SECONDS
        )
    unwritten = [str(error) for error in tally.failures if not isinstance(error, PostRefused)]
    return Revoked(tally.outcomes[Outcome.GONE], failures + unwritten)
