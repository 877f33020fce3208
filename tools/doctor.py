"""The command that checks the sign-in of a stack from the outside: `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .console import UsageError, interruptible
from .doctor_check import Check, Outcome
from .stack_outputs import STDIN, Outputs, StackOutputs

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS: Final = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.NOTE: "note"}
SETTING_WIDTH: Final = 21
"""Width of the column of the settings in characters: that of `clockToleranceSeconds`."""


def doctor(
    outputs: Outputs,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File with a token to explain, `-` for stdin. The token itself is no argument, because other users of "
            "this machine can read command lines.",
        ),
    ] = None,
) -> None:
    """Check the sign-in of a stack from the outside, and explain a token.

    Each line is one check: pass, FAIL or note, the setting that it belongs to, and what was checked. No part of the
    token is printed, except for the tenants that it grants and the names of claims.

    Exit code 1 means that a check failed. docs/identity.md says what to do.
    """
    from .doctor_issuer import IssuerCheckup, SignIn  # noqa: PLC0415
    from .doctor_token import TokenCheckup, read_rules  # noqa: PLC0415

    if outputs == token == STDIN:
        raise UsageError("--token: must be a file if --outputs is stdin, got '-'")
    stack = StackOutputs.read(outputs)
    issuer = IssuerCheckup(SignIn.from_outputs(stack))
    text = read_token(token) if token is not None else None
    rules = read_rules(stack) if token is not None else None
    with interruptible():
        typer.echo(f"issuer {issuer.sign_in.issuer}")
        failures = print_checks(issuer.run())
        if text is not None and rules is not None:
            typer.echo("token")
            failures += print_checks(TokenCheckup(rules, issuer.keys).run(text))
    if failures:
        raise UsageError(f"failed checks: {failures}; docs/identity.md says what to do")


def print_checks(checks: Iterable[Check]) -> int:
    """Print each check as soon as it is made. Return the number of failures."""
    failures = 0
    for check in checks:
        typer.echo(f"{LABELS[check.outcome]}  {check.setting:{SETTING_WIDTH}}  {check.text}")
        failures += check.outcome is Outcome.FAIL
    return failures


def read_token(source: str) -> str:
    """Read a token from a file.

    Args:
        source: Name of the file; `-` for stdin.

    Raises:
        UsageError: The file cannot be read, or it is not ASCII text.
    """
    try:
        content = sys.stdin.buffer.read() if source == STDIN else Path(source).read_bytes()
        return content.decode("ascii").strip()
    except OSError as error:
        raise UsageError(f"--token {source}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"--token {source}: must be a token in ASCII") from None
