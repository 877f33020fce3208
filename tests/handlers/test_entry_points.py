"""Each Lambda starts with what its archive and its runtime hold, and nothing of this machine's environment."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HANDLERS = Path(__file__).resolve().parents[2] / "handlers"
ENTRY_POINTS = sorted(path.stem for path in HANDLERS.glob("*.py"))
AWS = ["boto3", "botocore", "s3transfer", "urllib3"]
"""What the runtime brings, and takes longest to start with."""
TOKENS = ["jwt", "cryptography", "cffi", "_cffi_backend"]
POSTING = ["pycurl"]
NEEDED_BY = {
    "authorize": {"jwt"},
    # These two need pycurl only when they close a connection.
    "authenticate": {"jwt", "botocore"},
    "message": {"botocore"},
    "broadcast": {"botocore", "pycurl"},
    "fanout": {"botocore", "pycurl"},
    "janitor": {"botocore", "pycurl"},
    "connect": {"botocore"},
    "persist": {"botocore"},
    "resync": {"botocore"},
}
BLOCKED = "import sys; sys.modules.update(dict.fromkeys(sys.argv[2:])); __import__(sys.argv[1])"


def starts(entry_point: str, *without: str) -> subprocess.CompletedProcess[str]:
    """Import an entry point in a fresh Python that has not all modules."""
    command = [sys.executable, "-c", BLOCKED, entry_point, *without]
    return subprocess.run(command, cwd=HANDLERS, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("entry_point", ENTRY_POINTS)
def test_none_needs_what_its_archive_does_not_hold_nor_more_of_the_runtime_than_it_uses(entry_point: str) -> None:
    """`boto3` is none's: botocore is what it stands on, and starts sooner."""
    unneeded = {*AWS, *TOKENS, *POSTING}
    for needed in NEEDED_BY[entry_point]:
        unneeded -= {"jwt": {*TOKENS}, "pycurl": {*POSTING}, "botocore": {"botocore", "urllib3"}}[needed]
    started = starts(entry_point, *sorted(unneeded))
    assert started.returncode == 0, started.stderr


@pytest.mark.parametrize(
    ("entry_point", "needed"), [(name, needed) for name in ENTRY_POINTS for needed in sorted(NEEDED_BY[name])]
)
def test_each_needs_what_is_said_to_be_its(entry_point: str, needed: str) -> None:
    *_, error = starts(entry_point, needed).stderr.splitlines()
    assert error.startswith("ModuleNotFoundError: ")
    assert needed in error
