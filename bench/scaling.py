"""The tables of `docs/scaling.md`: how far settings and quotas carry a tenant of so many connections.

`python -m bench.scaling` writes them between the page's markers; the page's text is written by hand.
"""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Final

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
from .report import Cell, Section, markdown_table
from .simulation import Simulation

PAGE: Final = report.DOCS / "scaling.md"
TENANTS: Final = (100, 5_000, 100_000, 1_000_000)
BATCHES: Final = (1, 10, 100, 1_000)
RUNS: Final = 5

AS_IT_COMES: Final = Deployment()
WIDE: Final = Deployment(
    max_connections_per_tenant=1_000_000,
    rate_limit=5_000,
    burst_limit=5_000,
    fanout_concurrency=40,
    fanout_threshold=1_000,
    connection_shards=16,
)
RAISED: Final = replace(WIDE, posts_per_second=90_000, requests_per_second=100_000)
DEPLOYMENTS: Final[Mapping[str, Deployment]] = {"as it comes": AS_IT_COMES, "wide": WIDE, "raised": RAISED}


def settings() -> Section:
    """What the deployments are, which the other tables compare."""
    rows: list[Sequence[Cell]] = [
        (name, getattr(AS_IT_COMES, name), getattr(WIDE, name), getattr(RAISED, name))
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
    named = [(f"`{name}`" if name != "requests_per_second" else "the account's quota", *rest) for name, *rest in rows]
    shares = [deployment.share for deployment in DEPLOYMENTS.values()]
    return _section("settings", ("", *DEPLOYMENTS), [*named, ("posts a second of one Lambda", *shares)])


def reach() -> Section:
    """Seconds from an update to the last dashboard: by arithmetic, and by simulation."""
    columns = [f"{name}, {how}" for name in DEPLOYMENTS for how in ("s", "simulated")]
    rows: list[Sequence[Cell]] = []
    for connections in TENANTS:
        row: list[Cell] = [connections]
        for deployment in DEPLOYMENTS.values():
            row += [_seconds(deployment.seconds_to_last(connections)), _seconds(simulated(deployment, connections))]
        rows.append(row)
    return _section("reach", ("connections", *columns), rows)


@cache
def simulated(deployment: Deployment, connections: int, runs: int = RUNS) -> float:
    """Seconds from one update to the last dashboard, the median of runs whose polls come at other moments."""
    return statistics.median(Simulation(deployment, connections, seed).run([0.0])[0] for seed in range(runs))


def rate() -> Section:
    """How many updates a second of one tenant fit, as its batches grow."""
    rows: list[Sequence[Cell]] = [
        (
            connections,
            batch,
            *(deployment.updates_per_second(connections, batch) for deployment in DEPLOYMENTS.values()),
        )
        for connections in TENANTS
        for batch in BATCHES
    ]
    return _section("rate", ("connections", "updates a batch", *DEPLOYMENTS), rows)


def windows() -> Section:
    """Which batching window a tenant needs whose updates never stop."""
    rows: list[Sequence[Cell]] = [
        (connections, *(_window(deployment.window_needed(connections)) for deployment in DEPLOYMENTS.values()))
        for connections in TENANTS
    ]
    return _section("windows", ("connections", *DEPLOYMENTS), rows)


def quotas() -> Section:
    """What tenants of so many take of each quota, whatever is posted."""
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
                _seconds(counting_seconds(connections, AS_IT_COMES.fanout_threshold)),
                _seconds(counting_seconds(WIDE.rows(connections), WIDE.fanout_threshold)),
                f"${connections / 1e6:,.4f}",
            )
        )
    columns = (
        "connections",
        "s to connect all",
        "reconnects a second",
        "clients' requests a second",
        "of these to one route",
        "left for posts",
        "s to divide one shard",
        "s to divide one of 16",
        "a frame to all",
    )
    return _section("quotas", columns, rows)


TABLES: Final = (settings, reach, rate, windows, quotas)


def page(text: str) -> str:
    """The page with every table as it is now."""
    for table in TABLES:
        section = table()
        begin, end = f"<!-- {section.name} -->", f"<!-- /{section.name} -->"
        made = f"{begin}\n\n{markdown_table(section)}\n\n{end}"
        text, found = re.subn(f"{begin}.*?{end}", made, text, flags=re.DOTALL)
        if found != 1:
            raise ValueError(f"{PAGE.name}: must have the markers of `{section.name}` once, got {found}")
    return text


def main(path: Path = PAGE) -> None:
    """Write the tables into the page, and show them."""
    path.write_text(page(path.read_text()))
    for table in TABLES:
        report.show(table(), Console())


def _section(name: str, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> Section:
    return Section(name, name, "", columns, rows)


def _seconds(seconds: float) -> str:
    return f"{seconds:,.0f}" if seconds >= 20 else f"{seconds:.1f}"


def _window(seconds: float) -> str:
    return f"{seconds:,.1f} s" if seconds else "none"


if __name__ == "__main__":
    typer.run(main)
