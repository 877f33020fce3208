"""Pulumi's wire format (protobuf structs) as plain Python values.

Numbers become `int` where they are whole, assets and archives become `pulumi.Asset` and `pulumi.Archive`, and what a
preview cannot know is `UNKNOWN`. A secret is given plain: secrecy is kept in the message itself, which `merged` copies.
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
"""The key that marks a struct as something other than a plain object. Its values are fixed by the protocol."""
ASSET: Final = "c44067f5952c0a294b673a41bacd8c17"
ARCHIVE: Final = "0def7320c3a5731c473e5ecbe6d01bc7"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 - a marker, no secret


class Unknown(Enum):
    """The type of `UNKNOWN`."""

    UNKNOWN = "unknown"

    def __repr__(self) -> str:
        return "<unknown>"


UNKNOWN: Final = Unknown.UNKNOWN
"""A value that is known only after creation."""


def load(struct: Struct) -> dict[str, Any]:
    """The properties of `struct` in alphabetical order (the wire has none), without those that are null."""
    return {key: value for key, item in sorted(struct.fields.items()) if (value := load_value(item)) is not None}


def load_value(value: Value) -> Any:
    """One value, of any depth."""
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
    raise ValueError(f"a value of a kind that the local run does not know (signature {signature})")


def merge(inputs: Struct, outputs: Mapping[str, Any], secrets: Collection[str] = ()) -> Struct:
    """`inputs` as they came (secrets and assets included), overlaid with the plain `outputs`.

    An output is secret where it is named in `secrets` or overlays an input that is.
    """
    result = Struct()
    result.CopyFrom(inputs)
    for name, value in outputs.items():
        if name in secrets or is_secret(inputs, name):
            value = {SIGNATURE: SECRET, "value": value}
        result.update({name: value})
    return result


def is_secret(struct: Struct, name: str) -> bool:
    """Whether the property `name` of `struct` is a secret."""
    fields = struct.fields
    if name not in fields or fields[name].WhichOneof("kind") != "struct_value":
        return False
    marker = fields[name].struct_value.fields
    return SIGNATURE in marker and marker[SIGNATURE].string_value == SECRET


def find_unknown_paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths (`a.b[0].c`) of the unknown values within a loaded value."""
    if value is UNKNOWN:
        yield path
    elif isinstance(value, dict):
        for key, item in value.items():  # pyright: ignore[reportUnknownVariableType]  # Any, narrowed to dict
            yield from find_unknown_paths(item, f"{path}.{key}" if path else str(key))  # pyright: ignore[reportUnknownArgumentType]
    elif isinstance(value, list):
        for index, item in enumerate(value):  # pyright: ignore[reportUnknownVariableType,reportUnknownArgumentType]
            yield from find_unknown_paths(item, f"{path}[{index}]")
