"""What importers rest on: the names of a component's children, and their tags."""

from __future__ import annotations

import importlib
import inspect
import json
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.components.harness import Declared

CONTRACT: dict[str, list[str]] = json.loads(Path(__file__).with_name("names.json").read_text())
"""By component: the type and the name of each child, as they were first released. No name ever leaves this list: a
child that is called otherwise carries the old one as an alias."""


def nested_name(urn: str) -> str:
    """What of a URN is the same in every stack."""
    return urn.split("::", 2)[2]


def takes_tags(resource: Declared) -> bool:
    """Whether pulumi_aws knows tags for this type."""
    _, module, name = resource.type.split(":")
    package = importlib.import_module(f"pulumi_aws.{module.split('/')[0].replace('lambda', 'lambda_')}")
    return "tags" in inspect.signature(getattr(package, f"{name}Args")).parameters
