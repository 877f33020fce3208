"""One tenant floods the gateway, and the messages of the others are answered all the same. In memory."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from itertools import count

from formbridge.connections.connection import Connection, ConnectionKey
from formbridge.connections.message_budget import MessageBudget
from formbridge.connections.rate_limit import Rate
from formbridge.session.session import Session
from tests.support.handlers.builders import NOW
from tests.support.handlers.world import EXPIRES_AT, LIMITS, Connections, Poster, TenantBuckets

STAGE = Rate(per_second=3_000, burst=3_000)
"""What the stage lets through to the route of messages."""
CONNECTION = Rate(per_second=10, burst=20)
TENANT = Rate(per_second=200, burst=1_000)
NO_LIMIT = Rate(per_second=1_000_000, burst=1_000_000)
CONNECTS = Rate(per_second=50, burst=500)
PROCESSES = 8
TICK_MS = 100
SOCKETS = 400
QUIET_TENANTS = 100
"""Each sends two messages per second."""


@dataclass
class Stage:
    """A gateway: the throttle of its route, and the message Lambdas behind it."""

    tenant_rate: Rate
    now_ms: int = NOW
    full_at: int = 0
    connects_full_at: int = 0
    buckets: TenantBuckets = field(default_factory=lambda: TenantBuckets(SOCKETS))
    connections: Connections = field(init=False)
    numbers: count[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.connections = Connections([], lambda: self.now_ms)
        self.budgets = [MessageBudget(self.buckets, self.tenant_rate) for _ in range(PROCESSES)]

    def connect(self, tenant_id: str) -> ConnectionKey | None:
        """Open a connection, if the tenant may."""
        now_us = self.now_ms * 1_000
        if tenant_id == "t_attacker":
            if CONNECTS.wait_us(self.connects_full_at, now_us):
                return None
            self.connects_full_at = max(self.connects_full_at, now_us) + CONNECTS.interval_us
        key = ConnectionKey(tenant_id, f"conn-{next(self.numbers)}")
        self.connections.put(Connection(key, self.now_ms, EXPIRES_AT))
        return key

    def send(self, key: ConnectionKey) -> str:
        """How a ping is answered: by its type, by `throttled` where the stage does not let it through, or `closed`."""
        now_us = self.now_ms * 1_000
        if STAGE.wait_us(self.full_at, now_us):
            return "throttled"
        self.full_at = max(self.full_at, now_us) + STAGE.interval_us
        number = next(self.numbers)
        session = Session(
            key,
            self.connections,
            None,
            Poster,
            CONNECTION,
            self.budgets[number % PROCESSES],
            LIMITS,
            max_user_connections=20,
            now_ms=lambda: self.now_ms,
            monotonic=time.monotonic,
        )
        frame = session.reply('{"action":"ping"}', f"{number:013}#message")
        return "closed" if frame is None else frame["type"]


@dataclass
class Outcome:
    """What became of the messages during an attack."""

    quiet: list[str] = field(default_factory=list[str])
    attack: list[str] = field(default_factory=list[str])

    @property
    def last_ten_seconds(self) -> list[str]:
        """The attacker's messages that reached the stage, once the bursts that a tenant may have are used up."""
        return [answer for answer in self.attack[-10 * SOCKETS * 1_000 // TICK_MS :] if answer != "no connection"]


def attack(tenant_rate: Rate, seconds: int) -> Outcome:
    """Each of the attacker's sockets sends ten messages per second, and is replaced as soon as it is closed."""
    stage, outcome = Stage(tenant_rate), Outcome()
    sockets = [stage.connect("t_attacker") for _ in range(SOCKETS)]
    quiet = [[stage.connect(f"t_{number}") for number in range(QUIET_TENANTS)] for _ in range(2)]
    ticks_per_second = 1_000 // TICK_MS
    for tick in range(seconds * ticks_per_second):
        stage.now_ms += TICK_MS
        for index, socket in enumerate(sockets):
            key = socket or stage.connect("t_attacker")
            answer = stage.send(key) if key else "no connection"
            sockets[index] = None if answer == "closed" else key
            outcome.attack.append(answer)
        for number in range(QUIET_TENANTS):
            for row in quiet:
                key = row[number]
                if key and number % ticks_per_second == tick % ticks_per_second:
                    outcome.quiet.append(stage.send(key))
    return outcome


def test_four_hundred_sockets_of_one_tenant_do_not_use_up_the_stage() -> None:
    outcome = attack(TENANT, seconds=30)

    assert set(outcome.quiet) == {"pong"}
    assert "throttled" not in outcome.attack
    assert len(outcome.last_ten_seconds) < 0.6 * 10 * STAGE.per_second
    accepted = outcome.last_ten_seconds.count("pong")
    assert accepted <= 10 * TENANT.per_second + PROCESSES * 10


def test_without_the_tenants_limit_they_would() -> None:
    """That the test above can fail: each socket keeps to the rate of a connection, so nothing else stops them."""
    outcome = attack(NO_LIMIT, seconds=30)

    assert "throttled" in outcome.quiet
    assert set(outcome.attack) <= {"pong", "throttled"}
