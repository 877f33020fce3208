"""What each Lambda takes before its first invocation begins, beside boto3 with one client.

A fresh interpreter imports the entry point and builds what the first invocation builds. What a bare interpreter takes
is taken off, of the yardstick too, and all of them take turns, so that what else the machine does falls on all alike.
"""

from __future__ import annotations

import compileall
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Final

import typer
from rich.progress import track

from components._packaging import HANDLERS, dependencies

from . import report
from .report import Section

ROUNDS: Final = 15
YARDSTICK: Final = 'import boto3; boto3.client("dynamodb")'
BARE: Final = "pass"

ENVIRONMENT: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_DEFAULT_REGION": "us-east-1",
    "ALARM_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:alarms",
    "ALLOWED_ORIGINS": "https://dashboard.example.com",
    "AUDIENCE": "dashboards",
    "CONNECTIONS_TABLE_NAME": "connections",
    "CONNECTION_SHARDS": "1",
    "CONNECTION_TTL_SECONDS": "10800",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/dead-letters",
    "FAILURE_IDENTIFIER": "eventID",
    "FANOUT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/fanout",
    "FANOUT_THRESHOLD": "5000",
    "ISSUER": "https://login.example.com",
    "JWKS_URL": "https://login.example.com/keys",
    "MANAGEMENT_ENDPOINT": "https://abc123.execute-api.us-east-1.amazonaws.com/live",
    "MAX_CONNECTIONS_PER_TENANT": "1000",
    "MAX_FILTER_LENGTH": "4096",
    "MAX_FRAME_BYTES": "4096",
    "MESSAGES_PER_SECOND": "2",
    "MESSAGE_BURST": "20",
    "POSTS_PER_SECOND": "1000",
    "RETENTION_DAYS": "30",
    "TABLE_NAME": "submissions",
    "TENANT_CLAIM": "tenant_id",
    "TOKEN_IN_QUERY": "false",
}
"""The environment of every Lambda together, and nothing of this machine's."""


@dataclass(frozen=True)
class EntryPoint:
    """A Lambda of ours."""

    name: str
    builds: Sequence[str]
    """The factories that its first invocation calls, by their names in the entry point."""
    requirements: Sequence[str] = ()
    """Which dependencies are in its archive."""
    at_most: float = 1.2
    """How many times the yardstick it may take."""

    def program(self, code: Path) -> str:
        """A cold start, the archives' contents being in `code`."""
        path = [str(code / folder) for folder in ("handlers", *self.requirements)]
        built = "; ".join(f"{self.name}.{factory}()" for factory in self.builds)
        return f"import sys; sys.path[:0] = {path!r}; import {self.name}; {built}"


ENTRY_POINTS: Final = (
    EntryPoint("authorize", ["verifier"], ["tokens"], at_most=0.5),
    EntryPoint("connect", ["connections_table"]),
    EntryPoint("message", ["sessions"], ["posting"]),
    EntryPoint("authenticate", ["sessions"], ["tokens", "posting"]),
    EntryPoint("persist", ["submissions_table"]),
    EntryPoint("broadcast", ["broadcaster"], ["posting"]),
    EntryPoint("fanout", ["broadcaster"], ["posting"]),
    EntryPoint("resync", ["stream", "sqs"]),
    EntryPoint("janitor", ["janitor"], ["posting"]),
)

NOTES: Final = """\
Milliseconds of CPU over a bare interpreter, medians of {rounds} rounds in which all take turns: to import the entry
point and build what its first invocation builds. The yardstick is `{yardstick}`, {yardstick_ms:.0f} ms here. The
authorizer may take half of it, every other Lambda 1.2 of it, where either side finds its bytecode.

A Lambda's archive holds no bytecode ([ADR 6](adr/0006-archives.md)), so that it is the same wherever it is built, and
what is in it is compiled at each cold start: *from sources* is that, with boto3 and botocore compiled as they come with
Lambda's runtime. For the authorizer most of the difference is PyJWT and cryptography. What a cold start takes besides
is in neither: fetching the archive, starting Python, and the first request's TLS handshakes.
"""


def measure(rounds: int = ROUNDS) -> Section:
    """Every Lambda's cold start, as a part of the yardstick's."""
    with tempfile.TemporaryDirectory() as scratch:
        sources, compiled = Path(scratch) / "sources", Path(scratch) / "compiled"
        lay_out(sources)
        shutil.copytree(sources, compiled)
        if not compileall.compile_dir(str(compiled), quiet=1):
            raise SystemExit("what a Lambda's archive would hold does not compile")
        programs = {
            "bare": BARE,
            "yardstick": YARDSTICK,
            **{f"{one.name} from sources": one.program(sources) for one in ENTRY_POINTS},
            **{f"{one.name} with bytecode": one.program(compiled) for one in ENTRY_POINTS},
        }
        took = over_bare(medians(programs, rounds, lambda program: cold_start(program, Path(scratch))))
    yardstick = took["yardstick"]
    rows: list[Sequence[report.Cell]] = []
    for one in ENTRY_POINTS:
        ms, from_sources = took[f"{one.name} with bytecode"], took[f"{one.name} from sources"]
        verdict = "yes" if ms / yardstick <= one.at_most else "**no**"
        rows.append((one.name, ms, ms / yardstick, one.at_most, verdict, from_sources, from_sources / yardstick))
    return Section(
        "cold_start",
        "Cold starts",
        NOTES.format(rounds=rounds, yardstick=YARDSTICK, yardstick_ms=yardstick),
        ("Lambda", "ms", "of the yardstick", "may be", "holds", "ms from sources", "of the yardstick"),
        rows,
    )


def lay_out(code: Path) -> None:
    """What the archives hold, each set of dependencies in a folder of its own: sources, and no bytecode."""
    folders = {"handlers": HANDLERS}
    for name in sorted({requirements for one in ENTRY_POINTS for requirements in one.requirements}):
        folders[name] = dependencies(name, "host")
    for name, folder in folders.items():
        shutil.copytree(folder, code / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def medians(programs: Mapping[str, str], rounds: int, run: Callable[[str], float]) -> dict[str, float]:
    """Of what each program takes, the median of so many rounds, in each of which all have their turn, in any order."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    chance = Random(0)  # noqa: S311 - chance, and not a secret
    for number in track(range(rounds + 1), description="cold starts", transient=True):
        for name in chance.sample(list(programs), len(programs)):
            ms = run(programs[name])
            if number:  # the first brings the files into memory
                took[name].append(ms)
    return {name: statistics.median(values) for name, values in took.items()}


def over_bare(took: Mapping[str, float]) -> dict[str, float]:
    """What each takes beyond the bare interpreter."""
    return {name: ms - took["bare"] for name, ms in took.items() if name != "bare"}


def cold_start(program: str, home: Path) -> float:
    """Milliseconds of CPU that a fresh interpreter takes for a program; it finds no bytecode of ours and leaves none.

    `-I` keeps this machine's own settings out, `-B` keeps it from writing. It ends without tidying up: no Lambda does.
    """
    command = [sys.executable, "-I", "-B", "-c", f"{program}\nimport os\nos._exit(0)"]
    environment = {**ENVIRONMENT, "HOME": str(home), "PATH": os.defpath}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=home, env=environment)  # noqa: S603 - every word of the command is ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


if __name__ == "__main__":
    typer.run(lambda: report.show(measure()))
