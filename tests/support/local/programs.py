"""Small Pulumi programs for the tests of the local run."""

from __future__ import annotations

from textwrap import dedent
from typing import TYPE_CHECKING, Any

from local.monitor import Monitor
from local.program import run
from local.project import load_project
from local.resource import CreatedResource, Resource, ResourceProvisioner

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

HEADER = "import pulumi\nimport pulumi_aws as aws\n"


def write_program(
    root: Path, source: str, *, config: str = "", stack_config: str = "", modules: Mapping[str, str] | None = None
) -> Path:
    """Write a project `example` into `root`.

    Args:
        root: The directory of the project.
        source: The program; it may use `pulumi` and `aws` without importing them.
        config: YAML for the end of `Pulumi.yaml`.
        stack_config: YAML for `Pulumi.dev.yaml`.
        modules: The text of further files by path.

    Returns:
        `root`.
    """
    root.mkdir(parents=True, exist_ok=True)
    (root / "Pulumi.yaml").write_text("name: example\nruntime: python\n" + dedent(config))
    (root / "Pulumi.dev.yaml").write_text(dedent(stack_config) or "config: {}\n")
    (root / "__main__.py").write_text(HEADER + dedent(source))
    for path, text in (modules or {}).items():
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text(dedent(text))
    return root


class Recorder:
    """Provisioner that only records resources.

    Args:
        outputs: The outputs by resource type; by default, a resource has an `arn` and a `name`.
    """

    def __init__(self, outputs: Mapping[str, Mapping[str, object]] | None = None) -> None:
        self.created: list[Resource] = []
        self._outputs = outputs or {}

    def create(self, resource: Resource) -> CreatedResource:
        """Record `resource` and return an id and outputs for it."""
        self.created.append(resource)
        outputs = self._outputs.get(resource.type, {"arn": f"arn:{resource.name}", "name": resource.name})
        return CreatedResource(f"id-{resource.name}", dict(outputs))

    def read_properties(self, type_name: str, identifier: str) -> dict[str, Any]:
        """Return the properties of a pipe that runs."""
        return {"Name": identifier, "CurrentState": "RUNNING"}


def run_program(
    root: Path,
    provisioner: ResourceProvisioner | None = None,
    *,
    overrides: Mapping[str, str] | None = None,
    on_resource: Callable[[Resource], None] | None = None,
) -> Monitor:
    """Run the program in `root`, by default with a `Recorder`."""
    project = load_project(root, overrides=overrides)
    monitor = Monitor(project, provisioner or Recorder(), on_resource=on_resource)
    run(project, monitor)
    return monitor


def preview_program(root: Path) -> Monitor:
    """Run the program in `root` as a preview, which creates nothing."""
    project = load_project(root)
    monitor = Monitor(project)
    run(project, monitor)
    return monitor


def by_name(monitor: Monitor, name: str) -> Resource:
    """Return the only resource with the logical name `name`."""
    (found,) = (resource for resource in monitor.resources.values() if resource.name == name)
    return found
