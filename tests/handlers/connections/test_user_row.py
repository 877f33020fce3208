from __future__ import annotations

from typing import TYPE_CHECKING

from formbridge.connections.connection import Reservation
from formbridge.connections.tenant_row import PERIOD_MS
from formbridge.connections.user_row import Member, UserRow

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef


def test_a_member_is_a_connection_and_the_period_in_which_it_was_made() -> None:
    member = Member.of(Reservation("conn#1=", 7 * PERIOD_MS + 5))
    assert (member, str(member)) == (Member(7, "conn#1="), "7#conn#1=")
    assert Member.parse(str(member)) == member


def test_a_row_says_whose_it_is_and_which_connections_are_reserved() -> None:
    key: dict[str, AttributeValueTypeDef] = {"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "USER#ab12"}}
    assert UserRow.from_row({**key, "connections": {"SS": ["7#a", "8#b"]}}) == UserRow(
        "t_acme", "ab12", frozenset({Member(7, "a"), Member(8, "b")})
    )
    assert UserRow.from_row(key) == UserRow("t_acme", "ab12", frozenset())
