from __future__ import annotations

from typing import Any

import pulumi
import pytest
from google.protobuf.struct_pb2 import Struct
from hypothesis import given
from hypothesis import strategies as st
from pulumi.runtime import rpc

from local import wire
from local.wire import UNKNOWN


def struct(value: dict[str, Any]) -> Struct:
    result = Struct()
    result.update(value)
    return result


def marked(signature: str, **fields: Any) -> dict[str, Any]:
    return {wire.SIGNATURE: signature, **fields}


plain_values = st.recursive(
    st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3),
    max_leaves=9,
)


@given(st.dictionaries(st.text(max_size=9), plain_values, max_size=4))
def test_plain_values_survive_the_wire(value: dict[str, Any]) -> None:
    assert wire.load(struct(value)) == value


def test_whole_numbers_are_integers() -> None:
    loaded = wire.load(struct({"whole": 3, "half": 0.5}))
    assert repr(loaded) == "{'half': 0.5, 'whole': 3}"


def test_nulls_are_left_out_at_every_depth() -> None:
    assert wire.load(struct({"a": None, "b": {"c": None, "d": 1}})) == {"b": {"d": 1}}


def test_unknown_values_are_marked() -> None:
    assert wire.load(struct({"a": [{"b": rpc.UNKNOWN}]})) == {"a": [{"b": UNKNOWN}]}


def test_secrets_are_plain() -> None:
    assert wire.load(struct({"a": marked(wire.SECRET, value={"b": [1]})})) == {"a": {"b": [1]}}


def test_assets_and_archives_are_those_of_pulumi() -> None:
    loaded = wire.load(
        struct(
            {
                "archive": marked(
                    wire.ARCHIVE,
                    assets={
                        "a.txt": marked(wire.ASSET, text="hello"),
                        "b.txt": marked(wire.ASSET, path="b.txt"),
                        "c.txt": marked(wire.ASSET, uri="https://example.com/c"),
                        "lib": marked(wire.ARCHIVE, path="lib"),
                        "more": marked(wire.ARCHIVE, uri="https://example.com/more.zip"),
                    },
                )
            }
        )
    )
    archive = loaded["archive"]
    assert isinstance(archive, pulumi.AssetArchive)
    kinds = {name: type(item) for name, item in archive.assets.items()}
    assert kinds == {
        "a.txt": pulumi.StringAsset,
        "b.txt": pulumi.FileAsset,
        "c.txt": pulumi.RemoteAsset,
        "lib": pulumi.FileArchive,
        "more": pulumi.RemoteArchive,
    }
    text = archive.assets["a.txt"]
    assert isinstance(text, pulumi.StringAsset)
    assert text.text == "hello"


def test_the_signatures_are_those_of_the_sdk() -> None:
    """The numbers are copied from the protocol: a change in the SDK must show."""
    assert {wire.SIGNATURE, wire.SECRET, wire.ASSET, wire.ARCHIVE} == {
        getattr(rpc, f"_special_{name}") for name in ("sig_key", "secret_sig", "asset_sig", "archive_sig")
    }


def test_a_kind_that_is_not_known_is_refused() -> None:
    with pytest.raises(ValueError, match="signature 123"):
        wire.load(struct({"a": marked("123")}))


def test_outputs_overlay_inputs_and_secrets_stay_secret() -> None:
    inputs = struct({"plain": 1, "password": marked(wire.SECRET, value="a"), "kept": marked(wire.SECRET, value="b")})
    merged = wire.merge(inputs, {"plain": 2, "password": "c", "token": "d", "arn": "e"}, secrets=["token"])
    assert wire.load(merged) == {"plain": 2, "password": "c", "kept": "b", "token": "d", "arn": "e"}
    assert {name for name in merged.fields if wire.is_secret(merged, name)} == {"password", "kept", "token"}
    assert wire.load(inputs)["plain"] == 1


def test_paths_of_unknown_values() -> None:
    value = {"a": UNKNOWN, "b": [1, {"c": UNKNOWN}], "d": {"e": "known"}}
    assert list(wire.find_unknown_paths(value)) == ["a", "b[1].c"]
