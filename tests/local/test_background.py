from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from local import stack as stack_file
from local.background import running_stack
from local.up import UpError
from tests.support.local.stacks import make_stack

if TYPE_CHECKING:
    from pathlib import Path


def make_program(root: Path, source: str) -> Path:
    (root / "Pulumi.yaml").write_text("name: example\nruntime: python\n")
    (root / "__main__.py").write_text(source)
    return root


def test_the_stack_is_that_of_the_process_it_started_whatever_file_was_there(tmp_path: Path) -> None:
    root, state_dir = make_program(tmp_path, "import pulumi\npulumi.export('answer', 42)"), tmp_path / "state"
    state_dir.mkdir()
    stack_file.write(make_stack(), state_dir)
    with running_stack(state_dir, tmp_path / "up.log", root=root) as stack:
        assert stack.pid != os.getpid()
        assert stack.outputs == {"answer": 42}
        # Its output contains the dashboard's key.
        assert (tmp_path / "up.log").stat().st_mode & 0o777 == 0o600
    assert list(state_dir.iterdir()) == []


def test_a_stack_that_does_not_come_up_quotes_its_log(tmp_path: Path) -> None:
    root = make_program(tmp_path, "raise ValueError('boom')")
    with (
        pytest.raises(UpError, match=r"(?s)did not start.*boom"),
        running_stack(tmp_path / "state", tmp_path / "up.log", root=root),
    ):
        pass
