"""Command line of the local run: `python -m local up | token | submit | preview`."""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from . import stack, tokens
from .bus import BadSubmission, Bus, BusError
from .emulator import EmulatorError, build_local_environment
from .errors import ConfigError, ProgramError
from .pipes import PipeError
from .preview import print_preview
from .samples import make_submissions
from .submit import send
from .up import DEFAULT_PORT, Options, UpError, run_stack

ROOT: Final = Path(__file__).resolve().parents[1]
USER_ERRORS: Final = (
    BadSubmission,
    BusError,
    ConfigError,
    EmulatorError,
    PipeError,
    ProgramError,
    UpError,
    stack.StackError,
    tokens.TokenError,
)
"""Errors that the user can correct. Only their message is shown, without a traceback."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Run FormBridge Realtime on this machine: the unmodified Pulumi program, against an AWS emulator.",
)
error_console = Console(stderr=True, soft_wrap=True)

StateDir = Annotated[Path, typer.Option(help="The directory for the files of the running stack.")]
Root = Annotated[Path, typer.Option(help="The directory of the project's Pulumi.yaml.", show_default="this project")]
Tenant = Annotated[str, typer.Option(help="The tenant id, such as t_acme.")]

DEFAULT_STATE_DIR: Final = Path(".local")
DEFAULT_RATE: Final = 20.0
"""The default of `--rate`, in submissions per second.

It is low because each concurrent invocation of a local Lambda needs a process of 50 MB.
"""


@app.command()
def up(
    headless: Annotated[bool, typer.Option("--headless", help="Do not open a browser.")] = False,
    port: Annotated[
        int | None,
        typer.Option(help="The port of the dashboard.", show_default=f"{DEFAULT_PORT}, or a free port"),
    ] = None,
    enforce_iam: Annotated[
        bool,
        typer.Option(
            "--enforce-iam",
            help=(
                "Reject an AWS call of a Lambda unless a policy of its role allows the action on the resource. "
                "Not checked: the pipe's role, queue policies, permissions to invoke a Lambda, trust policies."
            ),
        ),
    ] = False,
    random_frame_order: Annotated[
        bool,
        typer.Option(
            "--random-frame-order",
            help="Process the frames of a connection in parallel and in random order, as on AWS.",
        ),
    ] = False,
    config: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A configuration value that replaces the one of the project's files. Repeat it for more values.",
        ),
    ] = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    root: Root = ROOT,
) -> None:
    """Start the stack and run it until Ctrl-C. Then stop all its processes and remove its files."""
    options = Options(
        root=root,
        state_dir=state_dir,
        port=port,
        headless=headless,
        enforce_iam=enforce_iam,
        random_frame_order=random_frame_order,
        config=dict(_parse_value(text) for text in config or ()),
    )
    run_stack(options, Console())


def _parse_value(text: str) -> tuple[str, str]:
    key, separator, value = text.partition("=")
    if not key or not separator:
        raise ConfigError(f"--config: must be KEY=VALUE, got {text!r}")
    return key, value


@app.command()
def token(
    tenant: Tenant,
    expires_in: Annotated[
        int,
        typer.Option(
            help=f"Lifetime in seconds, at most {tokens.MAX_LIFETIME_SECONDS}. A negative value makes an expired token."
        ),
    ] = tokens.DEFAULT_LIFETIME_SECONDS,
    user: Annotated[str | None, typer.Option(help="Name of the user. Default: one user per tenant.")] = None,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Print a JWT that the running gateway accepts."""
    typer.echo(tokens.mint(stack.read(state_dir), state_dir, tenant, expires_in, user=user))


@app.command()
def submit(
    tenant: Tenant,
    form: Annotated[str, typer.Option(help="The form id, such as contact, survey or signup.")],
    count: Annotated[int, typer.Option(min=1, help="The number of submissions.")] = 1,
    rate: Annotated[float, typer.Option(min=0.001, help="Submissions per second.")] = DEFAULT_RATE,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Send sample submissions to the event bus of the running stack."""
    submissions = list(make_submissions(tenant, form, count))
    bus = Bus(stack.read(state_dir))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(f"{form} of {tenant}", total=count)
        send(bus, submissions, rate=rate, on_progress=lambda done: progress.advance(task, done))


@app.command()
def preview(root: Root = ROOT) -> None:
    """Show what the program would create, without an emulator."""
    print_preview(Console(), root)


def main() -> None:
    """Run the command line.

    For an error that the user can correct, print only its message and exit with code 1.
    """
    environment = build_local_environment(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    logging.basicConfig(
        format="%(message)s", handlers=[RichHandler(console=error_console, show_path=False, markup=False)]
    )
    try:
        app()
    except USER_ERRORS as error:
        error_console.print(f"error: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
