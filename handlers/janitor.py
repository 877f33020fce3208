"""Janitor Lambda, which checks every row of the connections table once per minute.

It closes connections that are revoked or whose token has expired, posts a `resync` to connections that are behind,
probes silent connections, removes old rows, and corrects the reservations of connections and the recorded filters.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any, Final

from formbridge.broadcast import accounting
from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.janitor import ConnectionState, Janitor
from formbridge.connections.table import ConnectionsTable
from formbridge.posting.poster import build_connection_poster, invocation_deadlines
from formbridge.revocations.table import RevocationsTable
from formbridge.runtime import clock, environment, metrics
from formbridge.runtime.aws import client
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping

OPEN_STATES: Final = (ConnectionState.LIVE, ConnectionState.BEHIND, ConnectionState.SILENT)
"""States of connections that are counted as open. They include silent connections that the sweep finds to be gone."""


@cache
def connections_table() -> ConnectionsTable:
    """Return the connections table that `CONNECTIONS_TABLE_NAME` names."""
    return ConnectionsTable(client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME"))


@cache
def revocations_table() -> RevocationsTable:
    """Return the revocations table that `REVOCATIONS_TABLE_NAME` names."""
    return RevocationsTable(client("dynamodb"), environment.string("REVOCATIONS_TABLE_NAME"))


@cache
def janitor() -> Janitor:
    """Return the janitor of the gateway that the environment variables describe."""
    writers = ThreadPoolExecutor(accounting.WRITER_THREADS)
    janitor_accounting = Accounting(
        connections_table(), writers, clock.now_ms, clock.monotonic_seconds, replaces_marks=False
    )
    table = connections_table()
    return Janitor(
        table.tenants, table.users, table.filters, build_connection_poster(), janitor_accounting, clock.now_ms
    )


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    """Process every row of the connections table once.

    Raises:
        ExceptionGroup: A post or a write failed. The next run finds the same rows again.
    """
    revocations = revocations_table().read_all()
    sweep = janitor().sweep(connections_table().scan(), revocations, invocation_deadlines(context))
    states, failures = sweep.states, len(sweep.tally.failures)
    metrics.emit(
        {
            "WebSocketConnections": sum(states[state] for state in OPEN_STATES),
            "StaleConnectionCleanups": sweep.tally.removed,
            "Failures": failures,
        }
    )
    counts = {state.value: states[state] for state in ConnectionState}
    log("swept", {**correlation_ids(event, context), **counts, "corrections": sweep.corrections, "failures": failures})
    sweep.tally.raise_failures()
