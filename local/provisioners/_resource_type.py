"""How one type of resource is made, and what of it is known."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, cast

from ..wire import UNKNOWN

if TYPE_CHECKING:
    from ..resource import CreatedResource, Resource
    from ._aws import Aws


@dataclass(frozen=True, slots=True)
class ResourceType:
    """How one type of resource is made, and which of its properties are known.

    Properties are paths of wire names (`ttl.enabled`), without list indices; a path stands for all that lies below
    it. A property in neither set is an error, and so is a value that is not among the `values` of its property.
    """

    create: Callable[[Aws, Resource], CreatedResource]
    forwarded: frozenset[str]
    """Handed to the emulator."""
    ignored: frozenset[str] = field(default_factory=frozenset[str])
    """Accepted, with no effect in the local run; the reason stands where the set is written."""
    allowed_values: Mapping[str, Collection[str | None]] = field(default_factory=dict[str, Collection[str | None]])
    """The known values of a property that has others on AWS; None among them: it may be left out."""

    def find_unknown_properties(self, inputs: Mapping[str, Any]) -> list[str]:
        """The paths within `inputs` that neither set covers."""
        known = self.forwarded | self.ignored
        unknown = (path for path, value in _leaves(inputs) if not _is_known(path, value, known))
        return list(dict.fromkeys(unknown))

    def find_unsupported_values(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """The properties in `inputs` that have none of their known values; None for one that is left out."""
        found = {name: inputs.get(name) for name in self.allowed_values}
        return {name: value for name, value in found.items() if value not in (UNKNOWN, *self.allowed_values[name])}


def properties(*paths: str) -> frozenset[str]:
    """A set of property paths."""
    return frozenset(paths)


def _leaves(value: Mapping[str, Any], path: str = "") -> Iterator[tuple[str, Any]]:
    for key, item in value.items():
        below = f"{path}.{key}" if path else key
        for member in cast("list[Any]", item) if isinstance(item, list) else [item]:
            if isinstance(member, dict) and member:
                yield from _leaves(cast("dict[str, Any]", member), below)
            else:
                yield below, member


def _is_known(path: str, value: Any, known: frozenset[str]) -> bool:
    # An unknown value may turn out to be an object with nothing but known properties.
    if value is UNKNOWN and any(one.startswith(f"{path}.") for one in known):
        return True
    while path not in known and path:
        path = path.rpartition(".")[0]
    return bool(path)
