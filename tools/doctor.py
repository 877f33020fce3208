"""The command that checks the sign-in of a stack from the outside, its AWS account and its resources: `doctor`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from .console import UsageError, interruptible, naming
from .doctor_check import Check, Outcome
from .stack_outputs import OUTPUTS, STDIN, StackOutputs

if TYPE_CHECKING:
    from collections.abc import Iterable

LABELS: Final = {Outcome.PASS: "pass", Outcome.FAIL: "FAIL", Outcome.NOTE: "note"}
SETTING_WIDTH: Final = 21
"""Width of the column of the settings in characters: that of `clockToleranceSeconds`."""


def doctor(
    outputs: Annotated[str | None, OUTPUTS] = None,
    token: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="File with a token to explain, `-` for stdin. The token itself is no argument, because other users of "
            "this machine can read command lines.",
        ),
    ] = None,
    account: Annotated[bool, typer.Option("--account", help="Check the AWS account before the first `up`.")] = False,
    state: Annotated[
        str | None,
        typer.Option(
            metavar="FILE",
            help="Find resources of the stack that its state does not have: a file with what `pulumi stack export` "
            "prints, `-` for stdin.",
        ),
    ] = None,
    stack: Annotated[str, typer.Option(help="With --account and --state: name of the stack.")] = "dev",
) -> None:
    """Check the sign-in of a stack (--outputs), its AWS account (--account) or its resources (--state).

    Each line is one check: pass, FAIL or note, the setting that it belongs to, and what was checked. No part of a
    token is printed, except for the tenants that it grants and the names of claims.

    Exit code 1 means that a check failed. docs/identity.md and docs/deploying.md say what to do.
    """
    if [outputs is not None, account, state is not None].count(True) != 1:
        raise UsageError("--outputs, --account or --state: exactly one of them must be given")
    if token is not None and outputs is None:
        raise UsageError("--token: must be given with --outputs")
    page = "docs/deploying.md"
    if outputs is not None:
        failures, page = check_sign_in(outputs, token), "docs/identity.md"
    elif state is not None:
        failures = check_resources(stack, state)
    else:
        failures = check_account(stack)
    if failures:
        raise UsageError(f"failed checks: {failures}; {page} says what to do")


def check_sign_in(outputs: str, token: str | None) -> int:
    """Check the sign-in of a stack. Return the number of failures."""
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
    return failures


def check_account(stack: str) -> int:
    """Check the account of a stack before its first `up`. Return the number of failures."""
    from .doctor_account import AccountCheckup  # noqa: PLC0415

    checkup = AccountCheckup.prepare(stack)
    with interruptible():
        typer.echo(f"account {checkup.facts.account}, region {checkup.facts.region}, stack {stack}")
        return print_checks(checkup.run())


def check_resources(stack: str, source: str) -> int:
    """Check that the state of a stack has each resource of the stack. Return the number of failures.

    Args:
        stack: Name of the stack.
        source: File with what `pulumi stack export` printed; `-` for stdin.
    """
    from .doctor_account import AccountCheckup  # noqa: PLC0415
    from .doctor_orphans import StackState, check_orphans  # noqa: PLC0415

    state = StackState.read(source)
    facts = AccountCheckup.prepare(stack).facts
    with interruptible(), naming("--stack", stack):
        typer.echo(f"account {facts.account}, region {facts.region}, stack {stack}")
        return print_checks(check_orphans(facts, state))


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
