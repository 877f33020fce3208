"""`python -m local up` in the background, for what needs a running stack: the benchmark and the end-to-end tests."""

from __future__ import annotations

import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from . import stack as stack_file
from .up import UpError

if TYPE_CHECKING:
    from collections.abc import Generator

    from .stack import Stack

ROOT: Final = Path(__file__).resolve().parents[1]
START_SECONDS: Final = 120
STOP_SECONDS: Final = 30


@contextmanager
def running_stack(state_dir: Path, log: Path, *, root: Path = ROOT, enforce_iam: bool = False) -> Generator[Stack]:
    """The stack of the project in `root`, by default this one, up from the beginning of the block to its end.

    `log` gets what it prints; `enforce_iam` holds each Lambda to its role's policies.

    Raises:
        UpError: it did not come up, or did not end in order; the message quotes the log.
    """
    options = ["--state-dir", str(state_dir), "--root", str(root), *(["--enforce-iam"] if enforce_iam else [])]
    command = [sys.executable, "-m", "local", "up", "--headless", *options]
    with log.open("w") as output:
        up = subprocess.Popen(command, cwd=ROOT, stdout=output, stderr=output)  # noqa: S603 - our own command
    try:
        yield _wait_until_up(up, state_dir, log)
    finally:
        up.terminate()
        status = up.wait(STOP_SECONDS)
    if status != 0:
        raise UpError(f"the stack ended with exit code {status}:\n{log.read_text()}")


def _wait_until_up(up: subprocess.Popen[bytes], state_dir: Path, log: Path) -> Stack:
    """Return the stack as soon as its file is there; a file of an earlier process does not count."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(stack_file.StackError):
            stack = stack_file.read(state_dir)
            if stack.pid == up.pid:
                return stack
        if up.poll() is not None or time.monotonic() > deadline:
            raise UpError(f"the stack did not come up:\n{log.read_text()}")
        time.sleep(0.1)
