"""The project as it stands: `__main__.py` with the configuration of `Pulumi.yaml` and `Pulumi.dev.yaml`."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import TYPE_CHECKING
from unittest import mock

from local.project import load_project
from tests.support.components.harness import Recording, run

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.components.provider import Provider

ROOT = Path(__file__).resolve().parents[3]
STACK = "dev"


def config(**overrides: str) -> Mapping[str, str]:
    """What the stack is configured with; `overrides` are keys of the project, as `pulumi config set` takes them."""
    return load_project(ROOT, STACK, overrides).config


def declare(*, preview: bool = False, **overrides: str) -> Recording:
    """Run the program, with all that it can make unless `overrides` say otherwise. It asks no issuer."""
    return declare_stack(STACK, None, overrides, preview=preview)


def declare_stack(
    stack: str, provider: Provider | None, overrides: Mapping[str, str], *, preview: bool = False
) -> Recording:
    """Run the program for a stack with the settings of `Pulumi.dev.yaml`. See `declare`."""
    with mock.patch("settings.check_discovery"):
        return run(
            lambda: runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__"),
            config=config(**{"alarmEmail": "on-call@example.com", **overrides}),
            stack=stack,
            preview=preview,
            provider=provider,
        )
