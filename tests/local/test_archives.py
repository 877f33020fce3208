from __future__ import annotations

import io
import os
import zipfile
from typing import TYPE_CHECKING

import pulumi
import pytest

from local.archives import ArchiveError, build_zip, read_asset

if TYPE_CHECKING:
    from pathlib import Path


def contents(data: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(data)) as file:
        return {info.filename: file.read(info) for info in file.infolist()}


def test_an_archive_of_assets_puts_archives_below_their_key(tmp_path: Path) -> None:
    (tmp_path / "lib" / "inner").mkdir(parents=True)
    (tmp_path / "lib" / "inner" / "b.py").write_text("b")
    (tmp_path / "a.py").write_text("a")
    archive = pulumi.AssetArchive(
        {
            "text.py": pulumi.StringAsset("text"),
            "file.py": pulumi.FileAsset("a.py"),
            "vendor": pulumi.FileArchive("lib"),
            ".": pulumi.FileArchive("lib"),
        }
    )
    assert contents(build_zip(archive, tmp_path)) == {
        "file.py": b"a",
        "inner/b.py": b"b",
        "text.py": b"text",
        "vendor/inner/b.py": b"b",
    }


def test_the_same_content_gives_the_same_bytes(tmp_path: Path) -> None:
    for root, names in (("one", ["a.py", "b.py"]), ("two", ["b.py", "a.py"])):
        (tmp_path / root / "code").mkdir(parents=True)
        for age, name in enumerate(names):
            path = tmp_path / root / "code" / name
            path.write_text(name)
            os.utime(path, (age, age))
    (tmp_path / "two" / "code" / "a.py").chmod(0o700)
    archive = pulumi.FileArchive("code")
    assert build_zip(archive, tmp_path / "one") == build_zip(archive, tmp_path / "two")


def test_members_are_sorted_and_readable(tmp_path: Path) -> None:
    archive = pulumi.AssetArchive({"b": pulumi.StringAsset("b"), "a": pulumi.StringAsset("a")})
    with zipfile.ZipFile(io.BytesIO(build_zip(archive, tmp_path))) as file:
        assert [(info.filename, info.external_attr >> 16) for info in file.infolist()] == [("a", 0o644), ("b", 0o644)]


def test_byte_code_caches_stay_out(tmp_path: Path) -> None:
    (tmp_path / "code" / "__pycache__").mkdir(parents=True)
    (tmp_path / "code" / "__pycache__" / "a.pyc").write_bytes(b"cache")
    (tmp_path / "code" / "a.py").write_text("a")
    assert contents(build_zip(pulumi.FileArchive("code"), tmp_path)) == {"a.py": b"a"}


@pytest.mark.parametrize(
    ("archive", "message"),
    [
        (pulumi.FileArchive("missing"), "archive missing: no such directory"),
        (
            pulumi.FileArchive("notes.txt"),
            "archive notes.txt: must be a directory; the local run does not support archive files",
        ),
        (pulumi.RemoteArchive("https://example.com/a.zip"), "archive https://example.com/a.zip: the local run does"),
        (pulumi.AssetArchive({"a": pulumi.FileAsset("missing.py")}), "asset missing.py: no such file"),
        (pulumi.AssetArchive({"a": pulumi.RemoteAsset("https://example.com/a")}), "asset https://example.com/a: the"),
    ],
)
def test_what_cannot_be_read_is_named(tmp_path: Path, archive: pulumi.Archive, message: str) -> None:
    (tmp_path / "notes.txt").write_text("notes")
    with pytest.raises(ArchiveError, match=message):
        build_zip(archive, tmp_path)


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "code" / "a.py").write_text("a")
    archive = pulumi.AssetArchive({"a.py": pulumi.StringAsset("other"), ".": pulumi.FileArchive("code")})
    with pytest.raises(ArchiveError, match=r"a\.py occurs twice"):
        build_zip(archive, tmp_path)


def test_an_asset_is_its_bytes(tmp_path: Path) -> None:
    assert read_asset(pulumi.StringAsset("é"), tmp_path) == "é".encode()
