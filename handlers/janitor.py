"""Each minute: what is due on the connections though nothing happens on them."""

from __future__ import annotations

from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

from formbridge.broadcast import accounting
from formbridge.broadcast.accounting import Accounting
from formbridge.broadcast.broadcaster import Deadlines
from formbridge.broadcast.janitor import Found, Janitor
from formbridge.connections.table import Registry
from formbridge.posting.poster import connection_poster
from formbridge.runtime import environment, metrics
from formbridge.runtime.aws import client
from formbridge.runtime.logs import correlation, log, log_failures


@cache
def registry() -> Registry:
    return Registry(client("dynamodb"), environment.text("CONNECTIONS_TABLE_NAME"))


@cache
def janitor() -> Janitor:
    writers = ThreadPoolExecutor(accounting.WRITES_AT_A_TIME)
    return Janitor(registry().tenants, connection_poster(), Accounting(registry(), writers, marks_again=False))


@log_failures
def handler(event: Mapping[str, Any], context: object) -> None:
    sweep = janitor().sweep(registry().everything(), Deadlines.of(context))
    found, failures = sweep.found, len(sweep.tally.failures)
    metrics.emit(
        {
            "WebSocketConnections": found[Found.LIVE] + found[Found.BEHIND],
            "StaleConnectionCleanups": sweep.tally.removed,
            "Failures": failures,
        }
    )
    log("swept", {**correlation(event, context), **{kind.value: found[kind] for kind in Found}, "failures": failures})
    sweep.tally.check()
