"""Stacks of the program under the real Pulumi engine, apart from the user's own Pulumi.

The Automation API runs the program in this process and needs only the CLI. Home, backend, project folder and plugins
are the tests' own. The engine downloads nothing and asks nobody for a newer version.
"""

from __future__ import annotations

import os
import runpy
import shutil
import threading
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from pulumi import automation
from pulumi.automation import OpType

from tests.support.engine.aws_provider import serving
from tests.support.engine.cloud import Cloud, Urn
from tests.support.engine.inline_program import InlineProgram
from tests.support.engine.pulumi_cli import PulumiMissing, find_pulumi

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from pulumi.automation import EngineEvent

    from tests.support.engine.cloud import Backend

ROOT: Final = Path(__file__).resolve().parents[3]
NO_CHANGE: Final = ("same", "refresh", "read")


def run_program() -> None:
    """Run the program as it stands."""
    runpy.run_path(str(ROOT / "__main__.py"), run_name="__main__")


@dataclass
class Outcome:
    """What the engine did in one operation."""

    failed: bool = False
    output: str = ""
    """What the CLI printed."""
    operations: dict[str, str] = field(default_factory=dict[str, str])
    """The operation of each resource that was not left alone, by its logical name: `create`, `update` and others."""
    changes: dict[str, int] = field(default_factory=dict[str, int])
    """How many resources had which operation, without look-ups (`read`)."""
    errors: list[str] = field(default_factory=list[str])
    """The error messages, each with its line breaks."""
    finished: threading.Event = field(default_factory=threading.Event)

    def take(self, event: EngineEvent) -> None:
        """Take an event of the engine."""
        if event.resource_pre_event and event.resource_pre_event.metadata.op not in NO_CHANGE:
            metadata = event.resource_pre_event.metadata
            self.operations[Urn(metadata.urn).name] = metadata.op.value
        if event.summary_event:
            changes = event.summary_event.resource_changes
            self.changes = {OpType(kind).value: count for kind, count in changes.items()}  # the keys are plain strings
            self.changes.pop("read", None)
        if event.diagnostic_event and event.diagnostic_event.severity == "error":
            # The Automation API reports an error of the program twice. This is the prefix of the second report.
            message = event.diagnostic_event.message.strip().removeprefix("an unhandled error occurred: ")
            if message not in self.errors:
                self.errors.append(message)
        if event.cancel_event:
            self.finished.set()


class EngineStack:
    """A stack of the program. It exists in the backend from the first operation on.

    Args:
        world: The world of the stack.
        name: The name of the stack. The world has the file `Pulumi.{name}.yaml`.
        program: The program.
    """

    def __init__(self, world: World, name: str, program: Callable[[], None]) -> None:
        self._world = world
        self._stack = automation.create_or_select_stack(
            name,
            project_name="formbridge-realtime",
            program=program,
            opts=automation.LocalWorkspaceOptions(
                work_dir=str(world.project),
                pulumi_home=str(world.folder / "home"),
                env_vars=world.environment,
                pulumi_command=world.command,
            ),
        )

    def preview(self, **options: Any) -> Outcome:
        """Run `pulumi preview`."""
        return self._run(self._stack.preview, options)

    def up(self, **options: Any) -> Outcome:
        """Run `pulumi up` without its preview."""
        return self._run(self._stack.up, options)

    def refresh(self, **options: Any) -> Outcome:
        """Run `pulumi refresh`, which doesn't run the program."""
        return self._run(self._stack.refresh, options)

    def destroy(self, **options: Any) -> Outcome:
        """Run `pulumi destroy --skip-preview`, as the Automation API does. It doesn't run the program."""
        return self._run(self._stack.destroy, options)

    def destroy_after_preview(self) -> Outcome:
        """Run `pulumi destroy`, whose preview comes first. The outcome has no operations and errors."""
        try:
            return Outcome(output=self._world.run("destroy", "--yes", "--stack", self._stack.name).stdout)
        except automation.CommandError as error:
            return Outcome(failed=True, output=str(error))

    def set_secret(self, key: str, value: str) -> None:
        """Run `pulumi config set --secret`."""
        self._stack.set_config(key, automation.ConfigValue(value, secret=True))

    def cancel(self) -> None:
        """Run `pulumi cancel`, which takes the lock of an operation that was killed."""
        self._stack.cancel()

    def resources(self) -> dict[str, dict[str, Any]]:
        """Return the resources in the state of the stack by their URNs."""
        return {one["urn"]: one for one in self._deployment().get("resources", [])}

    def pending_creates(self) -> list[dict[str, Any]]:
        """Return the resources whose creation was interrupted, which may exist or not."""
        pending = self._deployment().get("pending_operations", [])
        return [one["resource"] for one in pending if one["type"] == "creating"]

    def _deployment(self) -> Mapping[str, Any]:
        return self._stack.export_stack().deployment or {}

    def _run(self, operation: Callable[..., Any], options: dict[str, Any]) -> Outcome:
        outcome = Outcome()
        try:
            outcome.output = operation(on_event=outcome.take, color="never", **options).stdout
        except automation.CommandError as error:
            outcome.failed, outcome.output = True, str(error)
        # The events come over a connection of their own. The last one is missing if the operation did not begin, or if
        # the engine was killed.
        complete = outcome.finished.wait(0 if outcome.failed and not outcome.operations else 5)
        assert complete or outcome.failed, "the engine's events are incomplete"
        with InlineProgram.running:
            return outcome


class World:
    """A backend with its stacks, and the cloud in which their resources exist.

    Args:
        folder: An empty folder, or one that another world has left.
        cloud: The cloud.
    """

    def __init__(self, folder: Path, cloud: Cloud) -> None:
        self.folder = folder
        self.cloud = cloud
        self.project = folder / "project"
        self.environment = {
            "PATH": f"{folder / 'bin'}{os.pathsep}{os.environ['PATH']}",
            "PULUMI_BACKEND_URL": f"file://{folder / 'backend'}",
            "PULUMI_CONFIG_PASSPHRASE": "for tests",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        for name in ("backend", "bin", "home", "project"):
            (folder / name).mkdir(exist_ok=True)
        (folder / "bin" / "pulumi").symlink_to(_find_pulumi())
        self.command = automation.PulumiCommand(str(folder))
        shutil.copy(ROOT / "Pulumi.yaml", self.project)

    def run(self, *arguments: str) -> automation.CommandResult:
        """Run the CLI in the project folder.

        Raises:
            automation.CommandError: The command failed.
        """
        environment = {**self.environment, "PULUMI_HOME": str(self.folder / "home")}
        return self.command.run([*arguments], str(self.project), environment)

    def stack(
        self, name: str = "dev", *, program: Callable[[], None] = run_program, config: Mapping[str, Any] | None = None
    ) -> EngineStack:
        """Return a stack with the settings that it has, or else those of `Pulumi.dev.yaml`.

        Args:
            name: The name of the stack.
            program: The program.
            config: Settings that replace others. A key may omit the project's namespace.
        """
        file = self.project / f"Pulumi.{name}.yaml"
        document: dict[str, Any] = yaml.safe_load((file if file.exists() else ROOT / "Pulumi.dev.yaml").read_text())
        for key, value in (config or {}).items():
            document["config"][key if ":" in key else f"formbridge-realtime:{key}"] = value
        file.write_text(yaml.safe_dump(document))
        return EngineStack(self, name, program)


@contextmanager
def world(folder: Path, template: World | None = None, *, backend: Backend | None = None) -> Generator[World]:
    """Make a world in `folder`, with the stacks and resources of `template`. It lasts as long as the block.

    Args:
        folder: An empty folder.
        template: The other world.
        backend: What the AWS provider is in front of, instead of the world's cloud.
    """
    if template:
        for name in ("backend", "project"):
            shutil.copytree(template.folder / name, folder / name)
    made = World(folder, template.cloud.copy() if template else Cloud())
    with serving(backend or made.cloud, folder / "bin"), pytest.MonkeyPatch.context() as patch:
        for name in [one for one in os.environ if one.startswith("PULUMI_")]:
            patch.delenv(name)
        patch.setattr("pulumi.automation._stack.LanguageServer", InlineProgram)
        yield made


def _find_pulumi() -> Path:
    """Return the CLI. The test skips if there is none."""
    try:
        return find_pulumi()
    except PulumiMissing as missing:
        pytest.skip(str(missing))
