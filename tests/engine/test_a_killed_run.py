"""What the engine does after a run that was killed."""

from __future__ import annotations

import os
import signal
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from tests.support.processes import descendants

if TYPE_CHECKING:
    from tests.support.engine.stacks import EngineStack, Outcome, World

TABLE = "submissions-table"
SECONDS = 120


def kill_during_creation(world: World, stack: EngineStack) -> Outcome:
    """Kill the engine's process while it waits for AWS to answer the creation of the table."""
    pause = world.cloud.pause(TABLE)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stack.up)
        assert pause.reached.wait(SECONDS)
        for pid in engines(world):
            os.kill(pid, signal.SIGKILL)
        outcome = running.result(SECONDS)
    pause.over.set()
    return outcome


def engines(world: World) -> list[int]:
    program = os.fsencode(world.folder / "bin" / "pulumi")
    found: list[int] = []
    for pid in descendants(os.getpid()):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == program:
                found.append(pid)
    return found


def test_the_next_run_needs_a_cancel_and_creates_the_interrupted_resource_again(empty: World) -> None:
    stack = empty.stack()

    killed = kill_during_creation(empty, stack)
    locked = stack.up()
    stack.cancel()
    continued = stack.up()

    assert killed.failed
    assert locked.failed
    assert "pulumi cancel" in locked.output
    assert not continued.failed, continued.output
    orphan, table = empty.cloud.of_name(TABLE)
    assert stack.resources()[table.urn]["id"] == table.id
    # The state still has the interrupted creation, and in its inputs the physical name of the orphan.
    assert orphan.id in [one["inputs"].get("name") for one in stack.pending_creates()]

    assert not stack.refresh().failed
    assert stack.pending_creates() != []
    assert not stack.refresh(clear_pending_creates=True).failed
    assert stack.pending_creates() == []
