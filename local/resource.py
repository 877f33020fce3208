"""A resource as the program registered it, and as it was made."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(slots=True)
class Resource:
    """One registered resource.

    `inputs` and `outputs` are plain Python values under pulumi's wire names (camelCase); secrets are plain, and in a
    preview what is not known yet is `local.wire.UNKNOWN`. A component has neither id nor provisioned outputs: its
    outputs are those it registers. `parent` is a URN, empty for the stack.
    """

    urn: str
    type: str
    name: str
    parent: str
    custom: bool
    inputs: dict[str, Any]
    outputs: dict[str, Any] = field(default_factory=dict[str, Any])
    id: str = ""


@dataclass(frozen=True, slots=True)
class CreatedResource:
    """What making a resource gave: its id, and the outputs that its inputs do not hold already."""

    id: str
    outputs: dict[str, Any]


class ResourceProvisioner(Protocol):
    """What makes resources. Called from several threads at once."""

    def create(self, resource: Resource) -> CreatedResource:
        """Make `resource`, whose inputs are all known.

        Raises:
            ProvisionError: it cannot be made; the message need not name the resource.
        """
        ...


class ProvisionError(Exception):
    """A resource that cannot be made; says what is wrong with it, but not which one it is."""
