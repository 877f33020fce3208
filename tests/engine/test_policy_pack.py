"""The policy pack as the CLI runs it: `pulumi preview --policy-pack policy`."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import pulumi_aws as aws
import pytest

from tests.support.engine import python_language

if TYPE_CHECKING:
    from tests.support.engine.stacks import World

POLICY = Path(__file__).resolve().parents[2] / "policy"


@pytest.fixture
def pack(empty: World) -> str:
    """A copy of the policy pack with the packages that it needs. The engine of `empty` can start it."""
    copy = empty.folder / "policy"
    shutil.copytree(POLICY, copy, ignore=shutil.ignore_patterns(".venv", "__pycache__"))
    python_language.link_environment(copy / ".venv")
    python_language.install(empty.folder / "bin")
    return str(copy)


def declare_log_group(days: int | None) -> None:
    aws.cloudwatch.LogGroup("group", retention_in_days=days)


def test_the_program_passes(empty: World, pack: str) -> None:
    outcome = empty.stack().preview(policy_packs=[pack])

    assert not outcome.failed, outcome.output
    assert "formbridge-realtime@" in outcome.output


@pytest.mark.parametrize("operation", ["preview", "up"])
def test_a_broken_resource_is_refused_by_the_rule(empty: World, pack: str, operation: str) -> None:
    stack = empty.stack(program=lambda: declare_log_group(None))

    refused = getattr(stack, operation)(policy_packs=[pack])
    accepted = getattr(empty.stack(program=lambda: declare_log_group(30)), operation)(policy_packs=[pack])

    assert refused.failed
    assert "log-retention" in refused.output
    assert not accepted.failed, accepted.output
    assert empty.cloud.called("create") == (["group"] if operation == "up" else [])
