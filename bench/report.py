"""Output of the benchmarks: tables in the terminal, and the page `docs/performance.md` with its plots."""

from __future__ import annotations

import os
import platform
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

import matplotlib as mpl
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator
from rich.console import Console
from rich.markdown import Markdown
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

DOCS: Final = Path(__file__).resolve().parents[1] / "docs"

HEAD: Final = """\
# Performance

This page answers: how fast is the code, and what does it cost to run? `make bench` measured everything in one run on
{date} with {machine}.

Absolute numbers depend on that machine. Ratios do not depend on it as much, because both sides of each ratio were
measured in the same run. [Scaling](scaling.md) describes the limits that AWS's quotas set.

<!-- Made by `make bench`. -->
"""

STYLE: Final = {
    "svg.hashsalt": "formbridge",  # makes the ids constant, so that the same data produces the same file
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
NO_VALUE: Final = "-"
"""Text of a cell whose number is missing. A column of numbers may contain this text."""

NO_DECIMALS_FROM: Final = 100
"""A number of this size or larger has no decimals in a table."""
ONE_DECIMAL_FROM: Final = 10
"""A number of this size or larger has at most one decimal in a table, and none on an axis."""


@dataclass(frozen=True)
class Plot:
    """A line chart with one pair of axes."""

    x_label: str
    y_label: str
    series: Mapping[str, Sequence[tuple[float, float]]]
    """Points of each line, by the name of the line."""
    log_x: bool = False
    log_y: bool = False


@dataclass(frozen=True)
class Section:
    """Result of one benchmark: text, table and plot."""

    name: str
    """Identifier of the section. It is also the name of the plot's file, without the suffix."""
    title: str
    notes: str
    """Markdown before the table: what was measured, how, and the requirement for the result."""
    columns: Sequence[str]
    rows: Sequence[Sequence[Cell]]
    plot: Plot | None = None


def show(section: Section, console: Console | None = None) -> None:
    """Print a section to the terminal."""
    console = console or Console()
    table = Table(title=section.title)
    for column, right in zip(section.columns, _find_numeric_columns(section), strict=True):
        table.add_column(column, justify="right" if right else "left")
    for row in section.rows:
        table.add_row(*map(format_cell, row))
    console.print(table)
    console.print(Markdown(section.notes))


def write(sections: Iterable[Section], docs: Path = DOCS, today: date | None = None) -> None:
    """Write `performance.md` and the plots of its sections, and delete the plots of earlier runs."""
    plots = docs / "performance"
    plots.mkdir(parents=True, exist_ok=True)
    for old in plots.glob("*.svg"):
        old.unlink()
    blocks = [HEAD.format(date=(today or date.today()).isoformat(), machine=describe_machine())]  # noqa: DTZ011 - the local date
    for section in sections:
        blocks += [f"## {section.title}", section.notes, format_markdown_table(section)]
        if section.plot:
            draw(section.plot, plots / f"{section.name}.svg")
            blocks.append(f"![{section.plot.y_label} by {section.plot.x_label}](performance/{section.name}.svg)")
    (docs / "performance.md").write_text("\n\n".join(block.strip() for block in blocks) + "\n")


def describe_machine() -> str:
    """Return a string with the cores, the operating system and the Python version of this machine."""
    return f"{os.cpu_count()} {platform.machine()} cores, {platform.system()}, Python {platform.python_version()}"


def format_markdown_table(section: Section) -> str:
    """Return the table of a section in Markdown."""
    rules = ["--:" if right else "---" for right in _find_numeric_columns(section)]
    lines = [section.columns, rules, *(list(map(format_cell, row)) for row in section.rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def format_cell(cell: Cell) -> str:
    """Return the text of a cell.

    A string stays as it is. Integers and numbers from 100 have commas between thousands and no decimals. Other numbers
    have one to three decimals: the smaller the number, the more decimals.
    """
    if isinstance(cell, str):
        return cell
    if isinstance(cell, int) or abs(cell) >= NO_DECIMALS_FROM:
        return f"{cell:,.0f}"
    digits = 1 if abs(cell) >= ONE_DECIMAL_FROM else 2 if abs(cell) >= 1 else 3
    return f"{cell:.{digits}f}"


def draw(plot: Plot, path: Path) -> None:
    """Write a plot as SVG. The same data makes the same file."""
    # Any: the types of matplotlib do not describe its keyword arguments.
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
    return f"{value:,.0f}" if abs(value) >= ONE_DECIMAL_FROM else f"{value:g}"


def _find_numeric_columns(section: Section) -> list[bool]:
    """Return for each column whether all its cells are numbers or `NO_VALUE`."""
    return [
        all(row[at] == NO_VALUE or not isinstance(row[at], str) for row in section.rows)
        for at in range(len(section.columns))
    ]
