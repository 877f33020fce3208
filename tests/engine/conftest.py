"""The program under the real Pulumi engine, with AWS in memory (docs/adr/0041)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from components import _pipe_hooks
from tests.support.engine import pulumi_cli
from tests.support.engine.stacks import Outcome, World, world

if TYPE_CHECKING:
    from collections.abc import Iterator

# Without a CLI, one test says once that the others are skipped.
collect_ignore = (
    [one.name for one in Path(__file__).parent.glob("test_*.py") if one.name != "test_pulumi_cli.py"]
    if pulumi_cli.is_missing()
    else []
)


@pytest.fixture(scope="session", autouse=True)
def _no_waits() -> Iterator[None]:
    """No test waits for a new stream or role to become usable, or before a retry."""

    async def skip(_seconds: float) -> None:
        pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_pipe_hooks, "sleep", skip)
        yield


@dataclass
class Deployed:
    """A world with the stack `dev`, and what its first `up` did."""

    world: World
    first_up: Outcome


@pytest.fixture(scope="session")
def deployment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """The stack `dev` after its first `up`. No test changes it: see `deployed`."""
    with world(tmp_path_factory.mktemp("deployment")) as made:
        outcome = made.stack().up()
        assert not outcome.failed, outcome.output
        yield Deployed(made, outcome)


@pytest.fixture
def deployed(deployment: Deployed, tmp_path: Path) -> Iterator[World]:
    """A world of the test's own with a copy of the stack `dev`."""
    with world(tmp_path, deployment.world) as made:
        yield made


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[World]:
    """A world without stacks."""
    with world(tmp_path) as made:
        yield made
