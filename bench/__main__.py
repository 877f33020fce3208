"""Command line of the benchmarks. `make bench` runs all of them and writes `docs/performance.md`.

`python -m bench posting cold_start` runs two benchmarks and prints their results. Only a run of all benchmarks writes
the page, so that all results on the page come from the same run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.console import Console

from . import attack, coalescing, cold_start, cost, fairness, flood, latency, posting, report

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from .report import Section

BENCHMARKS: Final[Mapping[str, Callable[[], Section]]] = {
    "posting": posting.measure,
    "fairness": fairness.measure,
    "flood": flood.measure,
    "attack": attack.measure,
    "latency": latency.measure,
    "coalescing": coalescing.measure,
    "cold_start": cold_start.measure,
    "cost": cost.measure,
}


app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)


@app.command()
def main(
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[NAME]...", help=f"Some of {', '.join(BENCHMARKS)}. Without a name, run all and write the page."
        ),
    ] = None,
) -> None:
    """Run benchmarks and print their results."""
    if unknown := [name for name in names or () if name not in BENCHMARKS]:
        raise typer.BadParameter(f"must be one of {', '.join(BENCHMARKS)}, got {', '.join(map(repr, unknown))}")
    progress = Console(stderr=True)
    sections: list[Section] = []
    for name in names or BENCHMARKS:
        progress.print(f"[bold]{name}[/bold]")
        sections.append(BENCHMARKS[name]())
        report.show(sections[-1])
    if not names:
        report.write(sections)
        progress.print("wrote docs/performance.md")


if __name__ == "__main__":
    app()
