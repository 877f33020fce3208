"""Conversion of a resource's properties to the arguments of an AWS API."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def pick_arguments(inputs: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    """Return the properties `names` of `inputs` as API arguments: `memorySize` becomes `MemorySize`.

    Absent properties are skipped. Keys of nested objects are converted too.
    """
    return {_capitalize(name): to_pascal_case(inputs[name]) for name in names if name in inputs}


def to_pascal_case(value: Any) -> Any:
    """Return `value` with the keys of all its objects in PascalCase."""
    if isinstance(value, dict):
        return {_capitalize(key): to_pascal_case(item) for key, item in cast("dict[str, Any]", value).items()}
    if isinstance(value, list):
        return [to_pascal_case(item) for item in cast("list[Any]", value)]
    return value


def pick_renamed(inputs: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return properties of `inputs` under the argument names of the API.

    Args:
        inputs: The inputs of a resource.
        names: The argument name of each property. Absent properties are skipped.
    """
    return {argument: inputs[name] for name, argument in names.items() if name in inputs}


def to_tag_list(inputs: Mapping[str, Any]) -> list[dict[str, str]]:
    """Return the property `tags` as a list of `Key` and `Value`, the form that older AWS APIs use."""
    return [{"Key": key, "Value": value} for key, value in inputs.get("tags", {}).items()]


def to_json(document: Any) -> str:
    """Return `document` as JSON; a string is returned unchanged.

    A program may pass a policy as a JSON string or as an object. The AWS provider's output is a JSON string in both
    cases.
    """
    return document if isinstance(document, str) else json.dumps(document)


def _capitalize(name: str) -> str:
    return name[:1].upper() + name[1:]
