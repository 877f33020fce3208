from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from bench import __main__ as command
from bench import report
from bench.report import Section

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


@pytest.fixture(autouse=True)
def docs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the page would go, and two benchmarks in place of all."""

    def write(sections: Sequence[Section]) -> None:
        (tmp_path / "performance.md").write_text(" ".join(section.title for section in sections))

    monkeypatch.setattr(report, "write", write)
    benchmarks = {
        "posting": lambda: Section("posting", "Posting", "", ("a",), [(1,)]),
        "cost": lambda: Section("cost", "Cost", "", ("a",), [(2,)]),
    }
    monkeypatch.setattr(command, "BENCHMARKS", benchmarks)
    return tmp_path


def test_all_are_run_and_the_page_is_written(docs: Path) -> None:
    ran = CliRunner().invoke(command.app, [])

    assert ran.exit_code == 0, ran.output
    assert (docs / "performance.md").read_text() == "Posting Cost"


def test_those_that_are_named_are_shown_and_nothing_is_written(docs: Path) -> None:
    ran = CliRunner().invoke(command.app, ["cost"])

    assert ran.exit_code == 0, ran.output
    assert "Cost" in ran.output
    assert "Posting" not in ran.output
    assert not list(docs.iterdir())


def test_a_name_that_is_none_is_an_error_before_anything_runs() -> None:
    ran = CliRunner().invoke(command.app, ["cost", "posting2"])

    assert ran.exit_code == 2
    assert "must be one of posting, cost, got 'posting2'" in " ".join(ran.output.replace("│", " ").split())
    assert "Cost" not in ran.output


def test_one_that_fails_ends_the_run_with_its_error(docs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Section:
        raise RuntimeError("no such emulator")

    monkeypatch.setattr(command, "BENCHMARKS", {"posting": fail})

    ran = CliRunner().invoke(command.app, [])

    assert isinstance(ran.exception, RuntimeError)
    assert not list(docs.iterdir())
