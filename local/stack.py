"""The running local stack, as `up` leaves it in `stack.json` for the other commands."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "stack.json"
PARTIAL_FILE_NAME = "stack.json.part"
"""The file's name until it is complete."""


class StackError(Exception):
    """No stack is running, or it lacks what was asked of it."""


@dataclass(frozen=True)
class Stack:
    """A local stack that is up."""

    endpoint_url: str
    """The emulator: every AWS API, on 127.0.0.1."""
    region: str
    dashboard_url: str
    pid: int
    """The process of `python -m local up`."""
    outputs: Mapping[str, Any]
    """What the program exports."""

    def output(self, name: str) -> str:
        """An export that is text.

        Raises:
            StackError: the program has no such export.
        """
        value = self.outputs.get(name)
        if not isinstance(value, str):
            raise StackError(f"{name}: the program must export it as text, but the stack has {value!r}")
        return value


def write(stack: Stack, state_dir: Path) -> None:
    """Write `stack.json`, readable by its owner only, so that a reader sees all of it or nothing.

    Where an interrupt ends this half-way, `remove` removes what there is.
    """
    partial = state_dir / PARTIAL_FILE_NAME
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with open(descriptor, "w") as file:  # noqa: PTH123 - a descriptor, not a path
        json.dump(asdict(stack), file, indent=2)
    partial.replace(state_dir / FILE_NAME)


def read(state_dir: Path) -> Stack:
    """The stack that runs with this state directory.

    Raises:
        StackError: there is none, or its file cannot be read.
    """
    path = state_dir / FILE_NAME
    how = "start one with `python -m local up`"
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        raise StackError(f"{path}: no such file, so no local stack is up; {how}") from None
    except json.JSONDecodeError as error:
        raise StackError(f"{path}: not JSON ({error}); remove it, and {how}") from error
    stack = _parsed(document, path)
    if not _alive(stack.pid):
        raise StackError(f"{path}: left by process {stack.pid}, which has ended; {how}")
    return stack


def remove(state_dir: Path) -> None:
    """Remove `stack.json` and the part of it that an interrupted `write` left, if they are there."""
    for name in (FILE_NAME, PARTIAL_FILE_NAME):
        (state_dir / name).unlink(missing_ok=True)


def _parsed(document: object, path: Path) -> Stack:
    types = {"endpoint_url": str, "region": str, "dashboard_url": str, "pid": int, "outputs": dict}
    fields = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    for name, kind in types.items():
        if not isinstance(fields.get(name), kind):
            raise StackError(f"{path}: {name} must be {kind.__name__}, not {fields.get(name)!r}")
    return Stack(**{name: fields[name] for name in types})


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
