"""Benchmark of a quiet tenant beside an attacking tenant on the local run.

In each run, the quiet tenant alone and the quiet tenant beside the attack take turns in blocks, so that other load on
the machine affects both. The runs differ in the limits of a tenant.
"""

from __future__ import annotations

import asyncio
import json
import statistics
import subprocess
import sys
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Final

import typer
import yaml
from rich.progress import track

from components import _gateway_limits as limits
from local import tokens
from local.background import ROOT, running_stack
from local.bus import Bus

from . import fairness, latency, report
from .attacker import MAX_UNANSWERED, Counts, Orders
from .report import Section

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

    from websockets.asyncio.client import ClientConnection

    from local.stack import Stack

QUIET: Final = "t_quiet"
CONNECTIONS: Final = 40
RECONNECTS: Final = 4
SUBMISSIONS_PER_SECOND: Final = 2
PACED_MESSAGES_PER_SECOND: Final = 40
BLOCKS: Final = 5
BLOCK_SIZE: Final = 40
"""Number of measured submissions per block, one after another."""
IGNORED: Final = 3
"""Number of submissions at the start of a block that are not measured, because the block before may still have effects.
The first pair of blocks of a run is not measured either."""
PROC_STAT: Final = Path("/proc/stat")

DEFAULTS: Final[Mapping[str, int]] = {
    "tenantMessagesPerSecond": limits.DEFAULT_TENANT_MESSAGES_PER_SECOND,
    "tenantMessageBurst": limits.DEFAULT_TENANT_MESSAGE_BURST,
    "tenantConnectsPerSecond": limits.DEFAULT_TENANT_CONNECTS_PER_SECOND,
    "tenantConnectBurst": limits.DEFAULT_TENANT_CONNECT_BURST,
}
NO_LIMITS: Final[Mapping[str, int]] = {
    "messagesPerSecond": limits.MAX_MESSAGES_PER_SECOND,
    "messageBurst": limits.MAX_MESSAGE_BURST,
    "tenantMessagesPerSecond": limits.MAX_TENANT_RATE,
    "tenantMessageBurst": limits.MAX_TENANT_BURST,
    "tenantConnectsPerSecond": limits.MAX_TENANT_RATE,
    "tenantConnectBurst": limits.MAX_TENANT_BURST,
}
"""Settings with which the attack is never refused."""

NOTES: Final = """\
The quiet tenant has one client on the local run. The table shows the milliseconds from just before `put_events` until
the client has received the update, for {count} submissions one after another, and the ratio to those of the same run
without an attack. Both took turns in blocks of {block}. The attacking tenant is a process of its own. It has
{connections} sockets with distinct filters of the most expensive kind, {submissions} submissions per second that are
matched with all of them, and {reconnects} further sockets that connect, subscribe and disconnect all the time. On
each socket it sends the next message as soon as one of the last {unanswered} was answered. It replaces each socket
that the gateway closes. *Paced* is the same attack with {paced} messages per second in all.

All this runs on one machine, and the emulator has neither the throttle of a stage nor a limit on concurrent Lambdas.
In the run without limits it served {capacity:.0f} requests per second of the attacker. If this is less than the
budget that a tenant has by default ({budget}), the default limits refuse next to nothing here. In the rows *scaled*,
all limits of a tenant are to these {capacity:.0f} requests what the defaults are to the {stage:,} messages of a
stage.

*CPU idle* includes other programs on the machine. If it is near zero in the rows *alone* too, the machine was shared,
and the latencies vary by the same factor from run to run as the rows *alone* do.
"""

COLUMNS: Final = (
    "limits",
    "attack",
    "attacker's requests per second",
    "refused",
    "CPU idle",
    "p50, ms",
    "p99, ms",
    "p50 / alone",
    "p99 / alone",
)


@dataclass
class Block:
    """Results of the blocks of one kind."""

    latencies: list[float] = field(default_factory=list[float])
    """Milliseconds of each submission of the quiet tenant."""
    requests: int = 0
    """Number of the attacker's messages that were answered or ended the connection, and of its refused handshakes."""
    refused: int = 0
    """Number of them that were refused."""
    seconds: float = 0.0
    """Seconds for which the attacker counted its requests."""
    idle: list[float] = field(default_factory=list[float])
    """Share of the CPU time of the machine that was not used, in each block."""

    def add(self, counts: Counts) -> None:
        """Add what the attacker counted in a block."""
        accepted = counts.replies.get("pong", 0) + counts.replies.get("subscribed", 0)
        refused_handshakes = sum(counts.connects.values()) - counts.connects.get("accepted", 0)
        requests = sum(counts.replies.values()) + refused_handshakes
        self.requests += requests
        self.refused += requests - accepted
        self.seconds += counts.seconds

    @property
    def requests_per_second(self) -> float:
        """Requests of the attacker per second; 0 without an attack."""
        return self.requests / self.seconds if self.seconds else 0.0


@dataclass
class Run:
    """The blocks of one run of the stack."""

    name: str
    alone: Block = field(default_factory=Block)
    attacks: dict[str, Block] = field(default_factory=dict[str, Block])


def measure(blocks: int = BLOCKS) -> Section:
    """Measure the quiet tenant alone and beside the attack, with each set of limits."""
    pattern = fairness.find_most_expensive()
    filters = [json.dumps(fairness.vary(pattern, number)) for number in range(CONNECTIONS)]
    paced = {"flood": None, "paced": float(PACED_MESSAGES_PER_SECOND)}
    runs = [_run("none", NO_LIMITS, filters, {"flood": None}, blocks)]
    capacity = runs[0].attacks["flood"].requests_per_second
    runs.append(_run("default", {}, filters, paced, blocks))
    runs.append(_run("scaled", scale_limits(capacity), filters, {"flood": None}, blocks))
    return build_section(runs, capacity)


def scale_limits(capacity: float) -> Mapping[str, int]:
    """Return limits of a tenant that are to `capacity` messages per second what the defaults are to the stage's."""
    return {name: max(1, round(value * capacity / limits.DEFAULT_RATE_LIMIT)) for name, value in DEFAULTS.items()}


def build_section(runs: Sequence[Run], capacity: float) -> Section:
    """Return the section with the results.

    Args:
        runs: The results.
        capacity: Requests per second of the attacker that the local run serves without limits.
    """
    rows: list[tuple[str | float, ...]] = []
    for run in runs:
        alone = _select_percentiles(run.alone)
        for name, block in {"alone": run.alone, **run.attacks}.items():
            p50, p99 = _select_percentiles(block)
            refused = f"{block.refused / block.requests:.0%}" if block.requests else report.NO_VALUE
            requests = block.requests_per_second or report.NO_VALUE
            idle = f"{statistics.mean(block.idle):.0%}"
            rows.append((run.name, name, requests, refused, idle, p50, p99, p50 / alone[0], p99 / alone[1]))
    return Section(
        name="attack",
        title="A quiet tenant beside an attacking tenant, on the local run",
        notes=NOTES.format(
            count=len(runs[0].alone.latencies),
            block=BLOCK_SIZE,
            connections=CONNECTIONS,
            submissions=SUBMISSIONS_PER_SECOND,
            reconnects=RECONNECTS,
            unanswered=MAX_UNANSWERED,
            paced=PACED_MESSAGES_PER_SECOND,
            capacity=capacity,
            stage=limits.DEFAULT_RATE_LIMIT,
            budget=limits.DEFAULT_TENANT_MESSAGES_PER_SECOND,
        ),
        columns=COLUMNS,
        rows=rows,
    )


def _select_percentiles(block: Block) -> tuple[float, float]:
    cuts = statistics.quantiles(block.latencies, n=100, method="inclusive")
    return cuts[49], cuts[98]


def _run(
    name: str, settings: Mapping[str, int], filters: Sequence[str], attacks: Mapping[str, float | None], blocks: int
) -> Run:
    with tempfile.TemporaryDirectory() as directory:
        root, state = Path(directory) / "root", Path(directory) / "state"
        state.mkdir(mode=0o700)
        _write_project(root, settings)
        with running_stack(state, state / "up.log", root=root) as stack:
            orders = {
                attack: Orders(str(state), filters, rate, RECONNECTS, SUBMISSIONS_PER_SECOND, fairness.ATTACKED.form_id)
                for attack, rate in attacks.items()
            }
            return asyncio.run(_take_turns(Run(name), stack, state, orders, blocks))


def _write_project(root: Path, settings: Mapping[str, int]) -> None:
    """Write a project with this program and other settings."""
    root.mkdir()
    project = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
    (root / "Pulumi.yaml").write_text(yaml.safe_dump({**project, "main": str(ROOT)}))
    (root / "Pulumi.dev.yaml").write_text(yaml.safe_dump({"config": dict(settings)}))


async def _take_turns(run: Run, stack: Stack, state: Path, orders: Mapping[str, Orders], blocks: int) -> Run:
    bus = Bus(stack)
    run.attacks = {name: Block() for name in orders}
    async with latency.connected(stack, [tokens.mint(stack, state, QUIET)]) as sockets:
        for number in track(range(blocks + 1), description=f"limits: {run.name}", transient=True):
            is_measured = number > 0
            await _measure_block(bus, sockets, run.alone if is_measured else Block())
            for name, own in orders.items():
                block = run.attacks[name] if is_measured else Block()
                with _attacking(own, block):
                    await _measure_block(bus, sockets, block)
    return run


async def _measure_block(bus: Bus, sockets: Sequence[ClientConnection], block: Block) -> None:
    for _ in range(IGNORED):
        await latency.submit(bus, QUIET, sockets)
    before = _read_cpu()
    measured = [await latency.submit(bus, QUIET, sockets) for _ in range(BLOCK_SIZE)]
    total, idle = (after - start for after, start in zip(_read_cpu(), before, strict=True))
    block.latencies += chain.from_iterable(measured)
    block.idle.append(idle / total if total else 0.0)


def _read_cpu() -> tuple[int, int]:
    """Return the CPU time of the machine and its part that was idle, in clock ticks since the start of the machine."""
    ticks = [int(each) for each in PROC_STAT.read_text().splitlines()[0].split()[1:9]]
    return sum(ticks), ticks[3] + ticks[4]


@contextmanager
def _attacking(orders: Orders, block: Block) -> Generator[None]:
    """Run the attacker during the `with` block, and add its counts to `block`."""
    command = [sys.executable, "-m", "bench.attacker"]
    attacker = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)  # noqa: S603 - this package
    with attacker:
        # `Popen` has opened pipes for stdin and stdout, so neither attribute is None.
        print(json.dumps(asdict(orders)), file=attacker.stdin, flush=True)
        if attacker.stdout is None or attacker.stdout.readline() != "attacking\n":
            raise SystemExit("the attacker failed")
        try:
            yield
        finally:
            counts, _ = attacker.communicate("stop\n")
    block.add(Counts(**json.loads(counts)))


def main(blocks: int = BLOCKS) -> None:
    """Run the benchmark and print its results."""
    report.show(measure(blocks))


if __name__ == "__main__":
    typer.run(main)
