"""The archives of the functions load, and each handler can be called. A workflow runs the same in AWS's image."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from typing import TYPE_CHECKING

import pytest

from tests.support.archives.write import write
from tests.support.program.whole_program import ROOT

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def archives(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("archives")
    write(folder, "host")
    return folder


def load(folder: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", str(folder / "load.py")]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_each_entry_point_is_called(archives: Path) -> None:
    finished = load(archives)

    assert finished.returncode == 0, finished.stdout
    called = {line.split(": ")[1].split(".handler ")[0] for line in finished.stdout.splitlines()}
    assert called == {one.stem for one in (ROOT / "handlers").glob("*.py")}


def test_a_missing_module_is_an_error(archives: Path, tmp_path: Path) -> None:
    for name in ("load.py", "ingest-persist-function.json"):
        shutil.copy(archives / name, tmp_path)
    with zipfile.ZipFile(tmp_path / "ingest-persist-function.zip", "w") as archive:
        archive.write(ROOT / "handlers" / "persist.py", "persist.py")

    finished = load(tmp_path)

    assert finished.returncode == 1
    assert "ModuleNotFoundError: No module named 'formbridge'" in finished.stdout
