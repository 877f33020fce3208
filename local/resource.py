"""Registered and created resources, and the interface of the provisioner that creates them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)
class Resource:
    """One resource that the program registered.

    `inputs` and `outputs` hold plain Python values under Pulumi's wire names (camelCase). Secrets are plain values.
    In a preview, a value that is not known yet is `local.wire.UNKNOWN`.
    """

    urn: str
    type: str
    """Pulumi's type token, such as `aws:sqs/queue:Queue`."""
    name: str
    """The logical name in the program."""
    parent: str
    """The URN of the parent; empty for the stack."""
    custom: bool
    """Whether a provider creates the resource; False for components and the stack."""
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    """All inputs and outputs after creation.

    For a component, only the outputs that the component registered; for the stack, its exports.
    """
    id: str = ""
    """The id that the provisioner returned; empty for components and in a preview."""


@dataclass(frozen=True, slots=True)
class CreatedResource:
    """Result of creating a resource: its id, and the outputs that exist in addition to its inputs."""

    id: str
    outputs: dict[str, Any]


class ResourceProvisioner(Protocol):
    """Interface of a provisioner. Several threads call it at the same time."""

    def create(self, resource: Resource) -> CreatedResource:
        """Create `resource`, whose inputs are all known.

        Raises:
            ProvisionError: The resource cannot be created.
        """
        ...

    def read_properties(self, type_name: str, identifier: str) -> dict[str, Any]:
        """Return the properties of an existing resource, as AWS Cloud Control does.

        Args:
            type_name: The type in CloudFormation, such as `AWS::Pipes::Pipe`.
            identifier: The primary identifier of the resource.

        Raises:
            ProvisionError: The type is not supported, or the resource does not exist.
        """
        ...


class ProvisionError(Exception):
    """Failure to create or to read a resource.

    The message states the problem. The monitor adds the type and name of the resource, or the name of the function.
    """
