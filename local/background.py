"""Local stack in a background process, for the benchmark and the end-to-end tests."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from contextlib import contextmanager, suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from . import stack as stack_file
from .private_files import private
from .up import UpError

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping

    from .stack import Stack

ROOT: Final = Path(__file__).resolve().parents[1]
START_SECONDS: Final = 120
STOP_SECONDS: Final = 30
POLL_SECONDS: Final = 0.1


@contextmanager
def running_stack(
    state_dir: Path,
    log: Path,
    *,
    root: Path = ROOT,
    enforce_iam: bool = False,
    random_frame_order: bool = False,
    config: Mapping[str, str] = MappingProxyType({}),
    environment: Mapping[str, str] = MappingProxyType({}),
) -> Generator[Stack]:
    """Run `python -m local up` during the block.

    Args:
        state_dir: The state directory of the stack.
        log: The file that receives the output of the stack. The output contains the dashboard's key, so the file is
            private.
        root: The directory of the project's `Pulumi.yaml`; this project by default.
        enforce_iam: Whether the emulator checks the requests of each Lambda against the policies of its role.
        random_frame_order: Whether the frames of a connection are processed in parallel and in random order.
        config: Configuration values that replace those of the project's files.
        environment: Further environment variables.

    Yields:
        The running stack.

    Raises:
        UpError: The stack did not start, or ended with an error. The message quotes the log.
    """
    flags = {"--enforce-iam": enforce_iam, "--random-frame-order": random_frame_order}
    options = ["--state-dir", str(state_dir), "--root", str(root), *(flag for flag, is_set in flags.items() if is_set)]
    options += [f"--config={key}={value}" for key, value in config.items()]
    command = [sys.executable, "-m", "local", "up", "--headless", *options]
    with open(log, "w", opener=private) as output:
        up = subprocess.Popen(  # noqa: S603 - a command of this project
            command, cwd=ROOT, stdout=output, stderr=output, env={**os.environ, **environment}
        )
    try:
        yield _wait_until_up(up, state_dir, log)
    finally:
        up.terminate()
        status = up.wait(STOP_SECONDS)
    if status != 0:
        raise UpError(f"the stack ended with exit code {status}:\n{log.read_text()}")


def _wait_until_up(up: subprocess.Popen[bytes], state_dir: Path, log: Path) -> Stack:
    """Wait until the process `up` has written `stack.json`, and return the stack."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        with suppress(stack_file.StackError):
            stack = stack_file.read(state_dir)
            if stack.pid == up.pid:
                return stack
        if up.poll() is not None or time.monotonic() > deadline:
            raise UpError(f"the stack did not start:\n{log.read_text()}")
        time.sleep(POLL_SECONDS)
