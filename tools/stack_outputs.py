"""The outputs of a stack, from a file."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Final, cast

import typer

from formbridge.runtime.identifiers import quote

from .console import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

STDIN: Final = "-"
"""Name of the file that stands for stdin."""

OUTPUTS: Final[Any] = typer.Option(
    metavar="FILE",
    help="Outputs of the stack: a file with what `pulumi stack output --json` prints, `-` for stdin, "
    "or the file .local/stack.json of the local run.",
)
"""The option of a command that reads the outputs of a stack."""
Outputs = Annotated[str, OUTPUTS]
"""The option, if the command needs it."""


@dataclass(frozen=True, slots=True)
class StackOutputs:
    """The outputs of a stack."""

    source: str
    """The file that they were read from."""
    values: Mapping[str, Any]

    @classmethod
    def read(cls, source: str) -> StackOutputs:
        """Read the outputs from JSON that `pulumi stack output --json` printed, or from the file of a local run.

        Args:
            source: Name of the file; `-` for stdin.

        Raises:
            UsageError: The file cannot be read, or it is not a JSON object.
        """
        try:
            with open(sys.stdin.fileno() if source == STDIN else source, closefd=source != STDIN) as file:
                values: object = json.load(file)
        except OSError as error:
            raise UsageError(f"--outputs {source}: {error.strerror}") from None
        except ValueError as error:
            raise UsageError(f"--outputs {source}: must be JSON ({error})") from None
        if not isinstance(values, dict):
            raise UsageError(f"--outputs {source}: must be a JSON object")
        values = cast("dict[str, Any]", values)
        return cls(source, _read_local_run(values) if "outputs" in values else values)

    def find(self, name: str) -> str:
        """Return an output that the stack may not have. An empty string stands for none."""
        return str(self.values.get(name) or "")

    def get(self, name: str) -> str:
        """Return an output of the stack.

        Raises:
            UsageError: The stack has no such output.
        """
        if not (value := self.find(name)):
            raise UsageError(f"--outputs {self.source}: must have the output {name!r}, got {', '.join(self.values)}")
        return value

    def get_integer(self, name: str) -> int:
        """Return an output of the stack that is an integer.

        Raises:
            UsageError: The stack has no such output, or it is no integer.
        """
        value = self.values.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            raise UsageError(f"--outputs {self.source}: {name}: must be an integer, got {value!r}")
        return value

    def get_strings(self, name: str) -> list[str]:
        """Return an output of the stack that is a list of strings.

        Raises:
            UsageError: The stack has no such output, or it is not a list of strings.
        """
        values = self.values.get(name)
        if not isinstance(values, list) or not values:
            got = quote(self.values.get(name))
            raise UsageError(f"--outputs {self.source}: must have the list {name!r}, got {got}")
        return [str(value) for value in cast("list[object]", values)]


def _read_local_run(stack: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the outputs in the file of a local run. `dashboard_url` is the page that the local run serves.

    A page with a key makes its own tokens. It has no sign-in, so `dashboard_url` is empty.
    """
    page = "" if stack.get("dashboard_key") else stack.get("dashboard_url", "")
    return {**stack["outputs"], "dashboard_url": page}
