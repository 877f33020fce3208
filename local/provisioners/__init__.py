"""Provisioners of resources: one module per AWS service, one function per resource type."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

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
    kms,
    lambda_,
    pipes,
    provider,
    s3,
    sns,
    sqs,
    ssm,
)
from ._aws import Aws

if TYPE_CHECKING:
    from pathlib import Path

    from ..emulator_client import Endpoint
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
    **kms.TYPES,
    **lambda_.TYPES,
    **pipes.TYPES,
    **provider.TYPES,
    **s3.TYPES,
    **sns.TYPES,
    **sqs.TYPES,
    **ssm.TYPES,
}
"""The resource types that the local run supports, by Pulumi's type token."""


def find_problems(resource: Resource, region: str) -> list[str]:
    """Find the properties and values of `resource` that the local run does not support.

    Args:
        resource: The resource; its inputs may be unknown.
        region: The region of the stack.

    Returns:
        One message `property: problem` for each problem, or only a message about the resource type; empty if the local
        run can create the resource.
    """
    resource_type = TYPES.get(resource.type)
    if resource_type is None:
        return ["the local run does not support this resource type"]
    # Every AWS resource accepts the property `region`. It is checked below.
    inputs = {name: value for name, value in resource.inputs.items() if name != "region"}
    found = [
        f"{path}: the local run does not support this property"
        for path in resource_type.find_unknown_properties(inputs)
    ]
    for name, value in resource_type.find_unsupported_values(inputs).items():
        allowed = " or ".join(repr(allowed) for allowed in resource_type.allowed_values[name] if allowed is not None)
        found.append(f"{name}: must be {allowed} in the local run, got {value!r}")
    own_region = resource.inputs.get("region", region)
    if own_region not in (region, UNKNOWN):
        found.append(f"region: must be {region}, the region of the stack, got {own_region!r}")
    return found


class Provisioner:
    """Provisioner that creates resources in the emulator. Several threads may use it at the same time.

    Args:
        endpoint: The emulator.
        root: The directory that relative asset paths of the program start from.
    """

    def __init__(self, endpoint: Endpoint, root: Path) -> None:
        self._aws = Aws(endpoint, root)

    def create(self, resource: Resource) -> CreatedResource:
        """Create `resource`, whose type is in `TYPES` and whose inputs are all known.

        Raises:
            ProvisionError: The emulator rejected the request, or an asset cannot be read.
        """
        try:
            created = TYPES[resource.type].create(self._aws, resource)
        except (ArchiveError, BotoCoreError, ClientError) as error:
            raise ProvisionError(str(error)) from error
        # The AWS provider adds these outputs to every resource type that has such properties. Other types ignore them.
        common = {"region": self._aws.region, "tagsAll": resource.inputs.get("tags", {})}
        return CreatedResource(created.id, {**common, **created.outputs})

    def read_properties(self, type_name: str, identifier: str) -> dict[str, Any]:
        """Return the properties of an existing pipe. Other types are not supported.

        Raises:
            ProvisionError: The type is not `AWS::Pipes::Pipe`, or there is no such pipe.
        """
        if type_name != pipes.TYPE_NAME:
            raise ProvisionError(f"typeName: must be {pipes.TYPE_NAME} in the local run, got {type_name!r}")
        try:
            return pipes.read_pipe(self._aws, identifier)
        except (BotoCoreError, ClientError) as error:
            raise ProvisionError(str(error)) from error

    def close(self) -> None:
        """Close the connections to the emulator."""
        self._aws.close()
