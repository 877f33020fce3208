"""A change of code updates the functions that hold the code, and nothing else."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING

import pytest

from components import _packaging
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.support.engine.stacks import World


@pytest.fixture
def handlers(tmp_path: Path) -> Iterator[Path]:
    """A copy of the handlers, from which the program builds the archives."""
    copy = tmp_path / "handlers"
    shutil.copytree(_packaging.HANDLERS, copy, ignore=shutil.ignore_patterns("__pycache__"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_packaging, "HANDLERS", copy)
        yield copy


def change(file: Path) -> None:
    file.write_text(f"{file.read_text()}\n# A change.\n")


def test_the_folder_of_the_handlers_does_not_matter(deployed: World, handlers: Path) -> None:
    assert deployed.stack().preview().operations == {}


def test_a_shared_module_is_in_every_function(deployed: World, handlers: Path) -> None:
    change(handlers / "formbridge" / "runtime" / "keys.py")

    outcome = deployed.stack().up()

    functions = [one.name for one in declare().of_type("lambda/function:Function")]
    assert outcome.operations == dict.fromkeys(functions, "update")
    assert sorted(deployed.cloud.called("update")) == sorted(functions)


def test_an_entry_point_is_in_one_function(deployed: World, handlers: Path) -> None:
    change(handlers / "persist.py")

    assert deployed.stack().up().operations == {"ingest-persist-function": "update"}
