from __future__ import annotations

import json
from typing import TYPE_CHECKING

from bench import fairness
from bench.fairness import ATTACKER, QUIET, Attack
from components._gateway_limits import DEFAULT_MAX_FILTERS_PER_TENANT
from formbridge.wire.subscription_filter import MAX_FILTER_COST, SubscriptionFilter

if TYPE_CHECKING:
    import pytest


def test_the_filters_of_the_attack_are_allowed_and_as_large_as_can_be() -> None:
    costs = [SubscriptionFilter.parse(dict(pattern), 4_096).cost for pattern in fairness.build_candidates()]
    assert max(costs) == MAX_FILTER_COST


def test_an_attacker_has_as_many_distinct_filters_as_a_tenant_may_have() -> None:
    for pattern in fairness.build_candidates():
        texts = fairness.build_texts(Attack("", 2 * DEFAULT_MAX_FILTERS_PER_TENANT, 1), pattern)[ATTACKER]
        filters = {SubscriptionFilter.parse(json.loads(text), 4_096) for text in texts}
        assert len(filters) == DEFAULT_MAX_FILTERS_PER_TENANT
        assert {wanted.cost for wanted in filters} == {SubscriptionFilter.parse(dict(pattern), 4_096).cost}
        assert all(
            wanted.matches(fairness.ATTACKED) == SubscriptionFilter(texts[0]).matches(fairness.ATTACKED)
            for wanted in filters
        )


def test_each_batch_is_compared_with_the_quiet_tenant_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fairness, "ATTACKS", (Attack("small", 10, 2, 3.0), Attack("large", 5_000, 1, 4.0)))
    section = fairness.measure(rounds=2)
    assert [row[0] for row in section.rows] == ["quiet tenant alone", "small", "large"]
    assert section.rows[0][3:] == (1.0, 1.0, 1.0)
    assert [row[-1] for row in section.rows] == [1.0, 3.0, 4.0]
    assert all(isinstance(cell, float) and cell > 0 for row in section.rows for cell in row[1:])


def test_the_quiet_tenant_is_served_by_the_same_invocation() -> None:
    assert (
        fairness.build_texts(None, {})[QUIET] == [json.dumps(fairness.USUAL, separators=(",", ":"), sort_keys=True)] * 5
    )
