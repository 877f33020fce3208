from __future__ import annotations

from typing import TYPE_CHECKING

from formbridge.connections.tenant_row import MAX_CONNECTION_MS, QUARTER_MS, TenantRow
from tests.support.handlers.builders import NOW

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef

QUARTER = NOW // QUARTER_MS
OVER_MS = (QUARTER + 1) * QUARTER_MS + MAX_CONNECTION_MS
"""The time at which every connection of NOW's quarter of an hour has ended."""


def test_a_quarter_leaks_once_all_its_connections_must_have_ended() -> None:
    tenant = TenantRow("t_acme", 5, 0, {QUARTER: 2, QUARTER + 1: 3})
    assert list(tenant.find_leaks(OVER_MS - 1)) == []
    assert list(tenant.find_leaks(OVER_MS)) == [(QUARTER, 2)]
    assert list(tenant.find_leaks(OVER_MS + QUARTER_MS)) == [(QUARTER, 2), (QUARTER + 1, 3)]


def test_a_connection_of_two_hours_that_came_in_the_last_moment_of_its_quarter_is_no_leak() -> None:
    last_moment = (QUARTER + 1) * QUARTER_MS - 1
    assert list(TenantRow("t_acme", 1, 0, {QUARTER: 1}).find_leaks(last_moment + 2 * 3600 * 1000)) == []


def test_a_row_without_attributes_is_an_empty_tenant_with_one_shard() -> None:
    row: dict[str, AttributeValueTypeDef] = {"PK": {"S": "TENANT#t_acme"}, "SK": {"S": "TENANT"}}
    assert TenantRow.from_row(row) == TenantRow("t_acme", connections=0, revoked_at=0, quarters={}, shards=1)
