"""Pulumi assets and archives as bytes; an archive always gives the same zip for the same content."""

from __future__ import annotations

import io
import zipfile
from typing import TYPE_CHECKING, cast

import pulumi

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

# The zip format's own epoch: no clock, no checkout time.
_TIMESTAMP = (1980, 1, 1, 0, 0, 0)
_MODE = 0o644


class ArchiveError(Exception):
    """An asset or archive that cannot be read here; the message names it."""


def read_asset(asset: pulumi.Asset, root: Path) -> bytes:
    """The content of `asset`; relative paths are taken from `root`.

    Raises:
        ArchiveError: the file does not exist, or the asset is a URI (nothing is fetched in the local run).
    """
    if isinstance(asset, pulumi.StringAsset):
        return asset.text.encode()
    if isinstance(asset, pulumi.FileAsset):
        path = root / asset.path
        if not path.is_file():
            raise ArchiveError(f"asset {asset.path!s}: no such file")
        return path.read_bytes()
    raise ArchiveError(f"asset {getattr(asset, 'uri', asset)!s}: the local run fetches no remote assets")


def build_zip(archive: pulumi.Archive, root: Path) -> bytes:
    """`archive` as a zip file: sorted names, fixed timestamps and modes, no `__pycache__`.

    Relative paths are taken from `root`. In an `AssetArchive`, an archive lies below its key.

    Raises:
        ArchiveError: a path that does not exist or is no directory, a URI, or a name given twice.
    """
    members: dict[str, bytes] = {}
    for name, content in _read_members(archive, root):
        if name in members:
            raise ArchiveError(f"archive: {name} is there twice")
        members[name] = content
    buffer = io.BytesIO()
    # The emulator unpacks the zip at once, on the same machine: speed counts, size does not.
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as file:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, _TIMESTAMP)
            info.compress_type = zipfile.ZIP_DEFLATED
            info.create_system = 3  # Unix, on every machine, so that the mode means the same
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
        raise ArchiveError(f"archive {getattr(archive, 'uri', archive)!s}: the local run fetches no remote archives")
    path = root / archive.path
    if path.is_dir():
        yield from _read_directory(path)
    elif not path.exists():
        raise ArchiveError(f"archive {archive.path!s}: no such directory")
    else:
        raise ArchiveError(f"archive {archive.path!s}: not a directory, and the local run unpacks no files")


def _read_directory(directory: Path) -> Iterator[tuple[str, bytes]]:
    for path in directory.rglob("*"):
        relative = path.relative_to(directory)
        if path.is_file() and "__pycache__" not in relative.parts:
            yield relative.as_posix(), path.read_bytes()
