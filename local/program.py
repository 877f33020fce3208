"""Execution of an unmodified Pulumi program in this process. A `Monitor` replaces Pulumi's engine."""

from __future__ import annotations

import asyncio
import contextvars
import importlib
import os
import runpy
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pulumi.runtime
from pulumi.runtime.stack import run_in_stack

from .errors import ProgramError
from .project import Project, is_library

if TYPE_CHECKING:
    from collections.abc import Generator, Iterable
    from types import ModuleType

    from .monitor import Monitor

_PARALLEL = 10
"""Maximum number of resources that the SDK registers at the same time.

A boto3 client keeps the same number of connections open, so each registration can reuse a connection.
"""


def run(project: Project, monitor: Monitor) -> None:
    """Run the program of `project`. Afterwards, `monitor` holds its resources and exports.

    During the run, the whole process uses the working directory and the import path of the program. Afterwards both are
    restored and the program's modules are unloaded, so that the next run imports them again. If an interrupt ends the
    wait for the program, the program is stopped.

    Raises:
        ProgramError: The program raised an exception, logged an error, or registered a resource that the local run
            cannot create.
    """
    program = _Program(project, monitor)
    thread = threading.Thread(target=contextvars.Context().run, args=[program.run], name="pulumi-program")
    thread.start()
    try:
        thread.join()
    except BaseException:
        program.cancel()
        thread.join()
        raise
    if program.error is not None:
        raise program.error


class _Program:
    """One run of a program in its own thread, context and event loop.

    The SDK keeps its state in the current context (`contextvars`). Each run therefore has its own context.
    """

    def __init__(self, project: Project, monitor: Monitor) -> None:
        self._project = project
        self._monitor = monitor
        self._loop: asyncio.AbstractEventLoop | None = None
        self._unhandled: list[BaseException] = []
        self.error: ProgramError | None = None

    def run(self) -> None:
        """Run the program. Set `error` if the program failed."""
        try:
            with _program_environment(self._project.main), self._event_loop() as loop:
                self._configure()
                loop.run_until_complete(run_in_stack(self._execute))
        except BaseException as error:  # noqa: BLE001 - every exception is reported, SystemExit included
            self.error = self._monitor.failure or self._describe(error)
        else:
            self.error = self._find_silent_failure()

    def cancel(self) -> None:
        """Cancel all tasks of the program, so that `run` ends soon. Another thread calls this method."""
        loop = self._loop
        if loop is not None and not loop.is_closed():
            loop.call_soon_threadsafe(_cancel_all, loop)

    def _configure(self) -> None:
        project, monitor = self._project, self._monitor
        pulumi.runtime.set_all_config(project.config, list(project.secret_keys))
        pulumi.runtime.configure(
            pulumi.runtime.Settings(
                project=project.name,
                stack=project.stack,
                monitor=monitor,
                engine=monitor,
                parallel=_PARALLEL,
                dry_run=monitor.is_preview,
                organization="organization",  # the value that the CLI uses without a Pulumi account
                root_directory=str(project.root),
            )
        )

    def _execute(self) -> None:
        runpy.run_path(str(self._project.main / "__main__.py"), run_name="__main__")

    @contextmanager
    def _event_loop(self) -> Generator[asyncio.AbstractEventLoop]:
        self._loop = loop = asyncio.new_event_loop()
        asyncio.set_event_loop(loop)
        loop.set_default_executor(ThreadPoolExecutor(_PARALLEL, thread_name_prefix="pulumi-rpc"))
        loop.set_exception_handler(self._remember_unhandled)
        try:
            yield loop
        finally:
            # After a failure, tasks that depend on the failed resource still wait for it. They must be cancelled.
            if waiting := _cancel_all(loop):
                loop.run_until_complete(asyncio.wait(waiting))
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()
            asyncio.set_event_loop(None)

    def _remember_unhandled(self, _loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        if isinstance(error, BaseException):
            self._unhandled.append(error)

    def _find_silent_failure(self) -> ProgramError | None:
        """Return the failure of a program that ended without an exception, or None."""
        if self._monitor.failure is not None:
            return self._monitor.failure
        if self._unhandled:
            return self._describe(self._unhandled[0])
        errors = [message.text for message in self._monitor.logs if message.severity == "error"]
        return ProgramError("\n".join(errors)) if errors else None

    def _describe(self, error: BaseException) -> ProgramError:
        """Convert `error` to a ProgramError; a ProgramError is returned unchanged.

        The new message is the text of `error` and the lines of the program that led to `error`, innermost first. For a
        `RunError`, with which a program says what its user must change, it is the text alone, as in the CLI.
        """
        if isinstance(error, ProgramError):
            return error
        if isinstance(error, pulumi.RunError):
            return ProgramError(str(error))
        text = "".join(traceback.format_exception_only(error)).strip()
        if isinstance(error, SystemExit):
            text = f"the program called sys.exit({error.code!r})"
        frames = traceback.extract_tb(error.__traceback__)
        lines = [self._project.locate(Path(frame.filename), frame.lineno or 0) for frame in reversed(frames)]
        described = ProgramError("\n  at ".join([text, *(line for line in lines if line is not None)]))
        described.__cause__ = error
        return described


def _cancel_all(loop: asyncio.AbstractEventLoop) -> set[asyncio.Task[Any]]:
    tasks = asyncio.all_tasks(loop)
    for task in tasks:
        task.cancel()
    return tasks


@contextmanager
def _program_environment(directory: Path) -> Generator[None]:
    """Use `directory` as the working directory and as the first import directory during the block.

    Imported modules with the names of the program's modules are hidden during the block. After the block, everything is
    restored and the program's modules are unloaded.

    Raises:
        ProgramError: The directory has no `__main__.py`.
    """
    if not (directory / "__main__.py").is_file():
        raise ProgramError(f"{directory.name}/__main__.py: no such file")
    working_directory, path = Path.cwd(), list(sys.path)
    shadowed = _find_modules([directory])
    for name in shadowed:
        del sys.modules[name]
    os.chdir(directory)
    sys.path.insert(0, str(directory))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        os.chdir(working_directory)
        added = [Path(entry) for entry in sys.path if entry not in path]
        sys.path[:] = path
        for name in _find_modules(entry for entry in added if entry.is_relative_to(directory)):
            del sys.modules[name]
        sys.modules.update(shadowed)


def _find_modules(directories: Iterable[Path]) -> dict[str, ModuleType]:
    """Return the imported modules of `directories` by name.

    A module is included if its top-level name is a Python file or a folder in one of `directories`. Modules of
    libraries are not included.
    """
    own = {
        entry.stem
        for directory in directories
        for entry in directory.iterdir()
        if entry.is_dir() or entry.suffix == ".py"
    }
    own.discard("__main__")
    return {
        name: module
        for name, module in list(sys.modules.items())
        if name.partition(".")[0] in own and not _is_library_module(module)
    }


def _is_library_module(module: ModuleType) -> bool:
    spec = module.__spec__
    if spec is None:
        return False
    if spec.submodule_search_locations:
        return all(is_library(Path(location)) for location in spec.submodule_search_locations)
    return not spec.has_location or spec.origin is None or is_library(Path(spec.origin))
