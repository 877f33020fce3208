from __future__ import annotations

import io
import re
import socket
from datetime import date
from pathlib import Path
from string import Formatter
from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from bench import coalescing, cold_start, cost, latency, posting, report
from bench.report import Plot, Section

if TYPE_CHECKING:
    from types import ModuleType

PLOT = Plot("connections", "µs a post", {"ours": [(10, 40.0), (1_000, 25.0)], "theirs": [(10, 700.0)]}, True, True)
SECTION = Section(
    "posting", "Posting", "At least *ten* times.", ("how", "posts", "ratio"), [("ours", 12_345, 0.0349)], PLOT
)
DAY = date(2026, 11, 26)


def test_the_page_has_each_section_with_its_notes_table_and_plot(tmp_path: Path) -> None:
    report.write([SECTION], tmp_path, DAY)

    page = (tmp_path / "performance.md").read_text()
    assert "2026-11-26" in page
    assert (
        "## Posting\n\nAt least *ten* times.\n\n"
        "| how | posts | ratio |\n| --- | --: | --: |\n| ours | 12,345 | 0.035 |\n\n"
        "![µs a post by connections](performance/posting.svg)\n"
    ) in page
    assert "ours" in (tmp_path / "performance" / "posting.svg").read_text()


def test_the_page_names_neither_the_machine_nor_its_folders(tmp_path: Path) -> None:
    report.write([SECTION], tmp_path, DAY)

    written = "".join(path.read_text() for path in tmp_path.rglob("*") if path.is_file())
    assert socket.gethostname() not in written.split()
    assert str(Path.cwd()) not in written


def test_the_same_data_makes_the_same_plot(tmp_path: Path) -> None:
    for name in ("one.svg", "two.svg"):
        report.draw(PLOT, tmp_path / name)

    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()


def test_plots_of_earlier_runs_go(tmp_path: Path) -> None:
    report.write([SECTION], tmp_path, DAY)
    report.write([Section("cost", "Cost", "", ("a",), [(1,)])], tmp_path, DAY)

    assert list((tmp_path / "performance").iterdir()) == []


def test_a_section_is_shown_in_the_terminal() -> None:
    console = Console(file=io.StringIO(), width=80)

    report.show(SECTION, console)

    shown = console.file
    assert isinstance(shown, io.StringIO)
    for text in ("Posting", "12,345", "0.035", "At least"):
        assert text in shown.getvalue()


@pytest.mark.parametrize(
    ("cell", "text"),
    [
        ("as it is", "as it is"),
        (1_234, "1,234"),
        (1_234.5, "1,234"),
        (45.67, "45.7"),
        (2.345, "2.35"),
        (0.0349, "0.035"),
    ],
)
def test_numbers_have_as_many_digits_as_count(cell: report.Cell, text: str) -> None:
    assert report.format_cell(cell) == text


@pytest.mark.parametrize("benchmark", [posting, latency, coalescing, cold_start, cost], ids=lambda one: one.__name__)
def test_the_page_has_the_texts_that_each_benchmark_writes(benchmark: ModuleType) -> None:
    page = (report.DOCS / "performance.md").read_text()
    literals = [literal for literal, *_ in Formatter().parse(benchmark.NOTES.strip())]

    assert re.search(".+?".join(map(re.escape, literals)), page, re.DOTALL)
    assert f"| {' | '.join(benchmark.COLUMNS)} |\n" in page


def test_the_page_has_the_head_that_is_written() -> None:
    page = (report.DOCS / "performance.md").read_text()
    literals = [literal for literal, *_ in Formatter().parse(report.HEAD)]

    assert re.match(".+?".join(map(re.escape, literals)), page)
