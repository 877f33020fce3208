"""Conversion of Pulumi assets and archives to bytes. The same content always gives the same zip file."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, cast

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The timestamp of every file in a zip file: the earliest date of the zip format. It is fixed, so that the zip file does
# not depend on the clock or on the time of the checkout.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644


class ArchiveError(Exception):
    """An asset or archive cannot be read. The message names the asset or archive."""


def read_asset(asset: pulumi.Asset, root: Path) -> bytes:
    """Return the content of `asset`.

    Args:
        asset: A string or file asset.
        root: The directory that relative paths start from.

    Raises:
        ArchiveError: The file does not exist, or the asset is remote (the local run fetches nothing).
    """
    if isinstance(asset, pulumi.StringAsset):
        return asset.text.encode()
    if isinstance(asset, pulumi.FileAsset):
        path = root / asset.path
        if not path.is_file():
            raise ArchiveError(f"asset {asset.path!s}: no such file")
        return path.read_bytes()
    raise ArchiveError(f"asset {getattr(asset, 'uri', asset)!s}: the local run does not support remote assets")


def build_zip(archive: pulumi.Archive, root: Path) -> bytes:
    """Return `archive` as a zip file that depends only on its content.

    Names are sorted, timestamps and modes are fixed, and `__pycache__` directories are left out.

    An archive inside an `AssetArchive` becomes a directory that is named after its key. With the key `.`, the files of
    the archive are added without such a directory.

    Args:
        archive: A directory archive, or an asset archive of assets and directories.
        root: The directory that relative paths start from.

    Raises:
        ArchiveError: A path does not exist or is not a directory, the archive is remote, or a name occurs twice.
    """
    members: dict[str, bytes] = {}
    for name, content in _read_members(archive, root):
        if name in members:
            raise ArchiveError(f"archive: {name} occurs twice")
        members[name] = content
    buffer = io.BytesIO()
    # The emulator on this machine unpacks the zip file immediately, so speed matters more than size.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, so that the mode has the same meaning on every machine
            info.external_attr = _MODE << 16
            file.writestr(info, members[name])
    return buffer.getvalue()


def _read_members(archive: pulumi.Archive, root: Path) -> Iterator[tuple[str, bytes]]:
    if isinstance(archive, pulumi.AssetArchive):
        assets = cast("Mapping[str, pulumi.Asset | pulumi.Archive]", archive.assets)
        for key, item in assets.items():
            if isinstance(item, pulumi.Asset):
                yield key, read_asset(item, root)
            else:
                prefix = "" if key == "." else f"{key.removesuffix('/')}/"
                for name, content in _read_members(item, root):
                    yield f"{prefix}{name}", content
        return
    if not isinstance(archive, pulumi.FileArchive):
        raise ArchiveError(
            f"archive {getattr(archive, 'uri', archive)!s}: the local run does not support remote archives"
        )
    path = root / archive.path
    if path.is_dir():
        yield from _read_directory(path)
    elif not path.exists():
        raise ArchiveError(f"archive {archive.path!s}: no such directory")
    else:
        raise ArchiveError(
            f"archive {archive.path!s}: must be a directory; the local run does not support archive files"
        )


def _read_directory(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in directory.rglob("*"):
        relative = path.relative_to(directory)
        if path.is_file() and "__pycache__" not in relative.parts:
            yield relative.as_posix(), path.read_bytes()
