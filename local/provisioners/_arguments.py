"""Properties of a resource as arguments of an AWS API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def arguments(inputs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """The given ones of the properties `names` as arguments of an AWS API: `memorySize` is `MemorySize`, at every
    depth."""
    return {_pascal(name): pascal(inputs[name]) for name in names if name in inputs}


def pascal(value: Any) -> Any:
    """`value` with the keys of its objects in PascalCase."""
    if isinstance(value, dict):
        return {_pascal(key): pascal(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [pascal(item) for item in cast("list[Any]", value)]
    return value


def renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """The given ones of the properties in `names`, under the argument names of the API."""
    return {argument: inputs[name] for name, argument in names.items() if name in inputs}


def tag_list(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """`tags` as most older APIs take them."""
    return [{"Key": key, "Value": value} for key, value in inputs.get("tags", {}).items()]


def json_text(document: Any) -> str:
    """A policy, given as JSON text or as an object, as JSON text (which is what the provider gives back, too)."""
    return document if isinstance(document, str) else json.dumps(document)


def _pascal(name: str) -> str:
    return name[:1].upper() + name[1:]
