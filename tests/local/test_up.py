from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from rich.console import Console

from local.up import Options, UpError, run_stack

if TYPE_CHECKING:
    from pathlib import Path


def test_a_state_directory_with_foreign_files_that_others_may_read_is_refused(tmp_path: Path) -> None:
    state_dir = tmp_path / "home"
    state_dir.mkdir(0o755)
    (state_dir / "thesis").touch()
    with pytest.raises(UpError, match=r"^--state-dir: must be an empty or a private directory, .* and the file thesis"):
        run_stack(Options(root=tmp_path, state_dir=state_dir, headless=True), Console())
    assert [path.name for path in state_dir.iterdir()] == ["thesis"]
    assert state_dir.stat().st_mode & 0o777 == 0o755
