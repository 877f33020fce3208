"""What all commands share: errors of the user, AWS clients, progress bars and interrupts."""

from __future__ import annotations

import signal
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from formbridge.runtime.identifiers import quote

if TYPE_CHECKING:
    from collections.abc import Callable, Generator
    from re import Pattern

error_console: Final = Console(stderr=True, soft_wrap=True)


class UsageError(Exception):
    """An error that the user can correct. The message names the option and its value."""


def print_to_stderr(text: str, style: str | None = None) -> None:
    """Print a message to stderr."""
    error_console.print(text, style=style, markup=False, highlight=False)


def check_id(option: str, pattern: Pattern[str], value: str) -> None:
    """Check the value of an option.

    Raises:
        UsageError: The value does not match the pattern.
    """
    if not pattern.fullmatch(value):
        raise UsageError(f"{option}: must match ^{pattern.pattern}$, got {quote(value)}")


def create_client(service: Any, region: str | None = None) -> Any:
    """Create a boto3 client that repeats throttled and failed requests for up to a minute.

    Args:
        service: boto3's name of the service, such as `dynamodb`.
        region: Region of the client. Default: the one that boto3 finds.

    Raises:
        UsageError: boto3 finds no region.
    """
    # Imported here, because `tail` starts faster without boto3.
    import boto3  # noqa: PLC0415
    from botocore.config import Config  # noqa: PLC0415
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415

    try:
        return boto3.client(
            service, region_name=region, config=Config(retries={"mode": "standard", "total_max_attempts": 10})
        )
    except BotoCoreError as error:
        raise UsageError(str(error)) from error


@contextmanager
def naming(option: str, value: str) -> Generator[None]:
    """Replace an error of AWS in the block by an error that names an option and its value."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

    try:
        yield
    except (BotoCoreError, ClientError) as error:
        raise UsageError(f"{option} {value}: {error}") from error


@contextmanager
def progress(
    description: str, total: int | None = None, *, is_shown: bool = True
) -> Generator[Callable[[int], object]]:
    """Show a progress bar during the block, if stderr is a terminal.

    Args:
        description: Text before the bar.
        total: Number of all steps; None if it is not known.
        is_shown: Whether to show the bar on a terminal.

    Yields:
        A function that adds a number of steps to the progress.
    """
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(
        *columns,
        console=error_console,
        transient=True,
        disable=not (is_shown and error_console.is_terminal),
        redirect_stdout=False,
        redirect_stderr=False,
    ) as bar:
        task = bar.add_task(description, total=total)
        yield lambda steps: bar.advance(task, steps)


@contextmanager
def interruptible() -> Generator[None]:
    """Raise KeyboardInterrupt on SIGINT and on SIGTERM inside the block.

    By default, Python raises KeyboardInterrupt only for SIGINT, and not if the process was started with SIGINT ignored.
    A shell without job control starts its background jobs with SIGINT ignored. Without this function, such a job could
    not be interrupted in a way that lets it print its cursor.
    """
    numbers = (signal.SIGINT, signal.SIGTERM)
    previous = {number: signal.signal(number, signal.default_int_handler) for number in numbers}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
