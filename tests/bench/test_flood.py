from __future__ import annotations

import pytest

from bench import flood
from bench.flood import AFTER, ATTACKER, BEFORE, Attack, Bucket, Sample, Simulation
from components import _gateway_limits as limits
from formbridge.connections.rate_limit import Rate

SECONDS = 12
FLOOD = Attack("flood", 900, 50)
"""It sends 9,000 messages per second, and the stage takes 3,000."""


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
    late = [sample for sample in simulate(BEFORE, FLOOD).messages if 4 < sample.started < SECONDS - 1]
    assert flood.summarize(late).refused > 0.5


def test_with_them_the_sockets_are_closed_and_the_stage_is_free() -> None:
    after = simulate(AFTER, FLOOD)
    late = [sample for sample in after.messages if sample.started > 3]
    assert {sample.attempts for sample in late} == {1}


def test_after_a_flood_the_tenant_may_open_a_tenth_of_its_connections(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "DEFAULT_MAX_CONNECTIONS_PER_TENANT", 600)
    waves = Attack("waves", 600, 450, silence=SECONDS)
    assert 0 < simulate(AFTER, waves).count_connections(ATTACKER) <= 60
    assert simulate(BEFORE, waves).count_connections(ATTACKER) > 500


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
    assert (figures.refused, figures.refused_until) == (0.25, 2)


def test_each_attack_has_a_row_per_kind_of_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flood, "ATTACKS", (Attack("small", 5, 50),))
    section = flood.measure(seconds=4)
    kinds = ["messages", "handshakes"]
    assert [row[:2] for row in section.rows] == [(name, kind) for name in ("none", "small") for kind in kinds]
    assert all(len(row) == len(section.columns) for row in section.rows)
