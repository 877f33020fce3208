"""What makes each resource: one module an AWS service, one function a resource type, real API calls."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from ..archives import ArchiveError
from ..resource import CreatedResource, ProvisionError, Resource
from ..wire import UNKNOWN
from . import (
    apigateway,
    apigatewayv2,
    cloudfront,
    cloudwatch,
    cognito,
    dynamodb,
    events,
    iam,
    lambda_,
    pipes,
    provider,
    s3,
    sns,
    sqs,
)
from ._aws import Aws

if TYPE_CHECKING:
    from pathlib import Path

    from ._resource_type import ResourceType

__all__ = ["TYPES", "Provisioner", "find_problems"]

TYPES: Final[dict[str, ResourceType]] = {
    **apigateway.TYPES,
    **apigatewayv2.TYPES,
    **cloudfront.TYPES,
    **cloudwatch.TYPES,
    **cognito.TYPES,
    **dynamodb.TYPES,
    **events.TYPES,
    **iam.TYPES,
    **lambda_.TYPES,
    **pipes.TYPES,
    **provider.TYPES,
    **s3.TYPES,
    **sns.TYPES,
    **sqs.TYPES,
}
"""Every resource type of the local run, by Pulumi's type token."""


def find_problems(resource: Resource, region: str) -> list[str]:
    """Why the local run cannot make `resource` as it stands, each as `property: why`; empty if it can."""
    resource_type = TYPES.get(resource.type)
    if resource_type is None:
        return ["the local run does not know this resource type"]
    # Every AWS resource has a region of its own to give.
    inputs = {name: value for name, value in resource.inputs.items() if name != "region"}
    found = [
        f"{path}: the local run does not know this property" for path in resource_type.find_unknown_properties(inputs)
    ]
    for name, value in resource_type.find_unsupported_values(inputs).items():
        known = " or ".join(repr(known) for known in resource_type.allowed_values[name] if known is not None)
        given = "left out" if value is None else repr(value)
        found.append(f"{name}: {given}, but the local run knows only {known}")
    own_region = resource.inputs.get("region", region)
    if own_region not in (region, UNKNOWN):
        found.append(f"region: {own_region!r}, but the local run has one region, {region}")
    return found


class Provisioner:
    """What makes resources in an emulator; safe to call from several threads.

    Args:
        endpoint_url: where the emulator listens.
        region: the region of the stack.
        root: the directory that the program's relative asset paths start from.
    """

    def __init__(self, endpoint_url: str, region: str, root: Path) -> None:
        self._aws = Aws(endpoint_url, region, root)

    def create(self, resource: Resource) -> CreatedResource:
        """Make `resource`, of a type in `TYPES` and with known inputs.

        Raises:
            ProvisionError: the emulator refused, or an asset cannot be read.
        """
        try:
            created = TYPES[resource.type].create(self._aws, resource)
        except (ArchiveError, BotoCoreError, ClientError) as error:
            raise ProvisionError(str(error)) from error
        # Every type of the AWS provider gives these two, or would if it had them.
        common = {"region": self._aws.region, "tagsAll": resource.inputs.get("tags", {})}
        return CreatedResource(created.id, {**common, **created.outputs})

    def close(self) -> None:
        """Close the connections to the emulator."""
        self._aws.close()
