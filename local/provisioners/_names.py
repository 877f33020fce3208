"""Physical names, as Pulumi gives them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..resource import Resource


def choose_name(resource: Resource, separator: str = "-") -> str:
    """The given name, or the logical name with seven hexadecimal digits: random on AWS, stable here."""
    given: str | None = resource.inputs.get("name")
    return given or generate_name(resource, separator)


def generate_name(resource: Resource, separator: str = "-") -> str:
    """The logical name with seven hexadecimal digits of the URN."""
    digest = hashlib.sha256(resource.urn.encode()).hexdigest()
    return f"{resource.name}{separator}{digest[:7]}"
