"""Properties of a resource as arguments of an AWS API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def pick_arguments(inputs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The given ones of the properties `names` as arguments of an AWS API: `memorySize` is `MemorySize`, at every
    depth."""
    return {_capitalize(name): to_pascal_case(inputs[name]) for name in names if name in inputs}


def to_pascal_case(value: Any) -> Any:
    """`value` with the keys of its objects in PascalCase."""
    if isinstance(value, dict):
        return {_capitalize(key): to_pascal_case(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [to_pascal_case(item) for item in cast("list[Any]", value)]
    return value


def pick_renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The given ones of the properties in `names`, under the argument names of the API."""
    return {argument: inputs[name] for name, argument in names.items() if name in inputs}


def to_tag_list(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """`tags` as most older APIs take them."""
    return [{"Key": key, "Value": value} for key, value in inputs.get("tags", {}).items()]


def to_json(document: Any) -> str:
    """A policy, given as JSON text or as an object, as JSON text (which is what the provider gives back, too)."""
    return document if isinstance(document, str) else json.dumps(document)


def _capitalize(name: str) -> str:
    return name[:1].upper() + name[1:]
