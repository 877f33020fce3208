"""Every (update, connection) pair ends in exactly one way, and every client converges, though a third of it goes wrong.

The broadcaster, its poster, the connections table under moto, the message Lambda, the janitor and the reference client
are the real ones; between them stands a server that takes posts and does what it likes.
"""

from __future__ import annotations

import json
import random
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import pytest

import connect
import janitor
import message
from formbridge.broadcast import wiring
from formbridge.broadcast.changes import Batch
from formbridge.posting import poster
from formbridge.posting.delivery import Outcome
from formbridge.runtime.timestamps import to_iso
from tests.support.faults.line import FAULTS, Line
from tests.support.handlers.builders import LambdaContext, connect_event, inserted, message_event, modified, submission
from tools.client import Subscription

if TYPE_CHECKING:
    from collections.abc import Iterator

    from formbridge.submissions.submission import Submission
    from tests.support.handlers.clock import Clock
    from tests.support.handlers.region import Region

TENANT: Final = "t_acme"
DASHBOARDS: Final = 100
PAIRS: Final = 10_000
UPDATES_A_BATCH: Final = 10


@dataclass
class Dashboard:
    """A client that connects again whenever its connection is gone."""

    name: str
    subscription: Subscription = field(default_factory=Subscription)
    connections: int = 0
    inbox: list[bytes] = field(default_factory=list[bytes])

    @property
    def connection_id(self) -> str:
        return f"{self.name}-{self.connections}"


class World:
    """A tenant's dashboards, its submissions, and a line to them on which things go wrong."""

    def __init__(self, region: Region, clock: Clock, chance: random.Random) -> None:
        self.region = region
        self.clock = clock
        self.chance = chance
        self.dashboards = [Dashboard(f"d{number}") for number in range(DASHBOARDS)]
        self.line = Line(self.deliver, chance)
        self.newest: dict[str, Submission] = {}
        self.delivered: defaultdict[str, set[tuple[str, int]]] = defaultdict(set)
        """By connection, the submissions and versions that reached it."""

    @property
    def now(self) -> float:
        return self.clock.ms / 1000

    def deliver(self, connection_id: str, body: bytes) -> None:
        dashboard = self.dashboards[int(connection_id[1:].partition("-")[0])]
        if connection_id == dashboard.connection_id:
            dashboard.inbox.append(body)
            frame = json.loads(body)
            for update in frame.get("updates", [frame] if "data" in frame else []):
                self.delivered[connection_id].add((update["data"]["submission_id"], update["data"]["version"]))

    def connect(self, dashboard: Dashboard) -> None:
        dashboard.connections += 1
        dashboard.inbox.clear()
        self.clock.advance(-60_000)  # so that it is no longer young
        assert connect.handler(connect_event(TENANT, dashboard.connection_id), LambdaContext())["statusCode"] == 200
        self.clock.advance(60_000)
        self.ask(dashboard, dashboard.subscription.handle_connect(self.now))

    def ask(self, dashboard: Dashboard, requests: list[dict[str, Any]]) -> None:
        """Have the message Lambda answer, and again for whatever the client asks then."""
        while requests:
            event = message_event(requests.pop(0), TENANT, dashboard.connection_id)
            reply = json.loads(message.handler(event, LambdaContext())["body"])
            requests += dashboard.subscription.handle_frame(reply, self.now)

    def write(self) -> dict[str, Any]:
        """A new submission, or a new version of one; its stream record."""
        name = f"s{self.chance.randrange(60)}"
        held = self.newest.get(name)
        status = self.chance.choice(("new", "done", "spam"))
        made = submission(
            name,
            version=held.version + 1 if held else 1,
            incarnation=held.incarnation if held else self.clock.ms,
            status=status,
            updated_at=to_iso(self.clock.ms),
        )
        self.newest[name] = made
        self.region.put(made)
        return modified(made, before=held) if held else inserted(made)

    def rows(self) -> dict[str, dict[str, Any]]:
        """The rows of connections, by connection."""
        table = self.region.dynamodb.scan(TableName="connections", ConsistentRead=True)["Items"]
        names = {str(row["SK"].get("S")): row for row in table}
        return {name.removeprefix("CONN#"): row for name, row in names.items() if name.startswith("CONN#")}

    def read(self) -> None:
        """Each client takes what came in, or connects again where its connection is dead."""
        for dashboard in self.dashboards:
            if dashboard.connection_id in self.line.dead:
                self.connect(dashboard)
            while dashboard.inbox:
                frame = json.loads(dashboard.inbox.pop(0))
                self.ask(dashboard, dashboard.subscription.handle_frame(frame, self.now))


@pytest.fixture
def world(region: Region, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Iterator[World]:
    monkeypatch.setattr(poster, "REQUEST_SECONDS", 0.3)
    monkeypatch.setenv("POSTS_PER_SECOND", "100000")
    monkeypatch.setenv("MESSAGES_PER_SECOND", "1000")
    monkeypatch.setenv("MESSAGE_BURST", "10000")
    monkeypatch.setenv("TENANT_MESSAGE_BURST", "10000")
    monkeypatch.setenv("TENANT_CONNECT_BURST", "10000")
    world = World(region, clock, random.Random("every pair"))
    with world.line.served():
        monkeypatch.setenv("MANAGEMENT_ENDPOINT", world.line.url)
        yield world


@pytest.mark.no_cover
def test_every_pair_is_posted_gone_or_behind_and_every_client_converges(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for dashboard in world.dashboards:
        world.connect(dashboard)
    ended = Counter[Outcome]()
    pairs = 0
    while pairs < PAIRS:
        world.clock.advance(20_000)
        records = [world.write() for _ in range(UPDATES_A_BATCH)]
        batch = Batch.read(records)
        (changes,) = batch.changes.values()
        before = world.rows()
        tally = wiring.broadcaster().broadcast(batch.changes, poster.invocation_deadlines(LambdaContext()))
        after = world.rows()

        assert tally.failures == []
        told = {(change.newest.submission_id, change.newest.version) for change in changes}
        gone = before.keys() - after.keys()
        behind = {name for name in after if "behind" in after[name]}
        posted = before.keys() - gone - behind
        assert tally.outcomes == +Counter(
            {Outcome.POSTED: len(posted), Outcome.GONE: len(gone), Outcome.BEHIND: len(behind)}
        )
        assert gone <= world.line.dead
        for name in posted - world.line.dead:
            assert world.delivered[name] >= told
        pairs += len(told) * len(before)
        for outcome, count in tally.outcomes.items():
            ended[outcome] += count * len(told)
        world.read()

    assert ended.total() == pairs
    assert all(ended[outcome] for outcome in Outcome)
    assert all(world.line.seen[fault] for fault in FAULTS)

    world.line.calm = True
    # The janitor's requests are all answered, however busy this machine is.
    monkeypatch.setattr(poster, "REQUEST_SECONDS", 30)
    world.clock.advance(20_000)
    janitor.handler({}, LambdaContext())
    world.read()
    wanted = {name: held.version for name, held in world.newest.items()}
    for dashboard in world.dashboards:
        shown = dashboard.subscription.view.get_submissions(world.now)
        assert {name: data["version"] for name, data in shown.items()} == wanted

    # Nothing is left to do: no row is marked, and nobody is told anything a second time.
    posts = world.line.seen["fine"]
    janitor.handler({}, LambdaContext())
    assert world.line.seen["fine"] == posts
    assert not any("behind" in row for row in world.rows().values())
    assert world.rows().keys() == {dashboard.connection_id for dashboard in world.dashboards}
