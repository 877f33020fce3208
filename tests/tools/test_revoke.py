from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from formbridge.revocations.revocation import Kind, Target
from tests.support.handlers.principals import HASHES
from tools.revoke import Closing, close, find_presence

if TYPE_CHECKING:
    from tests.support.tools.access import AccessStack

ADA = HASHES.hash_user("ada")


@pytest.fixture(autouse=True)
def connected(access: AccessStack) -> None:
    access.connect("a1", session="s1", token_id="k1")
    access.connect("a2")
    access.connect("a3", tenant_id="t_globex")
    access.connect("e1", "eve")


@pytest.mark.parametrize(
    ("target", "expected"),
    [
        (Target(Kind.TENANT, "t_acme"), {"a1", "a2", "e1"}),
        (Target(Kind.USER, ADA), {"a1", "a2", "a3"}),
        (Target(Kind.USER, ADA, "t_acme"), {"a1", "a2"}),
        (Target(Kind.SESSION, "s1"), {"a1"}),
        (Target(Kind.TOKEN, "k1"), {"a1"}),
    ],
)
def test_a_target_has_its_connections(access: AccessStack, target: Target, expected: set[str]) -> None:
    found = find_presence(access.connections_table, target)
    assert {row.connection_id for row in found.connections} == expected
    assert found.is_known


@pytest.mark.parametrize(
    "target",
    [
        Target(Kind.TENANT, "t_acme2"),
        Target(Kind.USER, HASHES.hash_user("mallory")),
        Target(Kind.USER, HASHES.hash_user("eve"), "t_globex"),
        Target(Kind.SESSION, ADA),
        Target(Kind.TOKEN, "s1"),
    ],
)
def test_what_the_table_does_not_have_is_not_known(access: AccessStack, target: Target) -> None:
    found = find_presence(access.connections_table, target)
    assert (found.is_known, list(found.connections)) == (False, [])


def test_a_tenant_and_a_user_are_known_while_nobody_is_connected(access: AccessStack) -> None:
    for row in list(access.connections_table.list_connections("t_acme")):
        access.connections_table.remove(row.key)
    for target in (Target(Kind.TENANT, "t_acme"), Target(Kind.USER, HASHES.hash_user("eve"))):
        found = find_presence(access.connections_table, target)
        assert (found.is_known, list(found.connections)) == (True, [])


def test_connections_are_told_closed_and_forgotten(access: AccessStack) -> None:
    access.statuses.update(a2=410)
    rows = find_presence(access.connections_table, Target(Kind.USER, ADA, "t_acme")).connections
    steps: list[int] = []
    endpoint = access.values["management_endpoint"]
    assert close(rows, access.connections_table, endpoint, steps.append) == Closing(2, [])
    assert (access.open(), sum(steps)) == ({"a3", "e1"}, 2)
    told = [(method, body) for method, path, body in access.server.requests if path.endswith("/a1")]
    assert [method for method, _ in told] == ["POST", "DELETE"]
    assert json.loads(told[0][1]) == {"type": "disconnect", "code": "revoked", "reconnect": True}


def test_those_that_fail_do_not_stop_the_others_and_are_named(access: AccessStack) -> None:
    access.statuses.update(a1=403, a2=429)
    rows = find_presence(access.connections_table, Target(Kind.TENANT, "t_acme")).connections
    closing = close(rows, access.connections_table, access.values["management_endpoint"], lambda _: None)
    assert closing.closed == 1
    assert sorted(failure.partition(":")[0] for failure in closing.failures) == ["a1", "a2"]
    assert access.open() == {"a1", "a2", "a3"}
