"""The findings of checkov that are kept are those of the program as it stands."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.components.packages import small_packages
from tests.support.requirements import read_source
from tests.support.security import checkov
from tests.support.security.programs import record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.components.harness import Recording

REPORT: Mapping[str, Any] = {
    "summary": {"checkov_version": "3.0"},
    "results": {
        "passed_checks": [{"check_id": "CKV_1", "check_name": "One", "resource": "aws_sqs_queue.b"}],
        "failed_checks": [
            {"check_id": "CKV_1", "check_name": "One", "resource": "aws_sqs_queue.a"},
            {"check_id": "CKV_2", "check_name": "Two", "resource": "aws_sns_topic.c"},
        ],
        "parsing_errors": [],
    },
}


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        return record()


def test_the_findings_are_of_the_program(recordings: Mapping[str, Recording]) -> None:
    """If this fails, run `make security`."""
    kept = {name: program["digest"] for name, program in checkov.read()["programs"].items()}

    assert kept == {name: checkov.digest(recording) for name, recording in recordings.items()}


def test_the_findings_are_of_the_version_that_is_installed() -> None:
    assert checkov.read()["version"] == str(read_source("requirements/checkov.in")["checkov"].specifier).lstrip("=")


def test_the_findings_name_resources_of_the_program(recordings: Mapping[str, Recording]) -> None:
    for name, rules in checkov.load(checkov.read()).items():
        declared = {one.name for one in recordings[name].custom()}
        assert len(rules) > 50
        assert {one for found in rules.values() for one in found.passed | found.failed} <= declared


def run(monkeypatch: pytest.MonkeyPatch, report: Mapping[str, Any], recordings: Mapping[str, Recording]) -> Any:
    """What `scan` makes of a report; the program is where the command says."""

    def fake(command: list[Any], **_: object) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--directory") + 1])
        assert 'resource "aws_dynamodb_table" "submissions-table" {' in (folder / "program.tf").read_text()
        return subprocess.CompletedProcess(command, 0, json.dumps(report), "not Terraform")

    monkeypatch.setattr(checkov.subprocess, "run", fake)
    return checkov.scan(Path("checkov"), {"Default": recordings["Default"]})


def test_a_report_becomes_findings_by_rule(
    monkeypatch: pytest.MonkeyPatch, recordings: Mapping[str, Recording]
) -> None:
    findings = run(monkeypatch, REPORT, recordings)

    assert findings == {
        "version": "3.0",
        "programs": {
            "Default": {
                "digest": checkov.digest(recordings["Default"]),
                "rules": {
                    "CKV_1": {"title": "One", "passed": ["b"], "failed": ["a"]},
                    "CKV_2": {"title": "Two", "passed": [], "failed": ["c"]},
                },
            }
        },
    }
    assert checkov.load(findings)["Default"]["CKV_1"] == checkov.Finding("One", frozenset("b"), frozenset("a"))


def test_a_program_that_checkov_cannot_read_is_an_error(
    monkeypatch: pytest.MonkeyPatch, recordings: Mapping[str, Recording]
) -> None:
    broken = {**REPORT, "results": {**REPORT["results"], "parsing_errors": ["program.tf"]}}

    with pytest.raises(ValueError, match="could not read the program: not Terraform"):
        run(monkeypatch, broken, recordings)
