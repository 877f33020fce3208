"""`make bench`: every benchmark in one run, and `docs/performance.md` from what they found.

`python -m bench posting cold_start` runs some, prints what they found and writes nothing: the page is of one run.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, Final

import typer
from rich.console import Console

from . import coalescing, cold_start, cost, latency, posting, report
from .report import Section

BENCHMARKS: Final[Mapping[str, Callable[[], Section]]] = {
    "posting": posting.measure,
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
        typer.Argument(metavar="[NAME]...", help=f"Of {', '.join(BENCHMARKS)}. None: all, and the page is written."),
    ] = None,
) -> None:
    """Measure, side by side and in one run."""
    if unknown := [name for name in names or () if name not in BENCHMARKS]:
        raise typer.BadParameter(f"must be of {', '.join(BENCHMARKS)}, got {', '.join(map(repr, unknown))}")
    progress = Console(stderr=True)
    sections: list[Section] = []
    for name in names or BENCHMARKS:
        progress.print(f"[bold]{name}[/bold]")
        sections.append(BENCHMARKS[name]())
        report.show(sections[-1])
    if not names:
        report.write(sections)
        progress.print("written: docs/performance.md")


if __name__ == "__main__":
    app()
