"""Files that only their owner can read.

The files of a local stack contain its credentials, the signing keys of the user pool, tokens and form data.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Container
    from pathlib import Path

DIRECTORY_MODE: Final = 0o700
FILE_MODE: Final = 0o600
UMASK: Final = 0o077
"""The file mode creation mask with which a process creates only private files."""


class NotPrivateError(Exception):
    """A directory belongs to another user, or other users can read it and it contains foreign files."""


def private(path: str, flags: int) -> int:
    """Open a file that only its owner can read: the argument `opener` of `open`."""
    descriptor = os.open(path, flags, FILE_MODE)
    # The mode of an existing file may be another one.
    os.fchmod(descriptor, FILE_MODE)
    return descriptor


def make_private(directory: Path, own_names: Container[str]) -> None:
    """Create a directory that only its owner can enter, or withdraw the rights of other users.

    The rights of a directory that contains anything else stay as they are: it may be `/tmp` or a home directory.

    Args:
        directory: The directory. Missing parents are created too.
        own_names: Names of files that may exist in the directory when rights are withdrawn.

    Raises:
        NotPrivateError: The directory belongs to another user, or has rights for other users and other files.
        OSError: The directory cannot be created or read.
    """
    directory.mkdir(DIRECTORY_MODE, parents=True, exist_ok=True)
    status = directory.stat()
    if status.st_uid != os.geteuid():
        raise NotPrivateError(f"must be a directory of this user, got {directory} of the user with id {status.st_uid}")
    if status.st_mode & UMASK == 0:
        return
    foreign = sorted(path.name for path in directory.iterdir() if path.name not in own_names)
    if foreign:
        raise NotPrivateError(
            f"must be an empty or a private directory, got {directory} with mode {status.st_mode & 0o777:o} "
            f"and the file {foreign[0]}; choose another directory, or run `chmod 700 {directory}`"
        )
    directory.chmod(DIRECTORY_MODE)
