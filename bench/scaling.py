"""Tables of `docs/scaling.md`: how many connections per tenant the settings and AWS's quotas allow.

`python -m bench.scaling` writes each table between its two markers on the page. The rest of the page is written by
hand.
"""

from __future__ import annotations

import re
import statistics
from dataclasses import replace
from functools import cache
from typing import TYPE_CHECKING, Final

import typer
from rich.console import Console

from . import report
from .arithmetic import (
    CONNECTION_SECONDS,
    NEW_CONNECTIONS_PER_SECOND,
    REQUESTS_PER_SECOND,
    Deployment,
    client_requests_per_second,
    counting_seconds,
    messages_per_second,
)
from .report import Cell, Section, format_markdown_table
from .simulation import Simulation

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

PAGE: Final = report.DOCS / "scaling.md"
TENANTS: Final = (100, 5_000, 100_000, 1_000_000)
BATCHES: Final = (1, 10, 100, 1_000)
RUNS: Final = 5
WHOLE_SECONDS_FROM: Final = 20
"""A time of this many seconds or more has no decimals in a table."""

DEFAULT: Final = Deployment()
WIDE: Final = Deployment(
    max_connections_per_tenant=1_000_000,
    rate_limit=5_000,
    burst_limit=5_000,
    fanout_concurrency=40,
    fanout_threshold=1_000,
    connection_shards=16,
)
RAISED: Final = replace(WIDE, posts_per_second=90_000, requests_per_second=100_000)
DEPLOYMENTS: Final[Mapping[str, Deployment]] = {"default": DEFAULT, "wide": WIDE, "raised": RAISED}


def settings() -> Section:
    """Return the table of the three deployments that the other tables compare."""
    rows: list[Sequence[Cell]] = [
        (name, getattr(DEFAULT, name), getattr(WIDE, name), getattr(RAISED, name))
        for name in (
            "requests_per_second",
            "max_connections_per_tenant",
            "rate_limit",
            "burst_limit",
            "posts_per_second",
            "broadcast_concurrency",
            "fanout_concurrency",
            "fanout_threshold",
            "connection_shards",
        )
    ]
    names = {"requests_per_second": "account quota, requests per second"}
    named: list[Sequence[Cell]] = [(names.get(str(name), f"`{name}`"), *rest) for name, *rest in rows]
    shares = [deployment.share for deployment in DEPLOYMENTS.values()]
    return _section("settings", ("", *DEPLOYMENTS), [*named, ("posts per second and Lambda", *shares)])


def reach() -> Section:
    """Return the table of the seconds from an update until the last dashboard receives it.

    For each deployment, one column is computed by formulas, and one is simulated.
    """
    columns = [f"{name}, {how}" for name in DEPLOYMENTS for how in ("s", "simulated, s")]
    rows: list[Sequence[Cell]] = []
    for connections in TENANTS:
        row: list[Cell] = [connections]
        for deployment in DEPLOYMENTS.values():
            row += [_seconds(deployment.seconds_to_last(connections)), _seconds(simulated(deployment, connections))]
        rows.append(row)
    return _section("reach", ("connections", *columns), rows)


@cache
def simulated(deployment: Deployment, connections: int, runs: int = RUNS) -> float:
    """Simulate one update and return the seconds until the last dashboard receives it.

    The result is the median of several runs. The runs differ in the times at which the pipe polls.
    """
    return statistics.median(Simulation(deployment, connections, seed).run([0.0])[0] for seed in range(runs))


def rate() -> Section:
    """Return the table of the highest updates per second of one tenant, by connections and batch size."""
    rows: list[Sequence[Cell]] = [
        (
            connections,
            batch,
            *(deployment.updates_per_second(connections, batch) for deployment in DEPLOYMENTS.values()),
        )
        for connections in TENANTS
        for batch in BATCHES
    ]
    return _section("rate", ("connections", "updates per batch", *DEPLOYMENTS), rows)


def windows() -> Section:
    """Return the table of the batching windows that a tenant with continuous updates needs."""
    rows: list[Sequence[Cell]] = [
        (connections, *(_window(deployment.window_needed(connections)) for deployment in DEPLOYMENTS.values()))
        for connections in TENANTS
    ]
    return _section("windows", ("connections", *DEPLOYMENTS), rows)


def quotas() -> Section:
    """Return the table of what a tenant's connections use without any posts.

    Its columns are the time to connect, client requests, the posts that remain possible, the time to divide a shard,
    and the price of one frame to all connections.
    """
    rows: list[Sequence[Cell]] = []
    for connections in TENANTS:
        asked = client_requests_per_second(connections)
        rows.append(
            (
                connections,
                _seconds(connections / NEW_CONNECTIONS_PER_SECOND),
                connections / CONNECTION_SECONDS,
                asked,
                messages_per_second(connections),
                REQUESTS_PER_SECOND - asked,
                _seconds(counting_seconds(connections, DEFAULT.fanout_threshold)),
                _seconds(counting_seconds(WIDE.rows(connections), WIDE.fanout_threshold)),
                f"${connections / 1e6:,.4f}",
            )
        )
    columns = (
        "connections",
        "s to connect all",
        "reconnects per second",
        "requests of clients per second",
        "of these to the busiest route",
        "left for posts per second",
        "s to divide the only shard",
        "s to divide one of 16 shards",
        "price of one frame to all",
    )
    return _section("quotas", columns, rows)


TABLES: Final = (settings, reach, rate, windows, quotas)


def page(text: str) -> str:
    """Return `text` with every table replaced by its current version."""
    for table in TABLES:
        section = table()
        begin, end = f"<!-- {section.name} -->", f"<!-- /{section.name} -->"
        made = f"{begin}\n\n{format_markdown_table(section)}\n\n{end}"
        text, found = re.subn(f"{begin}.*?{end}", made, text, flags=re.DOTALL)
        if found != 1:
            raise ValueError(f"{PAGE.name}: must have the markers of `{section.name}` once, got {found}")
    return text


def main(path: Path = PAGE) -> None:
    """Write the tables to the page and show them."""
    path.write_text(page(path.read_text()))
    for table in TABLES:
        report.show(table(), Console())


def _section(name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Section:
    return Section(name, name, "", columns, rows)


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= WHOLE_SECONDS_FROM else f"{seconds:.1f}"


def _window(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds else "no window"


if __name__ == "__main__":
    typer.run(main)
