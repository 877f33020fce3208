from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from formbridge.connections.connection import Reservation
from formbridge.connections.tenant_row import PERIOD_MS
from formbridge.connections.users import Users
from tests.support.handlers.builders import NOW
from tests.support.handlers.region import CONNECTIONS

if TYPE_CHECKING:
    from tests.support.handlers.region import Region

TTL = NOW // 1000 + 7_800
LIMIT = 2
PERIOD = NOW // PERIOD_MS


def reservation(connection_id: str, user: str = "u1") -> Reservation:
    return Reservation(connection_id, NOW, user)


@pytest.fixture
def users(region: Region) -> Users:
    return Users(region.dynamodb, CONNECTIONS)


def reserve(users: Users, connection_id: str, user: str = "u1", tenant_id: str = "t_acme") -> bool:
    return users.reserve(tenant_id, reservation(connection_id, user), TTL, LIMIT)


def members(region: Region, user: str = "u1") -> list[str]:
    return sorted((region.user("t_acme", user) or {}).get("connections", {}).get("SS", []))


def test_a_user_has_so_many_connections_and_no_more(region: Region, users: Users) -> None:
    assert [reserve(users, name) for name in ("a", "b", "c")] == [True, True, False]
    assert members(region) == [f"{PERIOD}#a", f"{PERIOD}#b"]
    assert (region.user("t_acme", "u1") or {})["ttl"] == {"N": str(TTL)}
    assert users.is_full("t_acme", "u1", LIMIT)
    assert not users.is_full("t_acme", "u1", LIMIT + 1)


def test_another_user_and_another_tenant_have_their_own(region: Region, users: Users) -> None:
    for name in ("a", "b"):
        assert reserve(users, name)
    assert reserve(users, "c", user="u2")
    assert reserve(users, "d", tenant_id="t_globex")
    assert not users.is_full("t_acme", "u2", LIMIT)
    assert not users.is_full("t_acme", "u3", LIMIT)


def test_a_write_that_is_repeated_counts_once(region: Region, users: Users) -> None:
    for _ in range(3):
        assert reserve(users, "a")
    assert reserve(users, "b")
    # It is reserved already, although the user is at the limit now.
    assert reserve(users, "a")
    assert members(region) == [f"{PERIOD}#a", f"{PERIOD}#b"]


def test_what_is_released_makes_room_however_often_it_is_released(region: Region, users: Users) -> None:
    for name in ("a", "b"):
        reserve(users, name)
    for _ in range(2):
        users.release("t_acme", [reservation("a")])
    assert members(region) == [f"{PERIOD}#b"]
    assert [reserve(users, name) for name in ("c", "d")] == [True, False]


def test_the_last_connection_leaves_an_empty_row_that_takes_another(region: Region, users: Users) -> None:
    reserve(users, "a")
    users.release("t_acme", [reservation("a")])
    assert members(region) == []
    assert not users.is_full("t_acme", "u1", 1)
    assert reserve(users, "b")


def test_many_are_released_with_one_write_per_user(region: Region, users: Users) -> None:
    reserve(users, "a")
    reserve(users, "b")
    reserve(users, "c", user="u2")
    writes: list[str] = []

    def note(event_name: str, **_: object) -> None:
        writes.append(event_name)

    ended = [reservation("a"), reservation("b"), reservation("c", "u2"), reservation("d", "")]
    with region.on("before-call.dynamodb.UpdateItem", note):
        users.release("t_acme", ended)
    assert (members(region), members(region, "u2"), len(writes)) == ([], [], 2)


def test_a_release_makes_no_row(region: Region, users: Users) -> None:
    users.release("t_acme", [reservation("a")])
    assert region.user("t_acme", "u1") is None


def test_a_connection_without_a_user_is_not_limited(region: Region, users: Users) -> None:
    assert all(reserve(users, f"conn-{number}", user="") for number in range(5))
    assert region.user("t_acme", "") is None
    assert not users.is_full("t_acme", "", 0)
