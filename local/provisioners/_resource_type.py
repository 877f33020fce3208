"""Description of a resource type: how to create it, and which of its properties are supported."""

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
    """One resource type of the local run.

    The fields name a property by its path: wire names without list indices, such as `ttl.enabled`. A path also covers
    all properties below it. A property that is in neither `forwarded` nor `ignored` is an error. A value that is not in
    the `allowed_values` of its property is an error too.
    """

    create: Callable[[Aws, Resource], CreatedResource]
    """The function that creates a resource of this type."""
    forwarded: frozenset[str]
    """The properties that are sent to the emulator."""
    ignored: frozenset[str] = field(default_factory=frozenset[str])
    """The properties that are accepted and have no effect in the local run.

    A comment at each set gives the reason.
    """
    allowed_values: Mapping[str, Collection[str | None]] = field(default_factory=dict[str, Collection[str | None]])
    """The supported values by property, for properties that have fewer supported values here than on AWS.

    None among the values means that the property may be absent.
    """
    existing: Mapping[str, Any] | None = None
    """The properties of the resource of this type that an account has from the start. None: it has none."""

    def find_unknown_properties(self, inputs: Mapping[str, Any]) -> list[str]:
        """Return the paths in `inputs` that are neither forwarded nor ignored."""
        known = self.forwarded | self.ignored
        unknown = (path for path, value in _leaves(inputs) if not _is_known(path, value, known))
        return list(dict.fromkeys(unknown))

    def find_unsupported_values(self, inputs: Mapping[str, Any]) -> dict[str, Any]:
        """Return the values that are not allowed, by property. The value of an absent property is None."""
        found = {name: inputs.get(name) for name in self.allowed_values}
        return {name: value for name, value in found.items() if value not in (UNKNOWN, *self.allowed_values[name])}


def properties(*paths: str) -> frozenset[str]:
    """Return the set of the property paths `paths`."""
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
    # `UNKNOWN` stands for a value that only exists after creation. It may be an object, so it is accepted if at least
    # one property below the path is supported.
    if value is UNKNOWN and any(other.startswith(f"{path}.") for other in known):
        return True
    while path not in known and path:
        path = path.rpartition(".")[0]
    return bool(path)
