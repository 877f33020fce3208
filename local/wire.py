"""Conversion of Pulumi's wire format (protobuf structs) to plain Python values.

Numbers without a fraction become `int`. Assets and archives become `pulumi.Asset` and `pulumi.Archive`. A value that is
not known yet becomes `UNKNOWN`. Secrets become plain values: only the protobuf message marks a value as secret, and
`merge` keeps this mark.
"""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING, Any, Final

import pulumi
from google.protobuf.struct_pb2 import Struct, Value
from pulumi.runtime import rpc

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
"""The key that marks a struct as a special value, such as an asset, an archive or a secret.

Pulumi's protocol defines this key and its values `ASSET`, `ARCHIVE` and `SECRET`.
"""
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, not a secret


class Unknown(Enum):
    """Type of `UNKNOWN`. It is an enumeration, so that type checkers understand `value is UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        """Return the text that error messages show."""
        return "<unknown>"


UNKNOWN: Final = Unknown.UNKNOWN
"""The value in place of an output that is known only after its resource has been created."""


def load(struct: Struct) -> dict[str, Any]:
    """Return the properties of `struct` without nulls.

    The properties are in alphabetical order, because the wire format has no order.
    """
    return {key: value for key, item in sorted(struct.fields.items()) if (value := load_value(item)) is not None}


def load_value(value: Value) -> Any:
    """Return one protobuf value and everything in it as plain Python values."""
    match value.WhichOneof("kind"):
        case "bool_value":
            return value.bool_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "string_value":
            return UNKNOWN if value.string_value == rpc.UNKNOWN else value.string_value
        case "list_value":
            return [load_value(item) for item in value.list_value.values]
        case "struct_value":
            return _load_struct(value.struct_value)
        case _:
            return None


def _load_struct(struct: Struct) -> Any:
    fields = struct.fields
    signature = fields[SIGNATURE].string_value if SIGNATURE in fields else None
    if signature is None:
        return load(struct)
    if signature == SECRET:
        return load_value(fields["value"])
    if signature == ASSET:
        if "text" in fields:
            return pulumi.StringAsset(fields["text"].string_value)
        if "path" in fields:
            return pulumi.FileAsset(fields["path"].string_value)
        return pulumi.RemoteAsset(fields["uri"].string_value)
    if signature == ARCHIVE:
        if "assets" in fields:
            return pulumi.AssetArchive(load(fields["assets"].struct_value))
        if "path" in fields:
            return pulumi.FileArchive(fields["path"].string_value)
        return pulumi.RemoteArchive(fields["uri"].string_value)
    raise ValueError(f"the local run does not support this kind of value (signature {signature})")


def merge(inputs: Struct, outputs: Mapping[str, Any], secrets: Collection[str] = ()) -> Struct:
    """Return a copy of `inputs` with `outputs` added. An output replaces an input of the same name.

    The other inputs are copied unchanged, secrets and assets included. An output is marked as secret if `secrets`
    contains its name or if it replaces a secret input.
    """
    result = Struct()
    result.CopyFrom(inputs)
    for name, value in outputs.items():
        if name in secrets or is_secret(inputs, name):
            value = {SIGNATURE: SECRET, "value": value}
        result.update({name: value})
    return result


def is_secret(struct: Struct, name: str) -> bool:
    """Return whether the property `name` of `struct` is a secret."""
    fields = struct.fields
    if name not in fields or fields[name].WhichOneof("kind") != "struct_value":
        return False
    marker = fields[name].struct_value.fields
    return SIGNATURE in marker and marker[SIGNATURE].string_value == SECRET


def find_unknown_paths(value: Any, path: str = "") -> Iterator[str]:
    """Yield the path (`a.b[0].c`) of each unknown value in `value`, a result of `load` or `load_value`."""
    if value is UNKNOWN:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]  # Any, narrowed to dict
            yield from find_unknown_paths(item, f"{path}.{key}" if path else str(key))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            yield from find_unknown_paths(item, f"{path}[{index}]")
