"""The command line of the local stack: `python -m local up | token | submit | preview`."""

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
EXPECTED: Final = (
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
"""What a person can put right: shown as its message, without a traceback."""

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="FormBridge Realtime on this machine: the very Pulumi program, against an emulator.",
)
errors = Console(stderr=True, soft_wrap=True)

StateDir = Annotated[Path, typer.Option(help="Where the running stack keeps its files.")]
Root = Annotated[
    Path, typer.Option(help="The project to run: the directory of its Pulumi.yaml.", show_default="this one")
]
Tenant = Annotated[str, typer.Option(help="The tenant, such as t_acme.")]

DEFAULT_STATE_DIR: Final = Path(".local")
DEFAULT_RATE: Final = 20.0
"""Each concurrent invocation of a local Lambda is a process of 50 MB: a burst costs memory."""


@app.command()
def up(
    headless: Annotated[bool, typer.Option("--headless", help="Open no browser.")] = False,
    port: Annotated[
        int | None,
        typer.Option(help="The dashboard's port.", show_default=f"{DEFAULT_PORT}, or a free one"),
    ] = None,
    enforce_iam: Annotated[
        bool,
        typer.Option(
            "--enforce-iam",
            help=(
                "Refuse an AWS call of a Lambda, by action and resource, unless a policy of its role allows it. "
                "Not checked: the pipe's role, queue policies, who may invoke a Lambda, trust policies."
            ),
        ),
    ] = False,
    state_dir: StateDir = DEFAULT_STATE_DIR,
    root: Root = ROOT,
) -> None:
    """Start the stack and run it until Ctrl-C; then nothing of it is left."""
    options = Options(root=root, state_dir=state_dir, port=port, headless=headless, enforce_iam=enforce_iam)
    run_stack(options, Console())


@app.command()
def token(
    tenant: Tenant,
    expires_in: Annotated[int, typer.Option(help="Seconds from now; negative: expired already.")] = 3600,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Print a JWT that the running gateway accepts."""
    typer.echo(tokens.mint(stack.read(state_dir), state_dir, tenant, expires_in))


@app.command()
def submit(
    tenant: Tenant,
    form: Annotated[str, typer.Option(help="The form, such as contact, survey or signup.")],
    count: Annotated[int, typer.Option(min=1, help="How many submissions.")] = 1,
    rate: Annotated[float, typer.Option(min=0.001, help="How many a second.")] = DEFAULT_RATE,
    state_dir: StateDir = DEFAULT_STATE_DIR,
) -> None:
    """Put made-up submissions on the stack's event bus."""
    made_up = list(make_submissions(tenant, form, count))
    bus = Bus(stack.read(state_dir))
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        task = progress.add_task(f"{form} of {tenant}", total=count)
        send(bus, made_up, rate=rate, on_progress=lambda done: progress.advance(task, done))


@app.command()
def preview(root: Root = ROOT) -> None:
    """Show what the program would create, without an emulator."""
    print_preview(Console(), root)


def main() -> None:
    """Run the command line; an error that a person can put right becomes a message and exit code 1."""
    environment = build_local_environment(os.environ)
    os.environ.clear()
    os.environ.update(environment)
    logging.basicConfig(format="%(message)s", handlers=[RichHandler(console=errors, show_path=False, markup=False)])
    try:
        app()
    except EXPECTED as error:
        errors.print(f"error: {error}", style="red", markup=False, highlight=False)
        sys.exit(1)


if __name__ == "__main__":
    main()
