"""Renders what a program declares in the Terraform language, for scanners that read Terraform and not Pulumi."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, cast

import pulumi

from tests.support.components.provider import Provider

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from tests.support.components.harness import Declared, Recording

TYPES: Final = {"aws_apigateway_account": "aws_api_gateway_account", "aws_s3_bucket_objectv2": "aws_s3_object"}
"""Terraform's names of the types whose Pulumi names do not tell them."""

ARGUMENTS: Final = {
    ("aws_lambda_permission", "function"): "function_name",
    ("aws_sns_topic_subscription", "topic"): "topic_arn",
}
"""Terraform's names of the arguments that Pulumi calls otherwise."""

MAPS: Final = {"tags", "variables", "dimensions"}
"""Arguments whose value is an object with any keys. All other objects are blocks."""

PLURALS: Final = {"items", "routeSettings"}
"""Lists of blocks that Terraform names in the plural too. All others are in the singular."""


def render(recording: Recording) -> str:
    """The resources of a program in the Terraform language, in the order of their addresses.

    The value of an output of a resource that another one depends on becomes a reference to it, because scanners follow
    references.
    """
    resources = {address(one): one for one in recording.custom()}
    return "\n".join(
        line
        for _, resource in sorted(resources.items())
        for line in (
            f'resource "{type_of(resource)}" "{resource.name}" {{',
            *_body(_renamed(resource), _references(resource, recording)),
            "}",
            "",
        )
    )


def address(resource: Declared) -> str:
    """What Terraform calls a resource: `aws_sqs_queue.ingest-dead-letters`."""
    return f"{type_of(resource)}.{resource.name}"


def type_of(resource: Declared) -> str:
    """What Terraform calls the type of a resource: `aws_sqs_queue` for `aws:sqs/queue:Queue`."""
    package, module, _ = resource.type.split(":")
    name = f"{package}_{_snake(module.replace('/', '_'))}"
    return TYPES.get(name, name)


def _renamed(resource: Declared) -> dict[str, Any]:
    return {ARGUMENTS.get((type_of(resource), name), name): value for name, value in resource.inputs.items()}


def _references(resource: Declared, recording: Recording) -> dict[str, str]:
    """References to what a resource depends on, by the value that each stands for."""
    found: dict[str, str] = {}
    for urn in sorted(resource.dependencies):
        other = recording.resources.get(urn)  # None if the program only looks it up
        if other and other.custom:
            asked = pulumi.runtime.MockResourceArgs(other.type, other.name, other.inputs)
            identifier, outputs = Provider().new_resource(asked)
            for name, value in {**outputs, "id": identifier}.items():
                if isinstance(value, str):
                    found[value] = f"{address(other)}.{_snake(name)}"
    return found


def _body(arguments: Mapping[str, Any], references: Mapping[str, str]) -> Iterator[str]:
    for name, value in arguments.items():
        blocks = _blocks(name, value)
        if blocks is None:
            yield f"  {_snake(name)} = {_expression(value, references)}"
        for block in blocks or []:
            yield f"  {_snake(_singular(name, value))} {{"
            yield from (f"  {line}" for line in _body(block, references))
            yield "  }"


def _blocks(name: str, value: Any) -> list[dict[str, Any]] | None:
    """The blocks that an argument consists of; None if it is a value."""
    if name in MAPS:
        return None
    if isinstance(value, dict):
        return [cast("dict[str, Any]", value)]
    items = cast("list[Any]", value) if isinstance(value, list) else []
    return items if any(isinstance(item, dict) for item in items) else None


def _singular(name: str, value: Any) -> str:
    if not isinstance(value, list) or name in PLURALS:
        return name
    for plural, singular in (("indexes", "index"), ("Indexes", "Index"), ("ies", "y"), ("s", "")):
        if name.endswith(plural):
            return name.removesuffix(plural) + singular
    return name


def _expression(value: Any, references: Mapping[str, str]) -> str:
    match value:
        case list():
            return f"[{', '.join(_expression(item, references) for item in cast('list[Any]', value))}]"
        case dict():
            pairs = cast("dict[str, Any]", value).items()
            return f"{{{', '.join(f'{json.dumps(key)} = {_expression(item, references)}' for key, item in pairs)}}}"
        case pulumi.Asset() | pulumi.Archive():
            return '"the file"'
        case str() if value in references:
            return references[value]
        case str() if value.startswith("{"):
            return f"jsonencode({json.dumps(json.loads(value))})"
        case _:
            return json.dumps(value)


def _snake(name: str) -> str:
    return re.sub("[A-Z]", lambda match: f"_{match[0].lower()}", name)
