"""The program in the process of the test, as the Automation API runs it, and with a clean end."""

from __future__ import annotations

import asyncio
import threading
from typing import Any

import pulumi
from pulumi.automation._server import LanguageServer
from pulumi.runtime.proto import language_pb2


class InlineProgram(LanguageServer):
    """Server of the Automation API that runs the program for the engine.

    The original leaves the program's event loop open after some failures, and Python then warns in any later test. And
    an error in an `apply` ends it with an exception, because it waits for the failed task once more.
    """

    running = threading.Lock()
    """It is locked while a program runs. One that failed may end after the engine."""

    def Run(self, request: Any, context: Any) -> Any:  # noqa: N802 - the name of Pulumi's gRPC method
        loops: list[asyncio.AbstractEventLoop] = []
        program = self.program

        def run() -> None:
            loops.append(asyncio.get_running_loop())
            program()

        with self.running:
            self.program = run
            try:
                return super().Run(request, context)  # pyright: ignore[reportUnknownMemberType]  # untyped
            except Exception as error:
                # A task that was left when the program had failed has failed too, most often for the same reason.
                reported = _find_run_error(error)
                if reported is None:
                    raise
                return language_pb2.RunResponse(error=str(reported))
            finally:
                for loop in loops:
                    _close(loop)


def _find_run_error(error: BaseException | None) -> pulumi.RunError | None:
    """Return the error or the cause of it that Pulumi shows in one line, or None if there is none."""
    while error and not isinstance(error, pulumi.RunError):
        error = error.__cause__ or error.__context__
    return error


def _close(loop: asyncio.AbstractEventLoop) -> None:
    """Close an event loop that does not run, unless it is closed already."""
    if not loop.is_closed():
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks))
        loop.close()
