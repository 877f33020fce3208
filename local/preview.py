"""Preview of the resources that a program would create, as a tree, without an emulator."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from rich.text import Text
from rich.tree import Tree

from .monitor import PROVIDER_PREFIX, STACK_TYPE, Monitor
from .program import run
from .project import load_project

if TYPE_CHECKING:
    from pathlib import Path

    from rich.console import Console

    from .resource import Resource


@dataclass(frozen=True, slots=True)
class Preview:
    """Result of a preview."""

    tree: Tree
    """All registered resources, each below its parent."""
    count: int
    """The number of resources to create; components and providers do not count."""


def preview(root: Path) -> Preview:
    """Run the program in `root` without creating resources.

    Raises:
        ConfigError: The project or its configuration is invalid.
        ProgramError: The program fails, or a resource is invalid or not supported by the local run.
    """
    monitor = Monitor(load_project(root))
    run(monitor.project, monitor)
    resources = list(monitor.resources.values())
    title = Text.assemble((monitor.project.name, "bold"), f" ({monitor.project.stack})")
    roots = {resource.urn for resource in resources if resource.type == STACK_TYPE}
    count = sum(resource.custom and not resource.type.startswith(PROVIDER_PREFIX) for resource in resources)
    return Preview(_add_children(Tree(title), roots | {""}, resources), count)


def print_preview(console: Console, root: Path) -> None:
    """Print the preview of the program in `root`.

    Raises:
        ConfigError: The project or its configuration is invalid.
        ProgramError: The program fails, or a resource is invalid or not supported by the local run.
    """
    result = preview(root)
    console.print(result.tree)
    console.print(f"{result.count} resource{'s' if result.count != 1 else ''} to create", highlight=False)


def _add_children(tree: Tree, parents: set[str], resources: list[Resource]) -> Tree:
    children = [resource for resource in resources if resource.parent in parents and resource.urn not in parents]
    # The order of registration depends on threads. Sorting gives the same order in every run.
    for child in sorted(children, key=lambda resource: (resource.custom, resource.name, resource.type)):
        style = "" if child.custom else "bold"
        label = Text.assemble((child.name, style), "  ", (child.type, "dim"))
        _add_children(tree.add(label), {child.urn}, resources)
    return tree
