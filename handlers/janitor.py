"""Scheduled Lambda, once per minute: closes expired connections, repeats missed resyncs and removes old rows."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import TYPE_CHECKING, Any

from formbridge.broadcast import accounting
from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.janitor import ConnectionState, Janitor
from formbridge.connections.table import ConnectionsTable
from formbridge.posting.poster import connection_poster, invocation_deadlines
from formbridge.runtime import clock, environment, metrics
from formbridge.runtime.aws import client
from formbridge.runtime.logs import correlation_ids, log, log_failures

if TYPE_CHECKING:
    from collections.abc import Mapping


@cache
def connections_table() -> ConnectionsTable:
    """Return the connections table that the environment names."""
    return ConnectionsTable(client("dynamodb"), environment.string("CONNECTIONS_TABLE_NAME"))


@cache
def janitor() -> Janitor:
    """Return the janitor of the gateway that the environment names."""
    writers = ThreadPoolExecutor(accounting.WRITES_AT_A_TIME)
    bookkeeper = Accounting(connections_table(), writers, clock.now_ms, clock.monotonic_seconds, marks_again=False)
    return Janitor(connections_table().tenants, connection_poster(), bookkeeper, clock.now_ms)


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    """Sweep the connections table once.

    Raises:
        ExceptionGroup: Something could not be posted or written. The next run finds it again.
    """
    sweep = janitor().sweep(connections_table().scan(), invocation_deadlines(context))
    found, failures = sweep.found, len(sweep.tally.failures)
    metrics.emit(
        {
            "WebSocketConnections": found[ConnectionState.LIVE] + found[ConnectionState.BEHIND],
            "StaleConnectionCleanups": sweep.tally.removed,
            "Failures": failures,
        }
    )
    counts = {state.value: found[state] for state in ConnectionState}
    log("swept", {**correlation_ids(event, context), **counts, "failures": failures})
    sweep.tally.check()
