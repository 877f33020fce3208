from __future__ import annotations

from collections import Counter

import pytest

from bench import attack
from bench.attack import Block, Run
from bench.attacker import Counts


def test_the_limits_have_the_same_ratio_to_a_machine_as_the_defaults_to_a_stage() -> None:
    assert attack.scale_limits(3_000) == attack.DEFAULTS
    assert attack.scale_limits(300) == {
        "tenantMessagesPerSecond": 20,
        "tenantMessageBurst": 100,
        "tenantConnectsPerSecond": 5,
        "tenantConnectBurst": 50,
    }
    assert min(attack.scale_limits(1).values()) == 1


def test_a_block_counts_what_the_gateway_refused() -> None:
    block = Block()
    for _ in range(2):
        replies = Counter(pong=60, subscribed=2, rate_limited=30, closed=5)
        block.add(Counts(2.0, replies, Counter(accepted=7, InvalidStatus=3)))
    assert block.requests == 200
    assert block.refused == 76
    assert block.requests_per_second == 50


def test_each_run_is_compared_with_its_own_blocks_without_an_attack() -> None:
    runs = [
        Run("none", Block([10.0] * 20, idle=[0.5]), {"flood": Block([30.0] * 20, 40, 10, 4.0, [0.0])}),
        Run("default", Block([20.0] * 20, idle=[0.5]), {"flood": Block([30.0] * 20, 40, 0, 4.0, [0.25])}),
    ]
    section = attack.build_section(runs, 10.0)
    assert [row[:5] for row in section.rows] == [
        ("none", "alone", "-", "-", "50%"),
        ("none", "flood", 10.0, "25%", "0%"),
        ("default", "alone", "-", "-", "50%"),
        ("default", "flood", 10.0, "0%", "25%"),
    ]
    assert [row[5:] for row in section.rows] == [
        (10.0, 10.0, 1.0, 1.0),
        (30.0, 30.0, pytest.approx(3.0), pytest.approx(3.0)),
        (20.0, 20.0, 1.0, 1.0),
        (30.0, 30.0, pytest.approx(1.5), pytest.approx(1.5)),
    ]
