"""Benchmark of posts to connections: `ConnectionPoster` compared with a loop that uses boto3.

The boto3 loop creates a new client per invocation and makes one post after another. `python -m bench.posting` measures
both with a server on this machine that imitates `@connections`. If `wrk` is installed, the benchmark also measures
`wrk`.
"""

from __future__ import annotations

import base64
import os
import re
import resource
import shutil
import statistics
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import boto3
import typer
from rich.progress import Progress

from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.posting.delivery import Delivery, Outcome
from formbridge.posting.pacing import Pacer
from formbridge.posting.poster import ConnectionPoster
from formbridge.posting.signing import Credentials, Signer

from . import report
from .certificates import write_certificate
from .connections_server import ACCESS_KEY, REGION, SECRET_KEY, running_server
from .report import Plot, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence

CONNECTIONS: Final = (100, 1_000, 10_000)
ANSWER_MS: Final = ((0.0, 0.0), (5.0, 20.0))
"""Pairs of the shortest and the longest delay of the answers, in milliseconds. Each pair is measured separately."""
ROUNDS: Final = 5
FRAME: Final = b"x" * 400
TOKEN: Final = "x" * 700
"""Made-up session token, as long as the session token of a Lambda's role."""
BOTO3_POSTS: Final = 100
"""Highest number of posts that the boto3 loop makes per round. The time of more posts is extrapolated, because each
post after the first takes the same time."""
MIN_POSTS: Final = 2_000
"""Minimum number of posts of the warm poster per round. With fewer connections, a round has several invocations."""
WRK_SECONDS: Final = 3

BOTO3_LOOP: Final = "boto3 loop"
FIRST: Final = "poster, first invocation"
WARM: Final = "poster, warm"
WRK: Final = "wrk, unsigned"

MIN_CPU_FACTOR: Final = 18
MIN_THROUGHPUT_FACTOR: Final = 100
REQUIRED_CONNECTIONS: Final = 1_000
"""Number of connections with which the warm poster must reach `MIN_CPU_FACTOR` and `MIN_THROUGHPUT_FACTOR`."""


@dataclass(frozen=True, slots=True)
class Spent:
    """Time that a number of posts took."""

    cpu: float
    """CPU time of the client process in seconds."""
    wall: float
    """Elapsed time in seconds."""
    posts: int

    @property
    def cpu_us(self) -> float:
        """CPU time per post in microseconds."""
        return self.cpu / self.posts * 1e6

    @property
    def posts_per_second(self) -> float:
        """Posts per second of elapsed time."""
        return self.posts / self.wall


NOTES: Final = """\
This benchmark posts one frame of {frame} bytes to each connection of a tenant over TLS. It measures the CPU time of
the client process and the posts per second. Another process on the same {cores} cores imitates `@connections`. It
answers at once, or after 5 to 20 ms. The numbers are medians of {rounds} rounds in which the clients take turns.

- *{boto3_loop}*: boto3 with a new client per invocation and one post after another. It was measured with {boto3_posts}
  posts and extrapolated to more, because each post after the first costs the same.
- *{first}*: `ConnectionPoster` without an open connection. Its numbers include every TLS handshake.
- *{warm}*: `ConnectionPoster` in a Lambda that has posted before. No pacer limits it here; on AWS, the quota does.
- *{wrk}*: the limit of this machine. `wrk` is written in C and sends requests that were made beforehand.

*CPU factor* is the CPU of the boto3 loop divided by the CPU of the client. *Throughput factor* is the posts per second
of the client divided by those of the boto3 loop.

With 1,000 connections and answers after 5 to 20 ms, *{warm}* takes {cpu:.0f} times less CPU per post than the boto3
loop and makes {throughput:.0f} times as many posts per second. The requirement is at least {min_cpu_factor} times and
{min_throughput_factor} times: **{verdict}**.
"""


COLUMNS: Final = (
    "answer",
    "connections",
    "client",
    "CPU per post, µs",
    "CPU factor",
    "posts per second",
    "throughput factor",
)


def measure(rounds: int = ROUNDS) -> Section:
    """Measure every client with every number of connections and every delay of the answers."""
    spent: dict[tuple[tuple[float, float], int], dict[str, Spent]] = {}
    with tempfile.TemporaryDirectory() as scratch, lambda_environment(), Progress(transient=True) as progress:
        pem = write_certificate(Path(scratch) / "server.pem")
        task = progress.add_task("posting", total=len(ANSWER_MS) * len(CONNECTIONS) * rounds)
        for delay in ANSWER_MS:
            with running_server(pem, *delay) as endpoint:
                for number in CONNECTIONS:
                    taking_turns = build_clients(endpoint, pem, number)
                    taken: dict[str, list[Spent]] = {name: [] for name in taking_turns}
                    for _ in range(rounds):
                        for name, client in taking_turns.items():
                            taken[name].append(client())
                        progress.advance(task)
                    spent[delay, number] = {name: _median(each) for name, each in taken.items()}
    return build_section(spent, rounds)


def build_clients(endpoint: str, pem: Path, number: int) -> dict[str, Callable[[], Spent]]:
    """Return the clients to compare, by name.

    A client is a function that makes posts and returns the time that they took.
    """
    connections = [Connection(ConnectionKey("t_bench", _connection_id(each)), 0, 2**31) for each in range(number)]
    deliveries = [Delivery(connection, [FRAME]) for connection in connections]
    warm = _poster(endpoint, pem)
    _deliver(warm, deliveries, MIN_POSTS)
    made: dict[str, Callable[[], Spent]] = {
        BOTO3_LOOP: lambda: _run_boto3_loop(endpoint, pem, [each.connection_id for each in connections]),
        FIRST: lambda: _deliver(_poster(endpoint, pem), deliveries, 1),
        WARM: lambda: _deliver(warm, deliveries, MIN_POSTS),
    }
    if shutil.which("wrk"):
        made[WRK] = lambda: _wrk(endpoint, pem.parent, min(number, 256))
    return made


def _poster(endpoint: str, pem: Path) -> ConnectionPoster:
    signer = Signer(endpoint, REGION, lambda: Credentials(ACCESS_KEY, SECRET_KEY, TOKEN))
    return ConnectionPoster(signer, Pacer(1_000_000, time.monotonic_ns), ca_file=str(pem))


def _deliver(poster: ConnectionPoster, deliveries: Sequence[Delivery], at_least: int) -> Spent:
    """Make at least `at_least` posts and return the time that they took.

    The posts are made in invocations. Each invocation makes every delivery once.
    """
    invocations = -(-at_least // len(deliveries))
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(invocations):
        posted = sum(receipt.outcome is Outcome.POSTED for receipt in poster.deliver(deliveries, time.monotonic() + 60))
        if posted != len(deliveries):
            raise SystemExit(f"posts: must all succeed, got {posted} of {len(deliveries)}")
    return Spent(time.process_time() - cpu, time.perf_counter() - wall, invocations * len(deliveries))


def _run_boto3_loop(endpoint: str, pem: Path, connection_ids: Sequence[str]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, verify=str(pem))
    first, *others = connection_ids[:BOTO3_POSTS]
    client.post_to_connection(ConnectionId=first, Data=FRAME)
    begun = Spent(time.process_time() - cpu, time.perf_counter() - wall, 1)
    for connection_id in others:
        client.post_to_connection(ConnectionId=connection_id, Data=FRAME)
    went_on = Spent(time.process_time() - cpu - begun.cpu, time.perf_counter() - wall - begun.wall, len(others))
    client.close()
    times = (len(connection_ids) - 1) / went_on.posts
    return Spent(begun.cpu + went_on.cpu * times, begun.wall + went_on.wall * times, len(connection_ids))


def _wrk(endpoint: str, folder: Path, connections: int) -> Spent:
    script = folder / "post.lua"
    script.write_text(f'wrk.method = "POST"\nwrk.body = string.rep("x", {len(FRAME)})\n')
    options = ["--threads=1", f"--connections={connections}", f"--duration={WRK_SECONDS}s", f"--script={script}"]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command = ["wrk", *options, f"{endpoint}/@connections/{_connection_id(0)}"]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - fixed words
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    made = re.search(r"(\d+) requests in", output)
    if made is None or made[1] == "0":
        raise SystemExit(f"wrk made no request; the machine may be too busy:\n{output}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, WRK_SECONDS, int(made[1]))


def _connection_id(number: int) -> str:
    return base64.b64encode(number.to_bytes(11, "big")).decode()


def _median(spent: Sequence[Spent]) -> Spent:
    """Return the median CPU time per post and the median elapsed time per post."""
    cpu = statistics.median(each.cpu / each.posts for each in spent)
    wall = statistics.median(each.wall / each.posts for each in spent)
    return Spent(cpu, wall, 1)


@contextmanager
def lambda_environment() -> Generator[None]:
    """Set the variables from which boto3 reads credentials and region in a Lambda, inside the block."""
    names = {
        "AWS_ACCESS_KEY_ID": ACCESS_KEY,
        "AWS_SECRET_ACCESS_KEY": SECRET_KEY,
        "AWS_SESSION_TOKEN": TOKEN,
        "AWS_DEFAULT_REGION": REGION,
    }
    before = dict(os.environ)
    os.environ.update(names)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def build_section(spent: Mapping[tuple[tuple[float, float], int], Mapping[str, Spent]], rounds: int) -> Section:
    """Return the section with the results.

    Args:
        spent: For each pair of delay and number of connections, the result of each client by the client's name.
        rounds: Number of rounds that were measured.
    """
    rows: list[Sequence[report.Cell]] = []
    for (delay, number), each in spent.items():
        boto3_loop = each[BOTO3_LOOP]
        after = "at once" if not delay[1] else f"after {delay[0]:.0f} to {delay[1]:.0f} ms"
        for name, took in each.items():
            less, more = boto3_loop.cpu_us / took.cpu_us, took.posts_per_second / boto3_loop.posts_per_second
            rows.append((after, number, name, took.cpu_us, less, took.posts_per_second, more))
    slow = ANSWER_MS[-1]
    required = spent[slow, REQUIRED_CONNECTIONS]
    cpu = required[BOTO3_LOOP].cpu_us / required[WARM].cpu_us
    throughput = required[WARM].posts_per_second / required[BOTO3_LOOP].posts_per_second
    return Section(
        name="posting",
        title="Posts to connections",
        notes=NOTES.format(
            frame=len(FRAME),
            cores=os.cpu_count(),
            rounds=rounds,
            boto3_loop=BOTO3_LOOP,
            first=FIRST,
            warm=WARM,
            wrk=WRK,
            boto3_posts=BOTO3_POSTS,
            min_cpu_factor=MIN_CPU_FACTOR,
            min_throughput_factor=MIN_THROUGHPUT_FACTOR,
            cpu=cpu,
            throughput=throughput,
            verdict="met" if cpu >= MIN_CPU_FACTOR and throughput >= MIN_THROUGHPUT_FACTOR else "not met",
        ),
        columns=COLUMNS,
        rows=rows,
        plot=Plot(
            "connections, with answers after 5 to 20 ms",
            "posts per second",
            {
                name: [(number, spent[slow, number][name].posts_per_second) for number in CONNECTIONS]
                for name in required
            },
            log_x=True,
            log_y=True,
        ),
    )


def main(rounds: int = ROUNDS) -> None:
    """Run the benchmark and print its results."""
    report.show(measure(rounds))


if __name__ == "__main__":
    typer.run(main)
