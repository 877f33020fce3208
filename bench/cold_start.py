"""Benchmark of the CPU time that each Lambda takes before its first invocation.

For each Lambda, a program in a new interpreter imports the entry point and creates the objects that the first
invocation needs. The baseline is a program that imports boto3 and creates one client. The time of an interpreter that
runs no code is subtracted from all results. All programs take turns, so that other load on the machine affects all of
them.
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
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, Final

import typer
from rich.progress import track

from components._packaging import HANDLERS, install_dependencies

from . import report
from .report import Section

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

ROUNDS: Final = 15
BASELINE: Final = 'import boto3; boto3.client("dynamodb")'
BARE: Final = "pass"

ENVIRONMENT: Final[Mapping[str, str]] = {
    "AWS_ACCESS_KEY_ID": "made-up",
    "AWS_SECRET_ACCESS_KEY": "made-up",
    "AWS_DEFAULT_REGION": "us-east-1",
    "ALARM_TOPIC_ARN": "arn:aws:sns:us-east-1:000000000000:alarms",
    "ALLOWED_ORIGINS": "https://dashboard.example.com",
    "AUDIENCES": "dashboards",
    "CLOCK_TOLERANCE_SECONDS": "30",
    "CONNECTIONS_TABLE_NAME": "connections",
    "CONNECTION_SHARDS": "1",
    "CONNECTION_TTL_SECONDS": "10800",
    "DEAD_LETTER_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/dead-letters",
    "FAILURE_IDENTIFIER": "eventID",
    "FANOUT_QUEUE_URL": "https://sqs.us-east-1.amazonaws.com/000000000000/fanout",
    "FANOUT_THRESHOLD": "5000",
    "ISSUER": "https://login.example.com",
    "USER_HASH_KEY": "0" * 64,
    "REVOCATIONS_TABLE_NAME": "revocations",
    "MAX_CONNECTIONS_PER_USER": "20",
    "MANAGEMENT_ENDPOINT": "https://abc123.execute-api.us-east-1.amazonaws.com/live",
    "MAX_CONNECTIONS_PER_TENANT": "1000",
    "MAX_FILTER_LENGTH": "4096",
    "MAX_FILTERS_PER_TENANT": "100",
    "MAX_FRAME_BYTES": "4096",
    "MESSAGES_PER_SECOND": "2",
    "MESSAGE_BURST": "20",
    "POSTS_PER_SECOND": "1000",
    "RETENTION_DAYS": "30",
    "MAX_CLOCK_SKEW_SECONDS": "300",
    "TABLE_NAME": "submissions",
    "TENANT_CLAIM": "tenant_id",
    "TENANT_ID_PATTERN": "t_[A-Za-z0-9_-]{1,64}",
    "TENANT_CONNECTS_PER_SECOND": "50",
    "TENANT_CONNECT_BURST": "500",
    "TENANT_MESSAGES_PER_SECOND": "200",
    "TENANT_MESSAGE_BURST": "1000",
    "TOKEN_IN_QUERY": "false",
}
"""Environment variables of all Lambdas together. Each measured program gets these, and none of this machine's."""


@dataclass(frozen=True)
class EntryPoint:
    """The entry point of a Lambda, with what the benchmark needs to measure it."""

    name: str
    factories: Sequence[str]
    """Names of the functions in the entry point that create the objects for the first invocation."""
    requirements: Sequence[str] = ()
    """Names of the requirement sets whose packages are in the Lambda's archive."""
    max_ratio: float = 1.2
    """Highest allowed ratio of the Lambda's CPU time to that of the baseline."""

    def build_program(self, code: Path) -> str:
        """Return a Python program that imports the entry point and calls its factories.

        Args:
            code: Folder with the contents of the archives.
        """
        path = [str(code / folder) for folder in ("handlers", *self.requirements)]
        built = "; ".join(f"{self.name}.{factory}()" for factory in self.factories)
        return f"import sys; sys.path[:0] = {path!r}; import {self.name}; {built}"


ENTRY_POINTS: Final = (
    EntryPoint("authorize", ["verifier", "hashes"], ["tokens"], max_ratio=0.5),
    EntryPoint("connect", ["connections_table", "revocations_table"]),
    EntryPoint("message", ["sessions"], ["posting"]),
    EntryPoint("authenticate", ["sessions"], ["tokens", "posting"]),
    EntryPoint("persist", ["submissions_table"]),
    EntryPoint("broadcast", ["broadcaster"], ["posting"]),
    EntryPoint("fanout", ["broadcaster"], ["posting"]),
    EntryPoint("resync", ["stream", "sqs"]),
    EntryPoint("janitor", ["janitor"], ["posting"]),
)

NOTES: Final = """\
CPU time to import the entry point of each Lambda and to create the objects that its first invocation needs, in
milliseconds beyond a bare interpreter. The numbers are medians of {rounds} rounds in which all programs take turns. The
baseline is `{baseline}`, which takes {baseline_ms:.0f} ms here.

The authorizer may take half of the baseline, and every other Lambda 1.2 times the baseline, if all find their bytecode.

The archive of a Lambda contains no bytecode ([ADR 6](adr/0006-archives.md)), so that every build makes the same
archive. Therefore Python compiles the files of the archive at each cold start. The columns *from sources* include that;
boto3 and botocore are compiled beforehand, as in Lambda's runtime. For the authorizer, most of the difference comes
from PyJWT and cryptography. No column includes the other parts of a cold start: to fetch the archive, to start Python,
and the TLS handshakes of the first request.
"""

COLUMNS: Final = (
    "Lambda",
    "ms",
    "ratio to the baseline",
    "limit",
    "within limit",
    "ms from sources",
    "ratio from sources",
)


def measure(rounds: int = ROUNDS) -> Section:
    """Measure the cold start of every Lambda and its ratio to the baseline."""
    with tempfile.TemporaryDirectory() as scratch:
        sources, compiled = Path(scratch) / "sources", Path(scratch) / "compiled"
        lay_out_archives(sources)
        shutil.copytree(sources, compiled)
        if not compileall.compile_dir(str(compiled), quiet=1):
            raise SystemExit("the contents of a Lambda's archive do not compile")
        programs = {
            "bare": BARE,
            "baseline": BASELINE,
            **{f"{one.name} from sources": one.build_program(sources) for one in ENTRY_POINTS},
            **{f"{one.name} with bytecode": one.build_program(compiled) for one in ENTRY_POINTS},
        }
        medians = measure_medians(programs, rounds, lambda program: run_cold_start(program, Path(scratch)))
        took = subtract_bare(medians)
    baseline = took["baseline"]
    rows: list[Sequence[report.Cell]] = []
    for one in ENTRY_POINTS:
        ms, from_sources = took[f"{one.name} with bytecode"], took[f"{one.name} from sources"]
        verdict = "yes" if ms / baseline <= one.max_ratio else "**no**"
        rows.append((one.name, ms, ms / baseline, one.max_ratio, verdict, from_sources, from_sources / baseline))
    return Section(
        "cold_start",
        "Cold starts",
        NOTES.format(rounds=rounds, baseline=BASELINE, baseline_ms=baseline),
        COLUMNS,
        rows,
    )


def lay_out_archives(code: Path) -> None:
    """Copy the contents of the Lambdas' archives to a folder, without bytecode.

    Args:
        code: The folder. The handlers and each requirement set get their own folder in it.
    """
    folders = {"handlers": HANDLERS}
    for name in sorted({requirements for one in ENTRY_POINTS for requirements in one.requirements}):
        folders[name] = install_dependencies(name, "host")
    for name, folder in folders.items():
        shutil.copytree(folder, code / name, ignore=shutil.ignore_patterns("__pycache__", "*.pyc"))


def measure_medians(programs: Mapping[str, str], rounds: int, run: Callable[[str], float]) -> dict[str, float]:
    """Run all programs in each round, in random order, and return the median result of each program."""
    took: defaultdict[str, list[float]] = defaultdict(list)
    random = Random(0)  # noqa: S311 - not used for secrets
    for number in track(range(rounds + 1), description="cold starts", transient=True):
        for name in random.sample(list(programs), len(programs)):
            ms = run(programs[name])
            if number:  # the first round loads the files into memory and is not measured
                took[name].append(ms)
    return {name: statistics.median(values) for name, values in took.items()}


def subtract_bare(took: Mapping[str, float]) -> dict[str, float]:
    """Subtract the time of the bare interpreter from the other times."""
    return {name: ms - took["bare"] for name, ms in took.items() if name != "bare"}


def run_cold_start(program: str, home: Path) -> float:
    """Run a program in a new interpreter and return its CPU time in milliseconds.

    With `-I`, the interpreter ignores Python's environment variables and the user's packages. With `-B`, it writes no
    bytecode. The program exits without clean-up, as a Lambda does.

    Args:
        program: Python code.
        home: Working directory and home directory of the program.
    """
    command = [sys.executable, "-I", "-B", "-c", f"{program}\nimport os\nos._exit(0)"]
    environment = {**ENVIRONMENT, "HOME": str(home), "PATH": os.defpath}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, cwd=home, env=environment)  # noqa: S603 - fixed words
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime) * 1000


if __name__ == "__main__":
    typer.run(lambda: report.show(measure()))
