"""What a benchmark found: as a table in the terminal, and as a page with plots for those who were not there."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any, Final, cast

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"

HEAD: Final = """\
# Performance

What `make bench` measured in one run: {date}, {machine}.

Absolute numbers are that machine's; what carries over are the ratios, each of whose sides was measured in the same run.
[scaling.md](scaling.md) says how far the quotas of AWS go.

<!-- Made by `make bench`. -->
"""

STYLE: Final = {
    "svg.hashsalt": "formbridge",  # the ids in the file: the same data is the same file
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["Helvetica", "Arial", "DejaVu Sans"],
    "axes.grid": True,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "grid.color": "#dddddd",
    "lines.marker": "o",
    "legend.frameon": False,
}

Cell = str | int | float
NOTHING: Final = "-"
"""Stands among numbers where there is none."""


@dataclass(frozen=True)
class Plot:
    """Lines over one pair of axes."""

    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Section:
    """What one benchmark found."""

    name: str
    """Of the plot's file."""
    title: str
    notes: str
    """Markdown before the table: what was measured, how, and what it must show."""
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    plot: Plot | None = None


def show(section: Section, console: Console | None = None) -> None:
    """Print a section to the terminal."""
    console = console or Console()
    table = Table(title=section.title)
    for column, right in zip(section.columns, _are_numbers(section), strict=True):
        table.add_column(column, justify="right" if right else "left")
    for row in section.rows:
        table.add_row(*map(text, row))
    console.print(table)
    console.print(Markdown(section.notes))


def write(sections: Iterable[Section], docs: Path = DOCS, today: date | None = None) -> None:
    """Write `performance.md`, and a plot beside it for each section that has one, in place of those of earlier runs."""
    plots = docs / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    blocks = [HEAD.format(date=(today or date.today()).isoformat(), machine=machine())]  # noqa: DTZ011 - the reader's
    for section in sections:
        blocks += [f"## {section.title}", section.notes, markdown_table(section)]
        if section.plot:
            draw(section.plot, plots / f"{section.name}.svg")
            blocks.append(f"![{section.plot.y_label} by {section.plot.x_label}](performance/{section.name}.svg)")
    (docs / "performance.md").write_text("\n\n".join(block.strip() for block in blocks) + "\n")


def machine() -> str:
    """What ran the benchmarks, as far as it matters to them."""
    return f"{os.cpu_count()} {platform.machine()} cores, {platform.system()}, Python {platform.python_version()}"


def markdown_table(section: Section) -> str:
    """A section's table in Markdown."""
    rules = ["--:" if right else "---" for right in _are_numbers(section)]
    lines = [section.columns, rules, *(list(map(text, row)) for row in section.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def text(cell: Cell) -> str:
    """A cell as people read it: three digits that count, thousands set apart."""
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= 100:
        return f"{cell:,.0f}"
    digits = 1 if abs(cell) >= 10 else 2 if abs(cell) >= 1 else 3
    return f"{cell:.{digits}f}"


def draw(plot: Plot, path: Path) -> None:
    """Write a plot as SVG, the same for the same data."""
    # Any: matplotlib's own types leave its keywords open.
    with cast("Any", mpl).rc_context(STYLE):
        figure: Any = Figure(figsize=(8, 4.5), layout="constrained")
        axes = figure.add_subplot()
        for name, points in plot.series.items():
            axes.plot([x for x, _ in points], [y for _, y in points], label=name)
        axes.set(
            xlabel=plot.x_label,
            ylabel=plot.y_label,
            xscale="log" if plot.log_x else "linear",
            yscale="log" if plot.log_y else "linear",
        )
        for axis, is_log in ((axes.xaxis, plot.log_x), (axes.yaxis, plot.log_y)):
            if is_log:
                axis.set_major_locator(LogLocator(subs=(1, 2, 5)))
                axis.set_minor_locator(NullLocator())
            axis.set_major_formatter(FuncFormatter(_tick))
        if len(plot.series) > 1:
            axes.legend()
        figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _tick(value: float, _: int | None) -> str:
    return f"{value:,.0f}" if abs(value) >= 10 else f"{value:g}"


def _are_numbers(section: Section) -> list[bool]:
    """Of each column, whether numbers alone stand in it."""
    return [
        all(row[at] == NOTHING or not isinstance(row[at], str) for row in section.rows)
        for at in range(len(section.columns))
    ]
