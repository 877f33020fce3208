"""A copy of the project in which shell commands run as on a reader's machine, against the emulator.

The CLI's home is the copy's own. The credentials and the address of AWS are those of the emulator, so no command
reaches AWS. The CLI asks no questions, because nobody answers them.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Final

from local.emulator import build_local_environment
from tests.support.engine import python_language
from tests.support.engine.pulumi_cli import find_pulumi

if TYPE_CHECKING:
    from collections.abc import Mapping

    from local.emulator_client import Endpoint

ROOT: Final = Path(__file__).resolve().parents[3]
SHORT_SLEEP: Final = Path(__file__).with_name("short_sleep")
"""The folder of a module with which nothing waits for AWS."""
LEFT_OUT: Final = (".git", ".venv", ".build", ".local", "node_modules", "__pycache__", ".*_cache", ".hypothesis")


class CommandError(Exception):
    """Error: a command failed. The message has the command and its output."""


class Checkout:
    """A copy of the project, with git and with what `make setup` and `make install` make.

    Args:
        folder: An empty folder.
        endpoint: The emulator.
    """

    def __init__(self, folder: Path, endpoint: Endpoint) -> None:
        self.project = folder / "project"
        self.plugins = folder / "bin"
        self._environment = {
            **{
                name: value
                for name, value in build_local_environment(os.environ).items()
                if not name.startswith(("PULUMI_", "GIT_", "MAKE"))
            },
            "PATH": f"{self.plugins}{os.pathsep}{os.environ['PATH']}",
            "AWS_ENDPOINT_URL": endpoint.endpoint_url,
            "AWS_ACCESS_KEY_ID": endpoint.access_key_id,
            "AWS_SECRET_ACCESS_KEY": endpoint.secret_access_key,
            "PYTHONPATH": str(SHORT_SLEEP),
            "GIT_CONFIG_GLOBAL": os.devnull,
            **{f"GIT_{who}_{what}": "test@localhost" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
            "PULUMI_HOME": str(folder / "home"),
            "PULUMI_SKIP_CONFIRMATIONS": "true",
            "PULUMI_SKIP_UPDATE_CHECK": "true",
            "PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION": "true",
        }
        self.plugins.mkdir()
        (self.plugins / "pulumi").symlink_to(find_pulumi())
        python_language.install(self.plugins)
        shutil.copytree(ROOT, self.project, ignore=shutil.ignore_patterns(*LEFT_OUT), symlinks=True)
        (self.project / ".build").symlink_to(ROOT / ".build")
        for place in (self.project, self.project / "policy"):
            python_language.link_environment(place / ".venv")
        self.run("git init --quiet --initial-branch main && git add --all && git commit --quiet --message first")

    def run(self, command: str, variables: Mapping[str, str] | None = None) -> str:
        """Run a command of bash in the project's folder and return what it printed.

        Args:
            command: The command, of one or more lines.
            variables: Further environment variables.

        Raises:
            CommandError: The command failed.
        """
        finished = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", command],
            cwd=self.project,
            env={**self._environment, **(variables or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            check=False,
            text=True,
        )
        if finished.returncode:
            raise CommandError(f"{command}\n{finished.stdout}")
        return finished.stdout
