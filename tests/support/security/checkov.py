"""Runs checkov on a program, and keeps what it finds.

checkov has an environment of its own, because it pins other versions of our packages: `make security` runs it. The
tests read its findings from `checkov.json` and compare them with the program and with docs/security.md.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from tests.support.security.terraform import render

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.components.harness import Recording

FINDINGS: Final = Path(__file__).with_name("checkov.json")


@dataclass(frozen=True)
class Finding:
    """What one rule says of a program."""

    title: str
    passed: frozenset[str]
    """The names of the resources that pass."""
    failed: frozenset[str]
    """The names of the resources that fail."""


def digest(recording: Recording) -> str:
    """A digest of all that checkov sees of a program."""
    return hashlib.sha256(render(recording).encode()).hexdigest()


def scan(executable: Path, recordings: Mapping[str, Recording]) -> dict[str, Any]:
    """Run checkov on each program. Return its findings, as `FINDINGS` holds them."""
    reports = {name: _run(executable, recording) for name, recording in recordings.items()}
    return {
        "version": reports[next(iter(reports))]["summary"]["checkov_version"],
        "programs": {
            name: {"digest": digest(recordings[name]), "rules": _rules(report)} for name, report in reports.items()
        },
    }


def load(findings: Mapping[str, Any]) -> dict[str, dict[str, Finding]]:
    """The findings by program and rule."""
    return {
        name: {
            rule: Finding(found["title"], frozenset(found["passed"]), frozenset(found["failed"]))
            for rule, found in program["rules"].items()
        }
        for name, program in findings["programs"].items()
    }


def read() -> dict[str, Any]:
    """The findings of the last `make security`."""
    return json.loads(FINDINGS.read_text())


def _run(executable: Path, recording: Recording) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "program.tf").write_text(render(recording))
        command = [executable, "--directory", folder, "--framework", "terraform", "--skip-download", "--output", "json"]
        finished = subprocess.run([*command, "--soft-fail"], capture_output=True, text=True, check=True)
    report = json.loads(finished.stdout)
    if report["results"]["parsing_errors"]:
        raise ValueError(f"checkov could not read the program: {finished.stderr}")
    return report


def _rules(report: dict[str, Any]) -> dict[str, Any]:
    rules: dict[str, Any] = {}
    for outcome in ("passed", "failed"):
        for check in report["results"][f"{outcome}_checks"]:
            rule = rules.setdefault(check["check_id"], {"title": check["check_name"], "passed": [], "failed": []})
            rule[outcome].append(check["resource"].partition(".")[2])
    return {
        rule: {**found, "passed": sorted(found["passed"]), "failed": sorted(found["failed"])}
        for rule, found in sorted(rules.items())
    }
