"""What a post to a connection costs, beside the guide's loop: boto3, a client an invocation, one post after the other.

`python -m bench.posting` measures both, and `wrk` where it is installed, against an imitation of @connections on this
machine.
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
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

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
from .connections_server import ACCESS_KEY, REGION, SECRET_KEY, running
from .report import Plot, Section

CONNECTIONS: Final = (100, 1_000, 10_000)
ANSWER_MS: Final = ((0.0, 0.0), (5.0, 20.0))
"""Between which and which time after a request its answer is sent."""
ROUNDS: Final = 5
FRAME: Final = b"x" * 400
TOKEN: Final = "x" * 700
"""As long as the session token of a Lambda's role."""
GUIDE_POSTS: Final = 100
"""In a round; more would be more of the same, since each post after the first costs alike."""
LEAST_POSTS: Final = 2_000
"""Of ours in a round, in as many invocations as that takes."""
WRK_SECONDS: Final = 3

THE_GUIDE: Final = "the guide's loop"
FIRST: Final = "ours, first invocation"
WARM: Final = "ours, warm"
WRK: Final = "wrk, unsigned"

LEAST_CPU: Final = 18
LEAST_THROUGHPUT: Final = 100


@dataclass(frozen=True, slots=True)
class Spent:
    """What posts took."""

    cpu: float
    """Seconds of this process."""
    wall: float
    posts: int

    @property
    def cpu_us(self) -> float:
        return self.cpu / self.posts * 1e6

    @property
    def a_second(self) -> float:
        return self.posts / self.wall


NOTES: Final = """\
CPU of the client alone, and posts a second, of one frame of {frame} bytes to each of a tenant's connections over TLS.
The other side is an imitation of @connections in a process of its own, on the same {cores} cores, that answers at once
or after 5 to 20 ms. Medians of {rounds} rounds in which the clients take turns.

- *{the_guide}*: boto3, a client made in each invocation, one post after the other; measured with {guide_posts} posts
  and, since after the first each costs the same, extrapolated to more.
- *{first}*: `ConnectionPoster` with no connection open yet: every TLS handshake is in it.
- *{warm}*: the same in a Lambda that has posted before. No pacer holds it back, as the account's quota would.
- *{wrk}*: the limit, as far as this machine is concerned: requests made beforehand, in C, by `wrk`.

To 1,000 connections, answered after 5 to 20 ms, *{warm}* takes {cpu:.0f} times less CPU a post than the guide's loop,
and makes {throughput:.0f} times the posts a second. It must be {least_cpu} and {least_throughput} times: **{verdict}**.
"""


def measure(rounds: int = ROUNDS) -> Section:
    """Every client, to every number of connections, with either delay."""
    spent: dict[tuple[tuple[float, float], int], dict[str, Spent]] = {}
    with tempfile.TemporaryDirectory() as scratch, environment(), Progress(transient=True) as progress:
        pem = write_certificate(Path(scratch) / "server.pem")
        task = progress.add_task("posting", total=len(ANSWER_MS) * len(CONNECTIONS) * rounds)
        for delay in ANSWER_MS:
            with running(pem, *delay) as endpoint:
                for number in CONNECTIONS:
                    taking_turns = clients(endpoint, pem, number)
                    taken: dict[str, list[Spent]] = {name: [] for name in taking_turns}
                    for _ in range(rounds):
                        for name, client in taking_turns.items():
                            taken[name].append(client())
                        progress.advance(task)
                    spent[delay, number] = {name: _median(each) for name, each in taken.items()}
    return section(spent, rounds)


def clients(endpoint: str, pem: Path, number: int) -> dict[str, Callable[[], Spent]]:
    """What is to be compared; each call of one makes its posts once more."""
    connections = [Connection(ConnectionKey("t_bench", _connection_id(each)), 0, 2**31) for each in range(number)]
    deliveries = [Delivery(connection, [FRAME]) for connection in connections]
    warm = _poster(endpoint, pem)
    _deliver(warm, deliveries, LEAST_POSTS)
    made: dict[str, Callable[[], Spent]] = {
        THE_GUIDE: lambda: _guides_loop(endpoint, pem, [each.connection_id for each in connections]),
        FIRST: lambda: _deliver(_poster(endpoint, pem), deliveries, 1),
        WARM: lambda: _deliver(warm, deliveries, LEAST_POSTS),
    }
    if shutil.which("wrk"):
        made[WRK] = lambda: _wrk(endpoint, pem.parent, min(number, 256))
    return made


def _poster(endpoint: str, pem: Path) -> ConnectionPoster:
    signer = Signer(endpoint, REGION, lambda: Credentials(ACCESS_KEY, SECRET_KEY, TOKEN))
    return ConnectionPoster(signer, Pacer(1_000_000, time.monotonic_ns), ca_file=str(pem))


def _deliver(poster: ConnectionPoster, deliveries: Sequence[Delivery], at_least: int) -> Spent:
    """As many invocations as make that many posts, each of which posts to all connections."""
    invocations = -(-at_least // len(deliveries))
    cpu, wall = time.process_time(), time.perf_counter()
    for _ in range(invocations):
        posted = sum(receipt.outcome is Outcome.POSTED for receipt in poster.deliver(deliveries, time.monotonic() + 60))
        if posted != len(deliveries):
            raise SystemExit(f"of {len(deliveries)} posts {posted} were taken")
    return Spent(time.process_time() - cpu, time.perf_counter() - wall, invocations * len(deliveries))


def _guides_loop(endpoint: str, pem: Path, connection_ids: Sequence[str]) -> Spent:
    cpu, wall = time.process_time(), time.perf_counter()
    client = boto3.client("apigatewaymanagementapi", endpoint_url=endpoint, verify=str(pem))
    first, *others = connection_ids[:GUIDE_POSTS]
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
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - ours
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    made = re.search(r"(\d+) requests in", output)
    if made is None or made[1] == "0":
        raise SystemExit(f"wrk made no request, as on a machine that is too busy:\n{output}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Spent(cpu, WRK_SECONDS, int(made[1]))


def _connection_id(number: int) -> str:
    return base64.b64encode(number.to_bytes(11, "big")).decode()


def _median(spent: Sequence[Spent]) -> Spent:
    """CPU and time for themselves: what disturbs the one need not disturb the other."""
    cpu = statistics.median(each.cpu / each.posts for each in spent)
    wall = statistics.median(each.wall / each.posts for each in spent)
    return Spent(cpu, wall, 1)


@contextmanager
def environment() -> Generator[None]:
    """What the guide's client finds in a Lambda."""
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


def section(spent: Mapping[tuple[tuple[float, float], int], Mapping[str, Spent]], rounds: int) -> Section:
    """What was found, by delay and number of connections, for each client."""
    rows: list[Sequence[report.Cell]] = []
    for (delay, number), each in spent.items():
        guide = each[THE_GUIDE]
        after = "at once" if not delay[1] else f"after {delay[0]:.0f} to {delay[1]:.0f} ms"
        for name, took in each.items():
            less, more = guide.cpu_us / took.cpu_us, took.a_second / guide.a_second
            rows.append((after, number, name, took.cpu_us, less, took.a_second, more))
    slow = ANSWER_MS[-1]
    required = spent[slow, 1_000]
    cpu = required[THE_GUIDE].cpu_us / required[WARM].cpu_us
    throughput = required[WARM].a_second / required[THE_GUIDE].a_second
    return Section(
        name="posting",
        title="Posts to connections",
        notes=NOTES.format(
            frame=len(FRAME),
            cores=os.cpu_count(),
            rounds=rounds,
            the_guide=THE_GUIDE,
            first=FIRST,
            warm=WARM,
            wrk=WRK,
            guide_posts=GUIDE_POSTS,
            least_cpu=LEAST_CPU,
            least_throughput=LEAST_THROUGHPUT,
            cpu=cpu,
            throughput=throughput,
            verdict="it holds" if cpu >= LEAST_CPU and throughput >= LEAST_THROUGHPUT else "it does not hold",
        ),
        columns=(
            "answered",
            "connections",
            "client",
            "µs CPU a post",
            "times less CPU than the guide's",
            "posts a second",
            "times the guide's",
        ),
        rows=rows,
        plot=Plot(
            "connections, answering after 5 to 20 ms",
            "posts a second",
            {name: [(number, spent[slow, number][name].a_second) for number in CONNECTIONS] for name in required},
            log_x=True,
            log_y=True,
        ),
    )


def main(rounds: int = ROUNDS) -> None:
    """Print what was found."""
    report.show(measure(rounds))


if __name__ == "__main__":
    typer.run(main)
