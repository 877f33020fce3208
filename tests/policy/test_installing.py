"""The policy pack's packages are there before the CLI needs them. Without them, it waits for ten minutes in silence."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parents[2]
INSTALLING = (ROOT / ".github" / "actions" / "pulumi" / "action.yml").read_text()
PAGES = [path for path in (ROOT / "README.md", *(ROOT / "docs").glob("*.md")) if "--policy-pack" in path.read_text()]


def test_one_target_installs_the_program_and_the_pack() -> None:
    command = ["make", "--dry-run", "--always-make", "--no-print-directory", "install"]
    commands = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout.splitlines()
    installing = [line for line in commands if "pip install" in line and "--require-hashes" in line]

    assert [line.split()[0] for line in installing] == [".venv/bin/pip", "policy/.venv/bin/pip"]
    assert installing[1].endswith("--requirement policy/requirements.txt")
    assert commands[-1] == "pulumi install --no-dependencies"


def test_the_pack_has_the_environment_that_is_installed() -> None:
    project = yaml.safe_load((ROOT / "policy" / "PulumiPolicy.yaml").read_text())

    assert project["runtime"]["options"]["virtualenv"] == ".venv"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_page_installs_it_before_each_use(page: Path) -> None:
    """`pulumi install` alone would leave out the pack."""
    text = page.read_text()

    assert "`pulumi install`" not in text
    for section in re.split(r"^## ", text, flags=re.MULTILINE):
        if "--policy-pack" in section:
            assert -1 < section.find("make install") < section.find("--policy-pack")


def test_the_workflows_install_it() -> None:
    steps = yaml.safe_load(INSTALLING)["runs"]["steps"]
    (installing,) = [number for number, step in enumerate(steps) if 'pip" install' in step.get("run", "")]
    (use,) = [number for number, step in enumerate(steps) if step.get("with", {}).get("policyPacks")]

    assert "for folder in . policy; do" in steps[installing]["run"]
    assert installing < use
