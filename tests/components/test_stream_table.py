"""`StreamTable`: one table, whose stream holds what every reader needs."""

from __future__ import annotations

import pytest

from components import SUBMISSION_RECORDS, StreamTable
from formbridge.filters import matches
from tests.handlers.region import INDEXED

from .harness import Recording, run
from .provider import arn, physical_name


@pytest.fixture(scope="module")
def recording() -> Recording:
    return run(lambda: StreamTable("submissions", {}))


def test_declares_one_table(recording: Recording) -> None:
    assert recording.children("submissions") == {("dynamodb/table:Table", "submissions-table")}


def test_its_stream_holds_each_item_as_it_was_and_as_it_is(recording: Recording) -> None:
    table = recording.inputs("submissions-table")

    assert table["streamEnabled"] is True
    assert table["streamViewType"] == "NEW_AND_OLD_IMAGES"


def test_is_paid_for_by_use_encrypted_recoverable_and_forgets_by_ttl(recording: Recording) -> None:
    table = recording.inputs("submissions-table")

    assert table["billingMode"] == "PAY_PER_REQUEST"
    assert table["serverSideEncryption"] == {"enabled": True}
    assert table["pointInTimeRecovery"] == {"enabled": True}
    assert table["ttl"] == {"attributeName": "ttl", "enabled": True}


def test_has_an_index_in_time_order_within_a_tenant_without_the_payload(recording: Recording) -> None:
    table = recording.inputs("submissions-table")

    assert (table["hashKey"], table["rangeKey"]) == ("PK", "SK")
    assert {one["name"]: one["type"] for one in table["attributes"]} == dict.fromkeys(
        ["PK", "SK", "GSI1PK", "GSI1SK"], "S"
    )
    (index,) = table["globalSecondaryIndexes"]
    assert (index["name"], index["hashKey"], index["rangeKey"]) == ("GSI1", "GSI1PK", "GSI1SK")
    assert index["projectionType"] == "INCLUDE"
    assert tuple(index["nonKeyAttributes"]) == INDEXED  # so the handlers' tests run on the index that is deployed


@pytest.mark.parametrize("protected", [True, False])
def test_refuses_to_be_deleted_where_it_is_told_to(protected: bool) -> None:
    recording = run(lambda: StreamTable("submissions", {"deletion_protection": protected}))

    assert recording.inputs("submissions-table")["deletionProtectionEnabled"] is protected


def test_can_be_deleted_by_default(recording: Recording) -> None:
    assert recording.inputs("submissions-table")["deletionProtectionEnabled"] is False


def test_registers_the_name_and_the_arns_of_table_and_stream(recording: Recording) -> None:
    name = physical_name("submissions-table")

    assert recording.registered("submissions") == {
        "table_name": name,
        "table_arn": arn("dynamodb", f"table/{name}"),
        "stream_arn": arn("dynamodb", f"table/{name}/stream/2026-11-22T20:00:00.000"),
    }


@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY", "REMOVE"])
def test_the_filter_for_submissions_passes_each_change_of_one(event_name: str) -> None:
    assert matches(SUBMISSION_RECORDS, {"eventName": event_name, "dynamodb": {"Keys": {"PK": {"S": "SUB#s_1"}}}})


def test_the_filter_for_submissions_passes_nothing_else() -> None:
    assert not matches(SUBMISSION_RECORDS, {"eventName": "INSERT", "dynamodb": {"Keys": {"PK": {"S": "TENANT#t_a"}}}})
