"""The running stack of all end-to-end tests: `python -m local up`, as a person would start it."""

from __future__ import annotations

import re
import subprocess
import sys
import uuid
from typing import TYPE_CHECKING

import pytest

from local.background import ROOT, running_stack
from tests.support.e2e.client import Producer, aws

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from local.stack import Stack


def local(*words: str) -> list[str]:
    """The command line of the local run."""
    return [sys.executable, "-m", "local", *words]


@pytest.fixture(scope="session")
def state_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("local")


@pytest.fixture(scope="session", params=[False, True], ids=["iam-off", "iam-on"])
def enforce_iam(request: pytest.FixtureRequest) -> bool:
    """Whether the emulator holds each Lambda to its role. The tests run on the one stack, then on the other."""
    return request.param


@pytest.fixture(scope="session")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The file that receives the output of the run."""
    return tmp_path_factory.mktemp("up") / "up.log"


@pytest.fixture(scope="session")
def stack(state_dir: Path, log: Path, enforce_iam: bool) -> Iterator[Stack]:
    # `python -m tools bootstrap` writes it to `Pulumi.dev.yaml`. The emulator has no such policy.
    config = {"permissionsBoundaryArn": "arn:aws:iam::123456789012:policy/formbridge-boundary-dev"}
    # What a client ends with must not depend on the order in which its frames are processed.
    with running_stack(
        state_dir, log, enforce_iam=enforce_iam, random_frame_order=not enforce_iam, config=config
    ) as stack:
        yield stack


@pytest.fixture(scope="session")
def producer(stack: Stack) -> Producer:
    return Producer(stack, aws(stack, "events"))


@pytest.fixture
def tenant(request: pytest.FixtureRequest) -> str:
    """A tenant that no other test has."""
    test = re.sub(r"\W", "", request.node.name)[:30]
    return f"t_{test}-{uuid.uuid4().hex[:8]}"


@pytest.fixture(scope="session")
def token(state_dir: Path, stack: Stack) -> Callable[..., str]:
    """`python -m local token`, as a function."""

    def mint(tenant_id: str, expires_in: int | None = None) -> str:
        lifetime = [] if expires_in is None else ["--expires-in", str(expires_in)]
        done = subprocess.run(
            local("token", "--tenant", tenant_id, "--state-dir", str(state_dir), *lifetime),
            cwd=ROOT,
            check=False,
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return mint
