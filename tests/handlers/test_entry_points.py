"""Each Lambda starts with what its archive and its runtime hold, and nothing of this machine's environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HANDLERS = Path(__file__).resolve().parents[2] / "handlers"
VERIFIERS = {"authorize", "authenticate"}
"""Those that verify tokens, and whose archives hold PyJWT."""
ONLY_THE_VERIFIERS = ("jwt", "cryptography", "cffi", "_cffi_backend")
BLOCKED = "import sys; sys.modules.update(dict.fromkeys(sys.argv[2:])); __import__(sys.argv[1])"


def starts(entry_point: str) -> subprocess.CompletedProcess[str]:
    """Import an entry point in a fresh Python that has none of the verifiers' dependencies."""
    command = [sys.executable, "-c", BLOCKED, entry_point, *ONLY_THE_VERIFIERS]
    return subprocess.run(command, cwd=HANDLERS, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("entry_point", sorted({path.stem for path in HANDLERS.glob("*.py")} - VERIFIERS))
def test_none_but_the_verifiers_needs_more_than_its_runtime_brings(entry_point: str) -> None:
    started = starts(entry_point)
    assert started.returncode == 0, started.stderr


@pytest.mark.parametrize("entry_point", sorted(VERIFIERS))
def test_the_verifiers_need_them(entry_point: str) -> None:
    assert "import of jwt halted" in starts(entry_point).stderr
