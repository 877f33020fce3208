"""What the engine does after a run that was killed."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.engine.python_language import install
from tests.support.processes import descendants

if TYPE_CHECKING:
    from tests.support.engine.stacks import EngineStack, Outcome, World

PAGE = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text()
TABLE = "submissions-table"
SECONDS = 120


def kill_during_creation(world: World, stack: EngineStack) -> Outcome:
    """Kill the engine's process while it waits for AWS to answer the creation of the table."""
    pause = world.cloud.pause(TABLE)
    with ThreadPoolExecutor(1) as pool:
        running = pool.submit(stack.up)
        assert pause.reached.wait(SECONDS)
        kill_with_a_complete_state(world)
        outcome = running.result(SECONDS)
    pause.over.set()
    return outcome


def kill_with_a_complete_state(world: World) -> None:
    """Kill the engine while it writes no state, because a write in S3 is never done by half."""
    pids = engines(world)
    while True:
        for pid in pids:
            os.kill(pid, signal.SIGSTOP)
        while not all(map(is_stopped, pids)):
            time.sleep(0.01)
        if has_interrupted_creation(world.folder / "backend/.pulumi/stacks/formbridge-realtime/dev.json"):
            break
        for pid in pids:
            os.kill(pid, signal.SIGCONT)
        time.sleep(0.01)
    for pid in pids:
        os.kill(pid, signal.SIGKILL)


def is_stopped(pid: int) -> bool:
    """Return whether no thread of a process runs any more."""
    states = [file.read_text().rpartition(")")[2].split()[0] for file in Path(f"/proc/{pid}/task").glob("*/stat")]
    return set(states) == {"T"}


def has_interrupted_creation(file: Path) -> bool:
    """Return whether a state is complete and has the creation of the table."""
    try:
        state = json.loads(file.read_bytes())
        # The engine writes this file in place, and can't read a state for which it is empty.
        json.loads(file.with_name(f"{file.name}.attrs").read_bytes())
    except ValueError:
        return False
    pending = state["checkpoint"]["latest"].get("pending_operations", [])
    return any(one["resource"]["urn"].endswith(f"::{TABLE}") for one in pending)


def engines(world: World) -> list[int]:
    program = os.fsencode(world.folder / "bin" / "pulumi")
    found: list[int] = []
    for pid in descendants(os.getpid()):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has ended meanwhile
            if Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0] == program:
                found.append(pid)
    return found


def run_command(world: World, command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the page without a terminal, as a workflow does."""
    return subprocess.run(
        command.replace("<stack>", "dev").split(),
        cwd=world.project,
        env={**world.environment, "PULUMI_HOME": str(world.folder / "home")},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def find_commands(start: str) -> list[str]:
    """Return the commands with this beginning in the page's section about interrupted runs."""
    section = PAGE.partition("### An interrupted run\n")[2].partition("\n## ")[0]
    return [" ".join(one.split()) for one in re.findall(rf"`({start} [^`]+)`", section)]


def recover(world: World) -> None:
    """Run the two commands of the page, which are those of recover.yml."""
    commands = find_commands("pulumi (?:cancel|refresh) --yes")
    assert [command.split()[1] for command in commands] == ["cancel", "refresh"]
    for command in commands:
        finished = run_command(world, command)
        assert finished.returncode == 0, finished.stdout + finished.stderr


def read_interrupted(stack: EngineStack) -> dict[str, Any]:
    """Return the interrupted creation of the table, whose inputs have the physical name of the orphan."""
    (found,) = [one for one in stack.pending_creates() if one["urn"].endswith(f"::{TABLE}")]
    return found


def test_the_page_says_how_to_end_an_interrupted_run_without_a_terminal(empty: World) -> None:
    stack = empty.stack()
    killed = kill_during_creation(empty, stack)
    locked = stack.up()
    interrupted = read_interrupted(stack)

    recover(empty)
    pending = stack.pending_creates()
    continued = stack.up()

    assert killed.failed
    assert locked.failed
    assert "pulumi cancel" in locked.output
    assert pending == []
    assert not continued.failed, continued.output
    # AWS has the table twice now.
    orphan, table = empty.cloud.of_name(TABLE)
    assert stack.resources()[table.urn]["id"] == table.id
    assert interrupted["inputs"]["name"] == orphan.id


def test_an_interrupted_resource_can_be_imported_instead(empty: World) -> None:
    stack = empty.stack()
    kill_during_creation(empty, stack)
    interrupted = read_interrupted(stack)
    recover(empty)
    install(empty.folder / "bin")

    (command,) = find_commands("pulumi import")
    values = {"TYPE": interrupted["type"], "NAME": TABLE, "ID": interrupted["inputs"]["name"]}
    values["PARENT=PARENT_URN"] = f"submissions={interrupted['parent']}"
    imported = run_command(empty, re.sub("|".join(values), lambda match: values[match[0]], command))
    continued = stack.up()

    assert imported.returncode == 0, imported.stdout + imported.stderr
    assert not continued.failed, continued.output
    (table,) = empty.cloud.of_name(TABLE)
    assert stack.resources()[table.urn]["id"] == table.id


def test_cancel_up_and_refresh_alone_leave_the_interrupted_creation_in_the_state(empty: World) -> None:
    stack = empty.stack()
    kill_during_creation(empty, stack)

    stack.cancel()
    assert not stack.up().failed
    assert not stack.refresh().failed
    assert read_interrupted(stack)
