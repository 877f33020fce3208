"""Parameters of SSM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, to_tag_list
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_parameter(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    version = aws.client("ssm").put_parameter(
        Name=name, **pick_arguments(inputs, ["type", "value", "description"]), Tags=to_tag_list(inputs)
    )["Version"]
    outputs = {"name": name, "arn": aws.arn("ssm", f"parameter/{name}"), "version": version}
    return CreatedResource(name, {**outputs, "value": inputs["value"], "type": inputs["type"]})


TYPES = {
    "aws:ssm/parameter:Parameter": ResourceType(
        _create_parameter, properties("name", "tags", "type", "value", "description")
    )
}
