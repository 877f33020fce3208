"""The client as a program of its own has it: the folder copied away from the repository, under another name."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.metadata import distribution
from pathlib import Path

import pytest

from tests.support.tools.frames import subscribed, update
from tests.support.tools.gateway import TOKEN, Talk, gateway

CLIENT = Path(__file__).resolve().parents[3] / "tools" / "client"
PROGRAM = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])

from our_client import Client

with Client(sys.argv[2], sys.argv[3]) as changes:
    print(next(changes)["data"]["submission_id"])

allowed = {"our_client", "websockets", *sys.stdlib_module_names}
print(sorted({name.partition(".")[0] for name in sys.modules} - allowed - {"__main__"}))
"""


@pytest.fixture
def folders(tmp_path: Path) -> list[str]:
    """The import path: the copy, and a folder in which `websockets` is the only package."""
    shutil.copytree(CLIENT, tmp_path / "program" / "our_client", ignore=shutil.ignore_patterns("__pycache__"))
    packages = tmp_path / "packages"
    packages.mkdir()
    (packages / "websockets").symlink_to(Path(str(distribution("websockets").locate_file("websockets"))))
    return [str(tmp_path / "program"), str(packages)]


def run(program: str, *arguments: str) -> str:
    """Run a program with Python's standard library and nothing else on the import path."""
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program, *arguments], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_copy_of_the_folder_works_with_websockets_alone(folders: list[str]) -> None:
    def script(talk: Talk) -> None:
        talk.send(subscribed(talk.asked(), update("insert", 1)))
        talk.until_closed()

    with gateway(script) as running:
        output = run(PROGRAM, json.dumps(folders), running.url, TOKEN)

    assert output.splitlines() == ["s1", "[]"]


def test_the_readme_names_each_module_of_the_folder() -> None:
    readme = (CLIENT / "README.md").read_text()

    modules = {path.name for path in CLIENT.glob("*.py")} - {"__init__.py"}
    assert modules
    assert [name for name in sorted(modules) if f"`{name}`" not in readme] == []
