"""Reads the lock files that `make lock` writes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

ENTRY: Final = re.compile(r"^(?P<name>[\w.-]+)==(?P<version>[^\s;]+)(?P<rest>(?:.*\\\n)+.*)$", re.MULTILINE)


@dataclass(frozen=True)
class LockedPackage:
    """A package with its version and hashes. A package has two entries if its version depends on the Python version."""

    name: str
    version: str
    hashes: tuple[str, ...]
    """Hashes of its files, such as `sha256:0a30…`."""


def read_lock_file(path: Path) -> list[LockedPackage]:
    """Return the packages of a lock file in the file's order.

    Raises:
        ValueError: A line pins a package without a hash.
    """
    text = path.read_text()
    packages = [
        LockedPackage(entry["name"], entry["version"], tuple(re.findall(r"--hash=(\S+)", entry["rest"])))
        for entry in ENTRY.finditer(text)
    ]
    pinned = len(re.findall(r"^\w.*==", text, re.MULTILINE))
    if pinned != len(packages):
        raise ValueError(f"{path.name}: must have a hash of each package, got {pinned - len(packages)} without")
    return packages
