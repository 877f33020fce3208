from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING

import pytest

from local.private_files import NotPrivateError, make_private, private

if TYPE_CHECKING:
    from pathlib import Path


def mode_of(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_file_is_private_though_it_existed(tmp_path: Path) -> None:
    new, old = tmp_path / "new", tmp_path / "old"
    old.touch(0o644)
    for path in (new, old):
        with open(path, "w", opener=private) as file:
            file.write("secret")
        assert (mode_of(path), path.read_text()) == (0o600, "secret")


def test_a_directory_is_private_though_it_existed(tmp_path: Path) -> None:
    new, old = tmp_path / "parent" / "new", tmp_path / "old"
    old.mkdir(0o755)
    (old / "own").touch()
    for directory in (new, old):
        make_private(directory, ["own"])
        make_private(directory, ["own"])
        assert mode_of(directory) == 0o700


def test_a_directory_with_foreign_files_stays_as_it_is(tmp_path: Path) -> None:
    directory = tmp_path / "home"
    directory.mkdir(0o755)
    (directory / "thesis").touch()
    with pytest.raises(NotPrivateError, match=rf"got {re.escape(str(directory))} with mode 755 and the file thesis"):
        make_private(directory, ["own"])
    assert mode_of(directory) == 0o755
    directory.chmod(0o700)
    make_private(directory, ["own"])


def test_a_directory_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    user = os.geteuid()
    monkeypatch.setattr(os, "geteuid", lambda: user + 1)
    with pytest.raises(NotPrivateError, match=f"must be a directory of this user, got .* with id {user}"):
        make_private(tmp_path, [])
