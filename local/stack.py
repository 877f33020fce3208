"""Description of the running local stack. `up` writes it to `stack.json`; other commands read it."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, cast

from formbridge.runtime.identifiers import TENANT_ID
from formbridge.runtime.tenant_id_pattern import TenantIdPattern

from .private_files import private

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

FILE_NAME = "stack.json"
PARTIAL_FILE_NAME = "stack.json.part"
"""Name of the file while it is being written. The complete file is renamed to `stack.json`."""


class StackError(Exception):
    """No local stack is running, `stack.json` is invalid, or the program lacks an export."""


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A running local stack."""

    endpoint_url: str
    """The emulator's URL on 127.0.0.1, for every AWS API."""
    region: str
    access_key_id: str
    """The key id of this run's credential. The emulator serves only requests that are signed with the credential."""
    secret_access_key: str = field(repr=False)
    """The secret of this run's credential."""
    dashboard_url: str
    """The origin of the dashboard: `http://127.0.0.1:PORT`."""
    dashboard_key: str = field(repr=False)
    """The key of this run's dashboard. A browser opens `page_url`; other clients send `Authorization: Bearer KEY`.

    Empty if users sign in at an issuer of their own: the page then needs no key.
    """
    pid: int
    """The id of the process `python -m local up`."""
    outputs: Mapping[str, Any]
    """The exports of the program by name."""

    @property
    def page_url(self) -> str:
        """The URL that opens the dashboard in a browser. It contains the key, if the page needs one."""
        return f"{self.dashboard_url}/?key={self.dashboard_key}" if self.dashboard_key else f"{self.dashboard_url}/"

    @property
    def tenant_ids(self) -> TenantIdPattern:
        """The tenant ids of the stack. A program that exports no pattern has every id that is safe in keys."""
        name = "tenant_id_pattern"
        return TenantIdPattern.parse(name, self.output(name) if name in self.outputs else TENANT_ID.pattern)

    def output(self, name: str) -> str:
        """Return the export `name`.

        Raises:
            StackError: The program does not export `name`, or the export is not a string.
        """
        value = self.outputs.get(name)
        if not isinstance(value, str):
            raise StackError(f"{name}: the program must export it as a string, got {value!r}")
        return value


def write(stack: Stack, state_dir: Path) -> None:
    """Write `stack.json` atomically. Only the owner of the file can read it.

    An interrupted write leaves a partial file. `remove` deletes the partial file.
    """
    partial = state_dir / PARTIAL_FILE_NAME
    with open(partial, "w", opener=private) as file:
        json.dump(asdict(stack), file, indent=2)
    partial.replace(state_dir / FILE_NAME)


def read(state_dir: Path) -> Stack:
    """Return the stack that runs with the state directory `state_dir`.

    Raises:
        StackError: No stack runs with this directory, or `stack.json` is invalid.
    """
    path = state_dir / FILE_NAME
    how = "start one with `python -m local up`"
    try:
        document = json.loads(path.read_text())
    except FileNotFoundError:
        raise StackError(f"{path}: no such file, so no local stack is running; {how}") from None
    except json.JSONDecodeError as error:
        raise StackError(f"{path}: must be valid JSON ({error}); remove the file and {how}") from error
    stack = _parsed(document, path)
    if not _alive(stack.pid):
        raise StackError(f"{path}: left by process {stack.pid}, which has ended; {how}")
    return stack


def remove(state_dir: Path) -> None:
    """Remove `stack.json`, and the partial file that an interrupted `write` left, if they exist."""
    for name in (FILE_NAME, PARTIAL_FILE_NAME):
        (state_dir / name).unlink(missing_ok=True)


def _parsed(document: object, path: Path) -> Stack:
    types = {
        **dict.fromkeys(("endpoint_url", "region", "access_key_id", "secret_access_key"), str),
        **dict.fromkeys(("dashboard_url", "dashboard_key"), str),
        "pid": int,
        "outputs": dict,
    }
    fields = cast("dict[str, Any]", document) if isinstance(document, dict) else {}
    for name, kind in types.items():
        if not isinstance(fields.get(name), kind):
            raise StackError(f"{path}: {name}: must be {kind.__name__}, got {fields.get(name)!r}")
    return Stack(**{name: fields[name] for name in types})


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
