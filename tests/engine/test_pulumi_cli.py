"""Which Pulumi CLI the engine tests use."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.engine.pulumi_cli import HOW, PulumiMissing, find_pulumi, is_missing

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.skipif(is_missing(), reason=f"all other files of tests/engine too: {HOW}")
def test_there_is_one() -> None:
    assert find_pulumi().exists()


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    (tmp_path / "bin").mkdir()


def install(folder: Path, name: str, script: str = "") -> Path:
    program = folder / "bin" / name
    program.write_text(f"#!/bin/sh\n{script}")
    program.chmod(0o755)
    return program


def test_the_one_on_the_path_comes_first(nothing_installed: None, tmp_path: Path) -> None:
    install(tmp_path, "go", "exit 1")
    installed = install(tmp_path, "pulumi")

    assert find_pulumi() == installed


def test_go_builds_it_once(nothing_installed: None, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    # The seventh argument of `go build` is the file to write.
    install(tmp_path, "go", f'echo "$1" >> {calls}\nif [ "$1" = build ]; then echo > "$7"; fi\n')

    built = find_pulumi()

    assert built.is_relative_to(tmp_path / "cache" / "formbridge-realtime")
    assert find_pulumi() == built
    assert calls.read_text().split() == ["mod", "build"]


@pytest.mark.parametrize("script", [None, "echo 'go.mod requires go >= 1.99' >&2\nexit 1\n"])
def test_one_line_says_how_to_get_it(nothing_installed: None, tmp_path: Path, script: str | None) -> None:
    if script:
        install(tmp_path, "go", script)

    assert is_missing() == (script is None)
    with pytest.raises(PulumiMissing, match=r"needs the Pulumi CLI .* or Go") as missing:
        find_pulumi()

    assert "\n" not in str(missing.value)


def test_the_command_needs_nothing_but_python(nothing_installed: None) -> None:
    command = [sys.executable, "-I", "-S", "tests/support/engine/pulumi_cli.py"]
    finished = subprocess.run(command, cwd=ROOT, check=False, capture_output=True, text=True)

    assert finished.returncode == 1
    assert finished.stderr.startswith("needs the Pulumi CLI")
