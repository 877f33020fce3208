"""`StreamTable`: one table, whose stream holds what every reader needs."""

from __future__ import annotations

from typing import Any

import pulumi
import pytest

from components import SUBMISSION_RECORDS, StreamTable, StreamTableArgs
from formbridge.wire.event_matcher import matches
from tests.support.components.harness import Recording, refusal, run
from tests.support.components.provider import arn, physical_name
from tests.support.handlers.region import INDEXED


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
    assert index["name"] == "GSI1"
    assert index["keySchemas"] == [
        {"attributeName": "GSI1PK", "keyType": "HASH"},
        {"attributeName": "GSI1SK", "keyType": "RANGE"},
    ]
    assert index["projectionType"] == "INCLUDE"
    assert tuple(index["nonKeyAttributes"]) == INDEXED  # so the handlers' tests run on the index that is deployed


@pytest.mark.parametrize("protected", [True, False])
def test_refuses_to_be_deleted_where_it_is_told_to(protected: bool) -> None:
    recording = run(lambda: StreamTable("submissions", {"deletion_protection": protected}))

    assert recording.inputs("submissions-table")["deletionProtectionEnabled"] is protected
    assert recording.one("submissions-table").protected is protected


def test_the_protection_is_known_when_the_program_runs() -> None:
    """An option of a resource is no Output."""
    later: Any = pulumi.Output.from_input

    def declare() -> None:
        StreamTable("submissions", {"deletion_protection": later(True)})

    assert refusal(declare).startswith("deletion_protection: must be true or false and not an Output, got ")


def test_can_be_deleted_by_default(recording: Recording) -> None:
    assert recording.inputs("submissions-table")["deletionProtectionEnabled"] is False


def test_registers_the_name_and_the_arns_of_table_and_stream(recording: Recording) -> None:
    name = physical_name("submissions-table")

    assert recording.registered("submissions") == {
        "table_name": name,
        "table_arn": arn("dynamodb", f"table/{name}"),
        "stream_arn": arn("dynamodb", f"table/{name}/stream/2026-11-22T20:00:00.000"),
    }


@pytest.mark.parametrize(
    ("args", "keys"),
    [
        ({"hash_key": "order_id"}, ["order_id"]),
        ({"hash_key": "customer_id", "range_key": "order_id"}, ["customer_id", "order_id"]),
        ({"hash_key": "PK"}, ["PK", "SK"]),
        ({"range_key": "revision"}, ["PK", "revision"]),
        ({"range_key": None}, ["PK"]),
    ],
)
def test_its_keys_may_have_other_names_beside_the_same_index(args: StreamTableArgs, keys: list[str]) -> None:
    table = run(lambda: StreamTable("orders", args)).inputs("orders-table")

    assert [table.get("hashKey"), table.get("rangeKey")] == [*keys, None][:2]
    assert [one["name"] for one in table["attributes"]] == [*keys, "GSI1PK", "GSI1SK"]
    assert table["globalSecondaryIndexes"][0]["keySchemas"][0] == {"attributeName": "GSI1PK", "keyType": "HASH"}


def test_a_key_is_in_the_index_without_being_asked_for() -> None:
    table = run(lambda: StreamTable("orders", {"hash_key": "submission_id"})).inputs("orders-table")

    assert set(table["globalSecondaryIndexes"][0]["nonKeyAttributes"]) == set(INDEXED) - {"submission_id"}


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"hash_key": ""}, "hash_key: must have 1 to 255 characters, got ''"),
        ({"hash_key": "k" * 256}, "hash_key: must have 1 to 255 characters, got 'kkk"),
        ({"hash_key": "id", "range_key": ""}, "range_key: must have 1 to 255 characters, got ''"),
        (
            {"hash_key": "GSI1PK"},
            "hash_key: must not be one of the reserved names GSI1PK, GSI1SK, version, incarnation, ttl, got",
        ),
        (
            {"range_key": "version"},
            "range_key: must not be one of the reserved names GSI1PK, GSI1SK, version, incarnation, ttl, got 'version'",
        ),
        ({"hash_key": "id", "range_key": "id"}, "range_key: must differ from hash_key, got 'id'"),
        ({"range_key": "PK"}, "range_key: must differ from hash_key, got 'PK'"),
    ],
)
def test_keys_that_dynamodb_would_refuse_are_refused(args: Any, message: str) -> None:
    assert refusal(lambda: StreamTable("orders", args)).startswith(message)


@pytest.mark.parametrize("event_name", ["INSERT", "MODIFY", "REMOVE"])
def test_the_filter_for_submissions_passes_each_change_of_one(event_name: str) -> None:
    assert matches(SUBMISSION_RECORDS, {"eventName": event_name, "dynamodb": {"Keys": {"PK": {"S": "SUB#s_1"}}}})


def test_the_filter_for_submissions_passes_nothing_else() -> None:
    assert not matches(SUBMISSION_RECORDS, {"eventName": "INSERT", "dynamodb": {"Keys": {"PK": {"S": "TENANT#t_a"}}}})
