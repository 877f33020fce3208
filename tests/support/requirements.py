"""Reads requirements: the sources, which people edit, and the lock files, which `make lock` writes."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tools.lock_file import LockedPackage, read_lock_file

if TYPE_CHECKING:
    from collections.abc import Mapping

ROOT: Final = Path(__file__).resolve().parents[2]
SOURCES: Final = tuple(
    path.relative_to(ROOT).as_posix()
    for folder in (".", "policy", "handlers/requirements", "requirements")
    for path in sorted((ROOT / folder).glob("*.in"))
)
"""Every file that names packages."""


@dataclass(frozen=True)
class Lock:
    """A lock file."""

    text: str
    entries: tuple[LockedPackage, ...]

    def names(self) -> set[str]:
        return {entry.name for entry in self.entries}

    def versions(self, name: str) -> set[str]:
        """The versions of a package as `==1.2`; more than one if they differ between machines."""
        return {f"=={entry.version}" for entry in self.entries if entry.name == name}


@functools.cache
def read_source(source: str) -> Mapping[str, Requirement]:
    """The packages that a source names itself, by name."""
    lines = (line.partition("#")[0].strip() for line in (ROOT / source).read_text().splitlines())
    found = [Requirement(line) for line in lines if line and not line.startswith("-r ")]
    return {canonicalize_name(one.name): one for one in found}


@functools.cache
def read_lock(source: str) -> Lock:
    """The lock file of a source."""
    path = (ROOT / source).with_suffix(".txt")
    return Lock(path.read_text(), tuple(read_lock_file(path)))
