"""The examples, copied away from the repository and run there."""

from __future__ import annotations

import json
import pickle
import shutil
import subprocess
import sys
from importlib.metadata import Distribution, distribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from packaging.requirements import Requirement

from local.project import load_project

if TYPE_CHECKING:
    from tests.support.components.harness import Recording

ROOT = Path(__file__).resolve().parents[2]
OUTSIDE = ROOT / "tests" / "support" / "examples" / "outside.py"
EXAMPLES = ROOT / "examples"
NAMES = ("orders", "notices", "everything")


@pytest.fixture(scope="session")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    """What each example declares in a project of its own.

    This repository is a folder on its import path, and only the packages of `requirements.txt` are installed.
    """
    folder = tmp_path_factory.mktemp("elsewhere")
    packages = folder / "site-packages"
    _link_requirements(packages)
    return {example: _run(shutil.copytree(EXAMPLES / example, folder / example), packages) for example in NAMES}


def _run(program: Path, packages: Path) -> Recording:
    project = load_project(program)
    done = subprocess.run(
        [
            *(sys.executable, "-I", "-S"),  # nothing but Python's own library
            *(str(OUTSIDE), json.dumps([str(ROOT), str(packages)]), project.name, json.dumps(project.config)),
        ],
        cwd=program,
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return pickle.loads(done.stdout)


def _link_requirements(folder: Path) -> None:
    """Make `folder` what `pip install -r requirements.txt` would."""
    folder.mkdir()
    lines = (line.partition("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines())
    found: dict[str, Distribution] = {}
    waiting = [Requirement(line).name for line in lines if line]
    while waiting:
        package = distribution(waiting.pop())
        if package.name in found:
            continue
        found[package.name] = package
        required = map(Requirement, package.requires or [])
        waiting += [one.name for one in required if one.marker is None or one.marker.evaluate({"extra": ""})]
    for package in found.values():
        for entry in {file.parts[0] for file in package.files or []} - {"..", "__pycache__"}:
            if not (folder / entry).exists():
                (folder / entry).symlink_to(Path(str(package.locate_file(entry))))
