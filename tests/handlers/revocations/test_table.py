from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from formbridge.access.principal import Principal
from formbridge.revocations.revocation import FOREVER, Kind, Revocation, Revocations, Target
from formbridge.revocations.table import RevocationsTable
from formbridge.runtime.batch_read import ItemsUnread
from tests.support.handlers.region import REVOCATIONS

if TYPE_CHECKING:
    from tests.support.handlers.region import Region

PRINCIPAL = Principal("u1", "s1", "k1")
USER = Target(Kind.USER, "u1")
SESSION = Target(Kind.SESSION, "s1")
REVOKED, BLOCKED = Revocation(5, FOREVER), Revocation(1, 2, FOREVER)


@pytest.fixture
def table(region: Region) -> RevocationsTable:
    return RevocationsTable(region.dynamodb, REVOCATIONS)


def test_the_revocations_of_a_connection_are_found_and_no_others(region: Region, table: RevocationsTable) -> None:
    region.revoke(USER, REVOKED)
    region.revoke(SESSION, BLOCKED)
    region.revoke(Target(Kind.USER, "u2"), BLOCKED)
    region.revoke(Target(Kind.TENANT, "t_globex"), BLOCKED)

    assert table.find("t_acme", PRINCIPAL) == Revocations({USER: REVOKED, SESSION: BLOCKED})
    assert table.find("t_acme", Principal()) == Revocations({})


def test_all_are_read_without_audit_items_page_by_page(region: Region, table: RevocationsTable) -> None:
    targets = [Target(Kind.USER, f"u{number}") for number in range(5)]
    for target in targets:
        region.revoke(target, REVOKED)
        audit: Any = {"PK": {"S": target.key}, "SK": {"S": "AUDIT#2026#1"}, "reason": {"S": "why"}}
        region.dynamodb.put_item(TableName=REVOCATIONS, Item=audit)

    def limit(params: dict[str, Any], **_: object) -> None:
        params["Limit"] = 2

    with region.on("provide-client-params.dynamodb.Scan", limit):
        assert table.read_all() == Revocations(dict.fromkeys(targets, REVOKED))


def test_the_reads_for_a_connection_are_consistent(region: Region, table: RevocationsTable) -> None:
    asked: list[Any] = []

    def note(params: dict[str, Any], **_: object) -> None:
        asked.append(params)

    with region.on("provide-client-params.dynamodb.BatchGetItem", note):
        table.find("t_acme", PRINCIPAL)
    assert [params["RequestItems"][REVOCATIONS]["ConsistentRead"] for params in asked] == [True]


def test_what_is_not_returned_at_all_is_an_error_and_no_permission(region: Region, table: RevocationsTable) -> None:
    def withhold(parsed: dict[str, Any], **_: object) -> None:
        keys = [{"PK": {"S": SESSION.key}, "SK": {"S": "REVOCATION"}}]
        parsed["Responses"], parsed["UnprocessedKeys"] = {}, {REVOCATIONS: {"Keys": keys}}

    with region.on("after-call.dynamodb.BatchGetItem", withhold), pytest.raises(ItemsUnread):
        table.find("t_acme", PRINCIPAL)
