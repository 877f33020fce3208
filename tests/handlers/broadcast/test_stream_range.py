from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import pytest
from botocore.exceptions import ClientError
from botocore.stub import Stubber

from formbridge.broadcast.stream_range import (
    MAX_EMPTY_PAGES,
    MAX_LISTED_RECORDS,
    AffectedTenants,
    StreamReader,
    find_affected_tenants,
)
from formbridge.runtime.aws import client

if TYPE_CHECKING:
    from collections.abc import Generator

STREAM: Final = "arn:aws:dynamodb:us-east-1:123456789012:table/submissions/stream/2026-11-22T20:00:00.000"
SHARD: Final = "shardId-00000001790000000000-1234abcd"
BEFORE: Final = 300_000_000_000_000_000_000
"""Sequence numbers are this long; those of the tests are counted from here."""
RANGE: Final = f"records {BEFORE + 10} to {BEFORE + 12} of {SHARD} of {STREAM}"
DEAD_LETTER: Final = json.dumps(
    {
        "context": {"partnerResourceArn": "arn:aws:pipes:us-east-1:123456789012:pipe/p", "condition": "…"},
        "version": "1.0",
        "DDBStreamBatchInfo": {
            "shardId": SHARD,
            "startSequenceNumber": str(BEFORE + 10),
            "endSequenceNumber": str(BEFORE + 12),
            "batchSize": 3,
            "streamArn": STREAM,
        },
    }
)


def record(number: int, *tenants: str | None, key: str = "SUB#s1") -> dict[str, Any]:
    """A record whose images are of these tenants; None: of one that is not said."""
    images = [{} if tenant is None else {"tenant_id": {"S": tenant}} for tenant in tenants]
    change = {"SequenceNumber": str(BEFORE + number), "Keys": {"PK": {"S": key}, "SK": {"S": "META"}}}
    return {"dynamodb": {**change, **dict(zip(("NewImage", "OldImage"), images, strict=False))}}


@contextmanager
def stream(*pages: list[dict[str, Any]], ends: bool = False) -> Generator[StreamReader]:
    """A shard whose pages are read from sequence number 10 on, and which `ends` after them."""
    api = client("dynamodbstreams")
    with Stubber(api) as stubber:
        stubber.add_response(
            "get_shard_iterator",
            {"ShardIterator": "page-1"},
            {
                "StreamArn": STREAM,
                "ShardId": SHARD,
                "ShardIteratorType": "AT_SEQUENCE_NUMBER",
                "SequenceNumber": str(BEFORE + 10),
            },
        )
        for number, page in enumerate(pages, 1):
            following = {} if ends and number == len(pages) else {"NextShardIterator": f"page-{number + 1}"}
            stubber.add_response("get_records", {"Records": page, **following}, {"ShardIterator": f"page-{number}"})
        yield StreamReader(api)
        stubber.assert_no_pending_responses()


@pytest.fixture(autouse=True)
def in_a_region(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


def test_the_tenants_of_the_range_are_found_and_no_others() -> None:
    with stream(
        [record(10, "t_acme"), record(11, "t_globex", "t_initech")],
        [],
        [record(12, "t_acme"), record(13, "t_umbrella")],
    ) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(
            frozenset({"t_acme", "t_globex", "t_initech"})
        )


def test_nothing_is_read_beyond_the_range() -> None:
    with stream([record(10, "t_acme"), record(12, "t_globex")]) as read:
        assert find_affected_tenants(DEAD_LETTER, read).tenant_ids == {"t_acme", "t_globex"}


def test_a_record_beyond_the_range_ends_it_and_is_not_of_it() -> None:
    with stream([record(10, "t_acme"), record(13, "t_umbrella")]) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(frozenset({"t_acme"}))


def test_a_shard_may_end_with_the_range() -> None:
    with stream([record(10, "t_acme"), record(12, "t_acme")], ends=True) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(frozenset({"t_acme"}))


def test_empty_pages_say_nothing_of_what_follows() -> None:
    empty: list[list[dict[str, Any]]] = [[]] * (MAX_EMPTY_PAGES - 1)
    with stream(*empty, [record(10, "t_acme")], *empty, [record(12, "t_globex")]) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(frozenset({"t_acme", "t_globex"}))


@pytest.mark.parametrize(
    ("pages", "ends"),
    [
        ([[record(10, "t_acme")]], True),
        ([[record(10, "t_acme")], *[[]] * MAX_EMPTY_PAGES], False),
    ],
    ids=["a shard that is closed", "a shard that may go on"],
)
def test_a_range_that_ends_where_no_record_is_is_told_and_the_tenants_that_were_found_are(
    pages: list[list[dict[str, Any]]], ends: bool
) -> None:
    with stream(*pages, ends=ends) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(
            frozenset({"t_acme"}), f"{RANGE}: the stream ended before {BEFORE + 12}"
        )


def test_all_that_is_the_matter_with_a_range_is_told() -> None:
    with stream([record(10, "t_acme"), record(11, None)], ends=True) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(
            frozenset({"t_acme"}),
            f"{RANGE}: the stream ended before {BEFORE + 12}; {BEFORE + 11} have no valid tenant_id",
        )


@pytest.mark.parametrize("tenant", [None, "", "a#b", "t_" + "x" * 65, "t_a/b"])
def test_a_submission_that_names_no_tenant_is_told_with_its_place_and_the_others_tenants_are_found(
    tenant: str | None,
) -> None:
    problem = f"{RANGE}: {BEFORE + 11} have no valid tenant_id"
    with stream([record(10, "t_acme"), record(11, tenant), record(12, "t_acme")]) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(frozenset({"t_acme"}), problem)


def test_of_many_that_name_no_tenant_the_first_are_named_and_all_are_counted() -> None:
    """The notification that says it takes 256 KB, and a batch may have 10,000 records."""
    last = 10 + MAX_LISTED_RECORDS + 2
    body = DEAD_LETTER.replace(str(BEFORE + 12), str(BEFORE + last))
    with stream([record(number, None) for number in range(10, last + 1)]) as read:
        problem = find_affected_tenants(body, read).problem or ""
    assert f"{BEFORE + 10}, {BEFORE + 11}, " in problem
    assert problem.endswith(f", {BEFORE + 10 + MAX_LISTED_RECORDS - 1} and 3 more have no valid tenant_id")


def test_a_table_with_other_keys_holds_nothing_but_submissions() -> None:
    ours, nameless = record(10, "t_acme"), record(12, None)
    for each in (ours, nameless):
        each["dynamodb"]["Keys"] = {"order_id": {"S": "1"}}
    with stream([ours, nameless]) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(
            frozenset({"t_acme"}), f"{RANGE}: {BEFORE + 12} have no valid tenant_id"
        )


def test_what_is_no_submission_was_not_the_pipes_to_deliver() -> None:
    with stream([record(10, key="USER#1"), record(12, "t_acme")]) as read:
        assert find_affected_tenants(DEAD_LETTER, read) == AffectedTenants(frozenset({"t_acme"}))


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("TrimmedDataAccessException", "the stream no longer has the records, it keeps them for 24 hours"),
        ("ResourceNotFoundException", "the stream or its shard no longer exists"),
        ("ValidationException", "DynamoDB rejected the position in the stream as invalid"),
    ],
)
def test_a_range_that_the_stream_has_no_more_is_told_with_its_place(code: str, why: str) -> None:
    api = client("dynamodbstreams")
    with Stubber(api) as stubber:
        stubber.add_client_error("get_shard_iterator", code)
        assert find_affected_tenants(DEAD_LETTER, StreamReader(api)) == AffectedTenants(problem=f"{RANGE}: {why}")


def test_the_tenants_that_were_found_before_a_stream_forgot_the_rest_are_told() -> None:
    api = client("dynamodbstreams")
    with Stubber(api) as stubber:
        stubber.add_response("get_shard_iterator", {"ShardIterator": "page-1"})
        stubber.add_response("get_records", {"Records": [record(10, "t_acme")], "NextShardIterator": "page-2"})
        stubber.add_client_error("get_records", "TrimmedDataAccessException")
        assert find_affected_tenants(DEAD_LETTER, StreamReader(api)) == AffectedTenants(
            frozenset({"t_acme"}), f"{RANGE}: the stream no longer has the records, it keeps them for 24 hours"
        )


def test_a_stream_that_cannot_be_read_now_is_tried_again() -> None:
    api = client("dynamodbstreams")
    with Stubber(api) as stubber:
        stubber.add_client_error("get_shard_iterator", "AccessDeniedException")
        with pytest.raises(ClientError):
            find_affected_tenants(DEAD_LETTER, StreamReader(api))


def test_a_dead_letter_that_names_no_place_in_a_stream_is_told() -> None:
    range_ = f"records {BEFORE + 10} to {BEFORE + 12} of no-shard of {STREAM}"
    problem = f"{range_}: DynamoDB rejected the position in the stream as invalid"
    body = DEAD_LETTER.replace(SHARD, "no-shard")
    assert find_affected_tenants(body, StreamReader(client("dynamodbstreams"))) == AffectedTenants(problem=problem)


@pytest.mark.parametrize(
    ("field", "value", "problem"),
    [
        ("streamArn", None, "must match [A-Za-z0-9:/._-]{1,1024}, got None"),
        ("streamArn", "", "must match [A-Za-z0-9:/._-]{1,1024}, got ''"),
        ("shardId", 7, "must match [A-Za-z0-9:/._-]{1,1024}, got 7"),
        ("shardId", "\ud800", r"must match [A-Za-z0-9:/._-]{1,1024}, got '\ud800'"),
        ("startSequenceNumber", None, "must match [0-9]{1,40}, got None"),
        ("startSequenceNumber", 5, "must match [0-9]{1,40}, got 5"),
        ("startSequenceNumber", "-1", "must match [0-9]{1,40}, got '-1'"),
        ("endSequenceNumber", "abc", "must match [0-9]{1,40}, got 'abc'"),
        ("endSequenceNumber", "٣", "must match [0-9]{1,40}, got '٣'"),
        ("endSequenceNumber", None, "must match [0-9]{1,40}, got None"),
        ("endSequenceNumber", str(BEFORE), f"must be at least startSequenceNumber {BEFORE + 10}, got {BEFORE}"),
    ],
)
def test_a_part_of_a_range_that_is_none_is_told_by_its_name(field: str, value: object, problem: str) -> None:
    told = json.loads(DEAD_LETTER)
    told["DDBStreamBatchInfo"][field] = value
    found = find_affected_tenants(json.dumps(told), StreamReader(client("dynamodbstreams")))
    assert found == AffectedTenants(problem=f"{field}: {problem}")


def test_a_range_may_be_one_record() -> None:
    body = DEAD_LETTER.replace(str(BEFORE + 12), str(BEFORE + 10))
    with stream([record(10, "t_acme")]) as read:
        assert find_affected_tenants(body, read) == AffectedTenants(frozenset({"t_acme"}))


@pytest.mark.parametrize(
    "body",
    [
        *("", "no JSON", "[]", "null", "{}", '{"DDBStreamBatchInfo": {}}', '{"DDBStreamBatchInfo": 1}'),
        pytest.param("[" * 200_000, id="very deep"),
    ],
)
def test_what_is_no_dead_letter_of_such_a_pipe_is_told(body: str) -> None:
    problem = "the message is not a dead letter of a pipe from a DynamoDB stream"
    assert find_affected_tenants(body, StreamReader(client("dynamodbstreams"))) == AffectedTenants(problem=problem)
