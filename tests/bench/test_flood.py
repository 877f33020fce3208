from __future__ import annotations

import pytest

from bench import flood
from bench.flood import AFTER, ATTACKER, BEFORE, Attack, Bucket, Sample, Simulation
from formbridge.connections.rate_limit import Rate

SECONDS = 12
FLOOD = Attack("flood", 300, 50)
"""It has no burst left after six seconds: it sends 3,000 messages per second."""


def simulate(tenant: flood.TenantLimits, attack: Attack | None, seconds: float = SECONDS) -> Simulation:
    simulation = Simulation(tenant, attack, seconds)
    simulation.run()
    return simulation


def test_nothing_is_refused_without_an_attack() -> None:
    alone = simulate(AFTER, None)
    samples = [*alone.messages, *alone.handshakes]
    assert {sample.attempts for sample in samples} == {1}
    assert len(alone.messages) == pytest.approx(SECONDS * flood.QUIET_CONNECTIONS, rel=0.1)


def test_without_a_tenants_limits_a_flood_uses_up_the_stage() -> None:
    late = [sample for sample in simulate(BEFORE, FLOOD).messages if 8 < sample.started < SECONDS - 1]
    assert flood.summarize(late).refused > 0.5


def test_with_them_the_sockets_are_closed_and_the_stage_is_free() -> None:
    after = simulate(AFTER, FLOOD)
    late = [sample for sample in after.messages if sample.started > 8]
    assert {sample.attempts for sample in late} == {1}


def test_the_attacker_never_has_more_sockets_than_it_is_given() -> None:
    for attack in (FLOOD, Attack("storm", 10, 450)):
        simulation = simulate(AFTER, attack, 3)
        assert 0 < simulation.count_connections(ATTACKER) <= attack.sockets


def test_a_bucket_has_tokens_again_when_it_says() -> None:
    bucket = Bucket(Rate(10, 2))
    assert bucket.take(0)
    assert bucket.take(0)
    assert not bucket.take(0)
    wait_us = bucket.wait_us(0)
    assert not bucket.take(wait_us - 1)
    assert bucket.take(wait_us)


def test_figures_are_milliseconds_and_the_share_that_was_refused_at_first() -> None:
    figures = flood.summarize([Sample(0, 0.02, 1), Sample(1, 0.02, 1), Sample(2, 1.5, 2), Sample(3, 0.02, 1)])
    assert figures.p50 == pytest.approx(20)
    assert 20 < figures.p99 <= 1_500
    assert figures.refused == 0.25


def test_each_attack_has_a_row_per_kind_of_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "ATTACKS", (Attack("small", 5, 50),))
    section = flood.measure(seconds=4, early=2)
    kinds = ["messages, early", "messages, later", "handshakes, early", "handshakes, later"]
    assert [row[:2] for row in section.rows] == [(name, kind) for name in ("none", "small") for kind in kinds]
    assert all(len(row) == len(section.columns) for row in section.rows)
