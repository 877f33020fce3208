"""Check of a resource's inputs against the type metadata of its provider's Python package.

Nested inputs are checked too. In a nested dictionary, the Pulumi SDK translates the keys that it knows and passes other
keys unchanged. Without this check, a typo such as `batchsize` would reach the provider. The check needs no emulator.
"""

from __future__ import annotations

import collections.abc
import difflib
import functools
import importlib
import types
from typing import Any, Final, Union, cast, get_args, get_origin

import pulumi

# The SDK has no public functions for this metadata.
from pulumi._types import (  # pyright: ignore[reportPrivateUsage]
    _raw_return_hints,  # pyright: ignore[reportPrivateUsage]
    is_input_type,
)
from pulumi.runtime import rpc

from .wire import UNKNOWN


def find_problems(token: str, inputs: dict[str, Any]) -> list[str]:
    """Find unknown properties, missing required properties and values of the wrong type.

    Args:
        token: Pulumi's type token of the resource, such as `aws:sqs/queue:Queue`.
        inputs: The resource's inputs under their wire names.

    Returns:
        One message `path: problem` for each problem, or only `unknown resource type`; empty if the inputs are valid.
    """
    resource_class = _resource_class(token)
    if resource_class is None:
        return ["unknown resource type"]
    found: list[str] = []
    _check_object(inputs, _args_class(resource_class), "", found)
    return found


@functools.cache
def _resource_class(token: str) -> type | None:
    package, module_name, _ = token.split(":")
    try:
        importlib.import_module(f"pulumi_{package.replace('-', '_')}")  # registers its types with the SDK
    except ModuleNotFoundError:
        return None
    module = rpc.get_resource_module(package, module_name, "")
    info: dict[str, Any] = getattr(module, "mod_info", {})
    name = info.get("classes", {}).get(token)
    return None if name is None else getattr(importlib.import_module(info["fqn"]), name)


@functools.cache
def _args_class(resource_class: type) -> type:
    module = importlib.import_module(resource_class.__module__)
    # The class of the inputs is usually called `<Resource>Args`. If a nested type or another resource has this name,
    # the class is called `<Resource>InitArgs`.
    candidates = (getattr(module, f"{resource_class.__name__}{suffix}", None) for suffix in ("InitArgs", "Args"))
    return next(found for found in candidates if found is not None and is_input_type(found))


@functools.cache
def _properties(args_class: type) -> dict[str, Any]:
    """Return the type hints of all properties by wire name. The hints still contain `Input[…]`."""
    return _raw_return_hints(args_class)


def _check_object(value: dict[str, Any], args_class: type, path: str, found: list[str]) -> None:
    properties = _properties(args_class)
    for name, item in value.items():
        if name in properties:
            _check(item, properties[name], _join(path, name), found)
        else:
            found.append(f"{_join(path, name)}: unknown property{_suggestion(name, properties)}")
    for name, hint in properties.items():
        if name not in value and type(None) not in _members(hint):
            found.append(f"{_join(path, name)}: is required")


def _check(value: Any, hint: Any, path: str, found: list[str]) -> None:
    if value is UNKNOWN:
        return
    alternatives = _alternatives(hint)
    if isinstance(value, dict):
        # A hint may allow several types of objects, such as that of an IAM principal. Check the value against each type
        # and report only the problems of the best match, the type with the fewest problems.
        readings = [
            reading
            for alternative in alternatives
            if (reading := _read_object(cast("dict[str, Any]", value), alternative, path)) is not None
        ]
        if readings:
            found.extend(min(readings, key=len))
            return
    if isinstance(value, list):
        for alternative in alternatives:
            if get_origin(alternative) in (list, collections.abc.Sequence):
                for index, item in enumerate(cast("list[Any]", value)):
                    _check(item, get_args(alternative)[0], f"{path}[{index}]", found)
                return
    if not any(_is_a(value, alternative) for alternative in alternatives):
        expected = " or ".join(sorted(_describe_type(alternative) for alternative in alternatives))
        found.append(f"{path}: must be {expected}, got {_describe_type(type(cast('object', value)))}")


def _read_object(value: dict[str, Any], alternative: Any, path: str) -> list[str] | None:
    """Check the object `value` against the type `alternative` and return the problems.

    Return None if `alternative` is not an object type.
    """
    found: list[str] = []
    if isinstance(alternative, type) and is_input_type(alternative):
        _check_object(value, alternative, path, found)
    elif get_origin(alternative) in (dict, collections.abc.Mapping):
        for key, item in value.items():
            _check(item, get_args(alternative)[1], _join(path, key), found)
    else:
        return None
    return found


def _is_a(value: Any, alternative: Any) -> bool:
    if alternative is Any:
        return True
    if not isinstance(alternative, type):
        return False
    kind = cast("type[object]", alternative)
    if issubclass(kind, str):
        # The wire format has strings for the values of enumerations, so any string is accepted for an enumeration.
        return isinstance(value, str)
    if kind in (int, float):
        return isinstance(value, (int, kind)) and not isinstance(value, bool)
    return isinstance(value, kind)


def _members(hint: Any) -> list[Any]:
    if get_origin(hint) in (Union, types.UnionType):
        return [member for argument in get_args(hint) for member in _members(argument)]
    return [hint]


def _alternatives(hint: Any) -> list[Any]:
    """Return the members of the union `hint` without `None`, `Awaitable` and `Output`."""
    wrappers = (collections.abc.Awaitable, pulumi.Output)
    return [
        member
        for member in _members(hint)
        if member is not type(None) and get_origin(member) not in wrappers and member is not pulumi.Output
    ]


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _suggestion(name: str, properties: dict[str, Any]) -> str:
    by_fold = {known.lower(): known for known in properties}
    folded = name.replace("_", "").lower()
    close = difflib.get_close_matches(folded, by_fold, n=1)
    return f" (did you mean {by_fold[close[0]]}?)" if close else ""


_TYPE_NAMES: Final = {str: "a string", int: "an integer", float: "a number", bool: "a boolean"}


def _describe_type(kind: Any) -> str:
    origin = get_origin(kind)
    if isinstance(kind, type) and is_input_type(kind):
        return "an object"
    if origin in (list, collections.abc.Sequence) or kind is list:
        return "a list"
    if origin in (dict, collections.abc.Mapping) or kind is dict:
        return "an object"
    return _TYPE_NAMES.get(kind) or str(getattr(kind, "__name__", kind))
