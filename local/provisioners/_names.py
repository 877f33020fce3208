"""Physical names of resources, in the form that Pulumi generates."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..resource import Resource


def choose_name(resource: Resource, separator: str = "-") -> str:
    """Return the `name` input of `resource`, or a generated name if the input is absent."""
    given: str | None = resource.inputs.get("name")
    return given or generate_name(resource, separator)


def generate_name(resource: Resource, separator: str = "-") -> str:
    """Return the logical name with a suffix of seven hexadecimal digits.

    Pulumi's suffix is random. Here it is a hash of the URN, so that a name is the same in every run.
    """
    digest = hashlib.sha256(resource.urn.encode()).hexdigest()
    return f"{resource.name}{separator}{digest[:7]}"
