"""Physical names of a stack's resources, as Pulumi chooses them by `pulumi:autonaming` in `Pulumi.yaml`."""

from __future__ import annotations

import functools
import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, cast

import pulumi
import yaml

from local import type_metadata
from tests.support.components.harness import PROJECT
from tests.support.components.provider import REGION, Provider, Values
from tests.support.program.whole_program import ROOT

if TYPE_CHECKING:
    from collections.abc import Mapping

PROPERTIES: Final = {
    "aws:cloudwatch/eventTarget:EventTarget": "targetId",
    "aws:lambda/permission:Permission": "statementId",
    "aws:s3/bucket:Bucket": "bucket",
}
"""The property that holds the name, of the types whose name is not in `name`.
https://github.com/pulumi/pulumi-aws/blob/master/provider/resources.go"""


def name_property(kind: str) -> str | None:
    """Return the property that holds a resource's name, or None if resources of this type have no name."""
    problems = type_metadata.find_problems(kind, {"name": ""})
    named = not any(problem.startswith("name:") for problem in problems)
    return PROPERTIES.get(kind, "name" if named else None)


def choose_name(kind: str, name: str, stack: str) -> str:
    """Return the physical name of a resource. Its random digits are the same in every run."""
    autonaming = _autonaming()
    special = autonaming["providers"]["aws"]["resources"].get(kind, {})
    pattern: str = special.get("pattern", autonaming["pattern"])
    for word, value in {"project": PROJECT, "stack": stack, "name": name}.items():
        pattern = pattern.replace(f"${{{word}}}", value)
    digest = hashlib.sha256(f"{kind} {name} {stack}".encode()).hexdigest()
    return re.sub(r"\$\{hex\((\d+)\)\}", lambda found: digest[: int(found[1])], pattern)


class StackProvider(Provider):
    """AWS as one stack sees it: names of this stack, and ids that no other stack has.

    Attributes:
        created: The outputs of each resource by its logical name, `id` included.
    """

    def __init__(self, stack: str, region: str = REGION) -> None:
        super().__init__(region=region)
        self._stack = stack
        self.created: dict[str, Values] = {}

    def new_resource(self, args: pulumi.runtime.MockResourceArgs) -> tuple[str, Values]:
        inputs = dict(cast("Mapping[str, Any]", args.inputs))  # pyright: ignore[reportUnknownMemberType]  # a bare dict
        name = name_property(args.typ)
        if name and name not in inputs:
            inputs[name] = choose_name(args.typ, args.name, self._stack)
        asked = pulumi.runtime.MockResourceArgs(args.typ, f"{self._stack} {args.name}", inputs)
        identifier, outputs = super().new_resource(asked)
        self.created[args.name] = {"id": identifier, **outputs}
        return identifier, outputs


@functools.cache
def _autonaming() -> dict[str, Any]:
    return yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"]["pulumi:autonaming"]["value"]
