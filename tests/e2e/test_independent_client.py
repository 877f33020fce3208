"""A client that was written from docs/protocol.md alone ends with what the table holds.

Its author saw that page and nothing else of this project. Two tenants use the same submission ids, connections drop,
and filters change, while the gateway processes the frames of a connection in random order.
"""

from __future__ import annotations

import random
import time
from contextlib import ExitStack, closing
from typing import TYPE_CHECKING, Any

import pytest

from formbridge.runtime.clock import now_ms
from formbridge.runtime.timestamps import to_iso
from formbridge.submissions.submission import Submission, is_pending
from formbridge.wire.subscription_filter import SubscriptionFilter
from tests.support.convergence.world import FILTERS, FORMS, STATUSES
from tests.support.e2e.client import PATIENCE, Producer, aws
from tests.support.e2e.independent_client import IndependentClient

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from local.stack import Stack

# What a client ends with is the same whatever the Lambdas' roles allow.
pytestmark = pytest.mark.parametrize("enforce_iam", [False], ids=["iam-off"], indirect=True)

HISTORIES = 20
STEPS = 30
NAMES = "abcd"
STABLE_CHECKS = 5
"""How often in a row the views equal the table, because the last events may be on their way."""


class Table:
    """The submissions of a test's tenants: events that change them, and what the table holds."""

    def __init__(self, stack: Stack, producer: Producer, chance: random.Random) -> None:
        self._dynamodb = aws(stack, "dynamodb")
        self._name = stack.output("table_name")
        self._producer = producer
        self._chance = chance

    def change(self, tenant: str) -> None:
        """Send an event: a submission, a change of one field, or a deletion. Or remove an item by hand."""
        name = self._chance.choice(NAMES)
        ids: dict[str, object] = {"tenant_id": tenant, "submission_id": name}
        match self._chance.randrange(6):
            case 0 | 1:
                status = self._chance.choice(STATUSES[:-1])
                form = self._chance.choice(FORMS)
                self._producer.put("submission.received", {**ids, "form_id": form, "status": status})
            case 2 | 3:
                at = to_iso(now_ms())
                status = self._chance.choice(STATUSES[:-1])
                self._producer.put("submission.updated", {**ids, "status": status, "updated_at": at})
            case 4:
                self._producer.put("submission.updated", {**ids, "status": "deleted"})
            case _:
                self._dynamodb.delete_item(TableName=self._name, Key=self._key(tenant, name))

    def read(self, tenant: str, pattern: Mapping[str, Any] | None) -> dict[str, tuple[int, int, str]]:
        """Return incarnation, version and status of what a dashboard with this filter shows."""
        wanted = SubscriptionFilter.parse(pattern, 4_096) if pattern else None
        return {
            held.submission_id: (held.incarnation, held.version, held.status)
            for held in self._held(tenant)
            if not held.is_deleted and (wanted is None or wanted.matches(held))
        }

    def _held(self, tenant: str) -> Iterator[Submission]:
        for name in NAMES:
            found = self._dynamodb.get_item(TableName=self._name, Key=self._key(tenant, name), ConsistentRead=True)
            if "Item" in found and not is_pending(found["Item"]):
                yield Submission.from_item(found["Item"])

    @staticmethod
    def _key(tenant: str, name: str) -> dict[str, Any]:
        return {"PK": {"S": f"SUB#{tenant}#{name}"}, "SK": {"S": "META"}}


def shown(client: IndependentClient) -> dict[str, tuple[int, int, str]]:
    return {name: (data["incarnation"], data["version"], data["status"]) for name, data in client.view().items()}


@pytest.mark.parametrize("number", range(HISTORIES))
def test_an_independent_client_ends_with_what_the_table_holds(
    stack: Stack, producer: Producer, token: Callable[..., str], tenant: str, number: int
) -> None:
    chance = random.Random(number)
    table = Table(stack, producer, chance)
    tenants = (tenant, f"{tenant}-b")
    tokens = {name: token(name) for name in tenants}
    filters = {index: chance.choice(FILTERS) for index in range(3)}
    owners = (tenants[0], tenants[0], tenants[1])
    with ExitStack() as open_clients:
        clients = [
            open_clients.enter_context(
                closing(
                    IndependentClient(
                        stack.output("websocket_url"),
                        lambda owner=owner: tokens[owner],
                        filters[index],
                        max_wait_seconds=0.5,
                    )
                )
            )
            for index, owner in enumerate(owners)
        ]
        for _ in range(STEPS):
            index = chance.randrange(3)
            match chance.randrange(8):
                case 0:
                    clients[index].drop()
                case 1:
                    filters[index] = chance.choice(FILTERS)
                    clients[index].set_filter(filters[index])
                case 2:
                    time.sleep(chance.random() / 10)  # so that some frames come before the next step
                case _:
                    table.change(chance.choice(tenants))
        deadline = time.monotonic() + 2 * PATIENCE
        equal_for = 0
        while equal_for < STABLE_CHECKS:
            time.sleep(0.2)
            views = [shown(client) for client in clients]
            expected = [table.read(owner, filters[index]) for index, owner in enumerate(owners)]
            equal_for = equal_for + 1 if views == expected else 0
            assert time.monotonic() < deadline, (views, expected, [client.is_settled() for client in clients])
        for client, owner in zip(clients, owners, strict=True):
            assert client.errors == []
            assert {data["tenant_id"] for data in client.view().values()} <= {owner}
