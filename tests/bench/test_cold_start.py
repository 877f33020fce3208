from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

import pytest

from bench import cold_start
from bench.cold_start import ENTRY_POINTS, EntryPoint
from components._packaging import HANDLERS

if TYPE_CHECKING:
    from pathlib import Path


def test_every_lambda_is_measured() -> None:
    assert {one.name for one in ENTRY_POINTS} == {path.stem for path in HANDLERS.glob("*.py")}


@pytest.mark.parametrize("one", ENTRY_POINTS, ids=lambda one: one.name)
def test_what_is_built_is_what_the_lambda_keeps_from_its_first_invocation_on(one: EntryPoint) -> None:
    entry_point = importlib.import_module(one.name)

    assert one.factories
    for factory in one.factories:
        assert hasattr(getattr(entry_point, factory), "cache_clear")


def test_the_programs_take_turns_and_the_first_round_does_not_count() -> None:
    ran: list[str] = []

    def run(program: str) -> float:
        ran.append(program)
        return 1_000.0 if len(ran) <= 2 else {"a": 10.0, "b": 30.0}[program]

    medians = cold_start.measure_medians({"bare": "a", "baseline": "b"}, 3, run)

    assert [sorted(pair) for pair in zip(ran[::2], ran[1::2], strict=True)] == [["a", "b"]] * 4
    assert cold_start.subtract_bare(medians) == {"baseline": 20.0}


def test_a_program_runs_with_made_up_settings_and_leaves_no_bytecode(tmp_path: Path) -> None:
    handlers = tmp_path / "handlers"
    handlers.mkdir()
    (handlers / "lambda_of_ours.py").write_text(
        "import os\n"
        "def build():\n"
        "    assert os.environ['CONNECTIONS_TABLE_NAME'] == 'connections'\n"
        "    assert 'VIRTUAL_ENV' not in os.environ\n"
    )

    took = cold_start.run_cold_start(EntryPoint("lambda_of_ours", ["build"]).build_program(tmp_path), tmp_path)

    assert took > 0
    assert not list(tmp_path.rglob("*.pyc"))
