"""Start and end of a local stack, for `python -m local up`. Parts end in reverse order of their start."""

from __future__ import annotations

import fcntl
import os
import secrets
import signal
import socket
import sys
import threading
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import TYPE_CHECKING, Final, NoReturn

from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from . import browser
from . import stack as stack_file
from .dashboard_access import JWKS_PATH, get_jwks_key
from .emulator import EMULATOR_DIRECTORY_NAME, Emulator
from .foreign_requests import get_hosts
from .monitor import Monitor
from .pipes import PipeRunner, PipeSettings
from .private_files import NotPrivateError, make_private, private
from .program import run
from .project import load_project
from .provisioners import Provisioner
from .server import Server, application
from .site_page import find_site_page, site_application
from .stack import Stack

if TYPE_CHECKING:
    from collections.abc import Generator, Iterator, Mapping
    from concurrent.futures import Future
    from pathlib import Path
    from types import FrameType

    from rich.console import Console

    from .project import Project
    from .resource import Resource

DEFAULT_PORT: Final = 8400
LOCK_FILE_NAME: Final = "up.pid"
STATE_FILE_NAMES: Final = (
    *(LOCK_FILE_NAME, EMULATOR_DIRECTORY_NAME, browser.FILE_NAME),
    *(stack_file.FILE_NAME, stack_file.PARTIAL_FILE_NAME),
)
"""The names of everything in a state directory."""
INTERRUPTS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
PIPE_TYPE: Final = "aws:pipes/pipe:Pipe"


class UpError(Exception):
    """The local stack cannot start, or a part of it ended unexpectedly."""


class Interrupted(BaseException):
    """Interrupt of the stack by Ctrl-C, SIGTERM or SIGHUP.

    The class is not a subclass of `Exception`, so that `except Exception` does not catch the interrupt.
    """


@dataclass(frozen=True, kw_only=True)
class Options:
    """Options of `python -m local up`."""

    root: Path
    """The directory of `Pulumi.yaml`."""
    state_dir: Path
    """The directory for the files of the running stack."""
    port: int | None = None
    """The port of the dashboard. None means 8400, or a free port if 8400 is in use."""
    headless: bool = False
    """Whether to run without opening a browser."""
    enforce_iam: bool = False
    """Whether the emulator checks the requests of each Lambda against the policies of its role."""
    random_frame_order: bool = False
    """Whether the frames of a connection are processed in parallel and in random order, as on AWS."""
    config: Mapping[str, str] = field(default_factory=dict[str, str])
    """Configuration values by key. They replace those of the project's files."""


def run_stack(options: Options, console: Console) -> None:
    """Run the local stack until a signal interrupts it.

    When the function returns or raises, every process of the stack has ended and its files are removed.

    Raises:
        UpError: The stack cannot start, or a part of it ended unexpectedly.
        EmulatorError: The emulator did not start or ended unexpectedly.
        PipeError: A pipe has unsupported properties or failed.
        ConfigError: The project or its configuration is invalid.
        ProgramError: The program failed.
    """
    with _interruptible(), ExitStack() as parts:
        try:
            _run_stack(options, console, parts)
        except Interrupted:
            console.print("stopping")
        finally:
            _ignore_interrupts()


def _run_stack(options: Options, console: Console, parts: ExitStack) -> None:
    state_dir = options.state_dir.resolve()
    parts.enter_context(_only_one(state_dir))
    listener = parts.enter_context(_listener(options.port))
    port = listener.getsockname()[1]
    dashboard_url, dashboard_key = f"http://127.0.0.1:{port}", secrets.token_urlsafe(24)
    project = _load_project(options, f"{dashboard_url}{JWKS_PATH}?key={get_jwks_key(dashboard_key)}")
    has_own_issuer = bool(project.get("issuer"))
    # The gateway's Origin rule must let the local dashboard in, and no other page unless the project allows it.
    project = project.with_items("allowedOrigins", [f"http://{host}" for host in get_hosts(port)])

    # The callbacks of `idle` wait until the pipes have ended. They run after the emulator has stopped. The stop of the
    # emulator also ends the invocations that the pipes still wait for.
    idle = parts.enter_context(ExitStack())
    emulator = Emulator(
        state_dir,
        project.region,
        enforce_iam=options.enforce_iam,
        random_frame_order=options.random_frame_order,
    )
    parts.callback(emulator.stop)
    with _blaming(emulator):
        emulator.start()
        monitor = _run_program(project, emulator, console)
        ended: list[Future[None]] = []
        for runner in _pipe_runners(monitor, emulator):
            idle.callback(runner.join)
            parts.callback(runner.stop)
            ended.append(runner.start())
        stack = Stack(
            endpoint_url=emulator.endpoint_url,
            region=project.region,
            access_key_id=emulator.access_key_id,
            secret_access_key=emulator.secret_access_key,
            dashboard_url=dashboard_url,
            dashboard_key="" if has_own_issuer else dashboard_key,
            pid=os.getpid(),
            outputs=monitor.exports,
        )
        page = find_site_page(monitor.resources.values()) if has_own_issuer else None
        server = Server(site_application(stack, page) if page else application(stack, state_dir), listener)
        parts.callback(server.stop)
        ended.append(server.start())
        parts.callback(stack_file.remove, state_dir)
        stack_file.write(stack, state_dir)
        console.print(f"Dashboard: {stack.page_url}   (press Ctrl-C to stop)", highlight=False, soft_wrap=True)
        if not options.headless and browser.has_screen(os.environ, sys.platform):
            parts.callback(browser.remove, state_dir)
            browser.open_page(stack.page_url, state_dir)
        _wait(emulator, ended)


def _load_project(options: Options, jwks_url: str) -> Project:
    """Load the project for this machine.

    Args:
        options: The options of the command.
        jwks_url: Where the keys of the local user pool are. A project with an issuer of its own does not use it.
    """
    overrides = {**options.config, "packageFor": "host"}
    project = load_project(options.root, overrides={**overrides, "jwksUrl": jwks_url})
    return load_project(options.root, overrides=overrides) if project.get("issuer") else project


def _run_program(project: Project, emulator: Emulator, console: Console) -> Monitor:
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("running the program")

        def show(resource: Resource) -> None:
            progress.update(task, advance=1, description=f"{resource.type} {resource.name}")

        with closing(Provisioner(emulator, project.main)) as provisioner:
            monitor = Monitor(project, provisioner, on_resource=show)
            run(project, monitor)
    for message in monitor.logs:
        console.print(f"{message.severity}: {message.text}", markup=False, highlight=False)
    made = sum(1 for resource in monitor.resources.values() if resource.custom)
    console.print(f"{made} resources of {project.name} ({project.stack})", highlight=False)
    return monitor


def _pipe_runners(monitor: Monitor, emulator: Emulator) -> Iterator[PipeRunner]:
    for resource in monitor.resources.values():
        if resource.type == PIPE_TYPE:
            settings = PipeSettings.from_inputs(resource.outputs["arn"], resource.inputs)
            if settings.running:
                yield PipeRunner(settings, emulator)


def _wait(emulator: Emulator, ended: list[Future[None]]) -> NoReturn:
    """Wait until a signal raises Interrupted or a part of the stack ends.

    If a part ends with an exception, raise this exception.

    Raises:
        Interrupted: A signal interrupted the stack.
        UpError: A part ended without an exception.
    """
    first: SimpleQueue[Future[None] | None] = SimpleQueue()
    for future in ended:
        future.add_done_callback(first.put)

    def watch_emulator() -> None:
        emulator.wait()
        first.put(None)

    threading.Thread(target=watch_emulator, name="emulator-watch", daemon=True).start()
    future = first.get()
    if future is not None:
        future.result()
    raise UpError("a part of the local stack ended unexpectedly")


@contextmanager
def _blaming(emulator: Emulator) -> Generator[None]:
    """Replace an exception of the block with the emulator's error if the emulator has ended.

    In this case, the end of the emulator is the likely cause of the exception.
    """
    try:
        yield
    except Exception as error:
        # Wait a moment: the emulator's connections may close before its process ends.
        ended = emulator.wait(timeout=0.5)
        if ended is not None:
            raise ended from error
        raise


@contextmanager
def _interruptible() -> Generator[None]:
    """Raise Interrupted in the main thread on the first signal during the block.

    The signal handlers are restored after the block.
    """

    def interrupt(_number: int, _frame: FrameType | None) -> None:
        _ignore_interrupts()
        raise Interrupted

    # If SIGHUP is ignored at this point, it stays ignored: `nohup` ignores it on purpose. SIGINT is always handled,
    # even if it is ignored at this point: shells start background jobs with SIGINT ignored.
    hang_up = () if signal.getsignal(signal.SIGHUP) is signal.SIG_IGN else (signal.SIGHUP,)
    previous = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM, *hang_up)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _ignore_interrupts() -> None:
    """Ignore further signals, so that they do not interrupt the cleanup."""
    for number in INTERRUPTS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _only_one(state_dir: Path) -> Generator[None]:
    """Make the state directory private and lock it during the block.

    Raises:
        UpError: The directory cannot be used, or another process has locked it. The message names the process.
    """
    path = state_dir / LOCK_FILE_NAME
    try:
        make_private(state_dir, STATE_FILE_NAMES)
        lock_file = os.fdopen(private(str(path), os.O_RDWR | os.O_CREAT | os.O_APPEND), "a+")
    except NotPrivateError as error:
        raise UpError(f"--state-dir: {error}") from error
    except OSError as error:
        raise UpError(f"--state-dir: {state_dir} cannot be used ({error})") from error
    with lock_file as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            lock.seek(0)
            raise UpError(
                f"--state-dir: {state_dir} is in use: process {lock.read().strip()} runs a stack there"
            ) from None
        lock.truncate(0)
        lock.write(str(os.getpid()))
        lock.flush()
        # If an earlier stack was killed, its files still exist.
        stack_file.remove(state_dir)
        browser.remove(state_dir)
        try:
            yield
        finally:
            path.unlink(missing_ok=True)


def _listener(port: int | None) -> socket.socket:
    """Open a listening socket on 127.0.0.1.

    Without `port`, use `DEFAULT_PORT`, or a free port if `DEFAULT_PORT` is in use.

    Raises:
        UpError: The requested port is not available.
    """
    if port is not None:
        try:
            return _listen(port)
        except (OSError, OverflowError) as error:
            raise UpError(f"--port: {port} is not available on 127.0.0.1 ({error})") from error
    try:
        return _listen(DEFAULT_PORT)
    except OSError:
        return _listen(0)


def _listen(port: int) -> socket.socket:
    listener = socket.socket()
    try:
        # Without this option, a port stays blocked for a while after its last owner has ended.
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", port))
        listener.listen()
    except BaseException:
        listener.close()
        raise
    return listener
