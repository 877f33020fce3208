"""What a program would create, as a tree, without an emulator."""

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
    """The tree, and how many resources it would create (components and providers are none)."""

    tree: Tree
    count: int


def preview(root: Path) -> Preview:
    """Run the program in `root` without making anything.

    Raises:
        ConfigError: the project or its configuration cannot be used.
        ProgramError: the program fails, or asks for what does not exist or cannot be made in the local run.
    """
    monitor = Monitor(load_project(root))
    run(monitor.project, monitor)
    resources = list(monitor.resources.values())
    title = Text.assemble((monitor.project.name, "bold"), f" ({monitor.project.stack})")
    roots = {resource.urn for resource in resources if resource.type == STACK_TYPE}
    count = sum(resource.custom and not resource.type.startswith(PROVIDER_PREFIX) for resource in resources)
    return Preview(_tree(Tree(title), roots | {""}, resources), count)


def print_preview(console: Console, root: Path) -> None:
    """Print the preview of the program in `root`.

    Raises:
        ConfigError, ProgramError: as `preview` does.
    """
    result = preview(root)
    console.print(result.tree)
    console.print(f"{result.count} resource{'s' if result.count != 1 else ''} to create", highlight=False)


def _tree(tree: Tree, parents: set[str], resources: list[Resource]) -> Tree:
    children = [one for one in resources if one.parent in parents and one.urn not in parents]
    # The order of registration is that of threads; this one is the same every time.
    for child in sorted(children, key=lambda one: (one.custom, one.name, one.type)):
        style = "" if child.custom else "bold"
        label = Text.assemble((child.name, style), "  ", (child.type, "dim"))
        _tree(tree.add(label), {child.urn}, resources)
    return tree
