"""The whole pipeline with real sockets: what a dashboard sees of what happens on the bus."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from tests.e2e.conftest import ROOT, local
from tests.support.e2e.client import PATIENCE, Producer, aws, dashboard
from tools.client import extract_updates

if TYPE_CHECKING:
    from pathlib import Path

    from local.stack import Stack

Mint = Callable[..., str]

without_iam = pytest.mark.parametrize("enforce_iam", [False], ids=["iam-off"], indirect=True)
"""The emulator lets a role read a stream only where its policy says `Resource: "*"`, and a Lambda's says which one."""


def test_a_submission_reaches_the_dashboard_within_five_seconds(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with dashboard(stack, token(tenant)) as client:
        submission_id = producer.received(tenant, "contact")
        frame = client.receive(timeout=5)

    assert frame["type"] == "submission_update"
    assert frame["event"] == "insert"
    data = frame["data"]
    assert data["submission_id"] == submission_id
    assert data == {
        "tenant_id": tenant,
        "submission_id": submission_id,
        "form_id": "contact",
        "status": "processing",
        "version": 1,
        "incarnation": data["incarnation"],
        "submitted_at": data["submitted_at"],
        "updated_at": data["updated_at"],
        "timestamp": data["updated_at"],
        "message": "New form submission received",
        "event": "insert",
    }
    assert isinstance(frame["timestamp"], int)
    assert isinstance(frame["cursor"], str)


def test_every_one_of_200_submissions_arrives(stack: Stack, producer: Producer, token: Mint, tenant: str) -> None:
    with dashboard(stack, token(tenant), snapshot=0) as client:
        sent = {producer.received(tenant) for _ in range(200)}
        client.until_held(lambda held: held.keys() >= sent)

    assert client.held.keys() == sent


def test_a_change_of_status_arrives_as_the_next_version(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with dashboard(stack, token(tenant)) as client:
        submission_id = producer.received(tenant)
        client.until_held(lambda held: submission_id in held)
        producer.updated(tenant, submission_id, "approved")
        client.until_held(lambda held: held[submission_id]["version"] == 2)

    assert client.held[submission_id]["status"] == "approved"
    assert client.held[submission_id]["event"] == "modify"


def test_two_tenants_never_see_each_other(stack: Stack, producer: Producer, token: Mint, tenant: str) -> None:
    other = f"{tenant}-other"
    with dashboard(stack, token(tenant)) as mine, dashboard(stack, token(other)) as theirs:
        my_ids = {producer.received(tenant) for _ in range(5)}
        their_ids = {producer.received(other) for _ in range(5)}
        mine.until_held(lambda held: held.keys() >= my_ids)
        theirs.until_held(lambda held: held.keys() >= their_ids)
        mine.ask("ping")
        theirs.ask("ping")

    assert {update["data"]["tenant_id"] for frame in mine.frames for update in extract_updates(frame)} == {tenant}
    assert {update["data"]["tenant_id"] for frame in theirs.frames for update in extract_updates(frame)} == {other}


def test_another_tenants_submission_id_changes_nothing(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with dashboard(stack, token(tenant)) as client:
        submission_id = producer.received(tenant)
        client.until_held(lambda held: submission_id in held)
        producer.updated(f"{tenant}-other", submission_id, "stolen")
        producer.updated(tenant, submission_id, "approved")
        client.until_held(lambda held: held[submission_id]["version"] == 2)

    assert client.held[submission_id]["status"] == "approved"


def test_a_client_that_comes_back_with_its_cursor_gets_what_it_missed(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with dashboard(stack, token(tenant), subscribe=False) as client:
        cursor = client.ask("subscribe")["cursor"]
        before = producer.received(tenant)
        client.until_held(lambda held: before in held)
    missed = {producer.received(tenant) for _ in range(3)}
    producer.updated(tenant, before, "approved")
    with dashboard(stack, token(tenant), cursor=cursor) as client:
        client.until_held(lambda held: held.keys() >= {before, *missed} and held[before]["version"] == 2)


def test_a_snapshot_holds_the_newest_submissions(stack: Stack, producer: Producer, token: Mint, tenant: str) -> None:
    with dashboard(stack, token(tenant)) as watcher:
        sent: list[str] = []
        for _ in range(4):
            sent.append(producer.received(tenant))
            watcher.until_held(lambda held: sent[-1] in held)
    with dashboard(stack, token(tenant), subscribe=False) as client:
        reply = client.ask("subscribe", snapshot=3)

    assert [update["data"]["submission_id"] for update in reply["updates"]] == sent[:0:-1]
    assert reply["complete"] is True
    assert reply["heartbeat_seconds"] == 300


def test_sync_repairs_what_a_client_lost(stack: Stack, producer: Producer, token: Mint, tenant: str) -> None:
    with dashboard(stack, token(tenant), subscribe=False) as client:
        cursor = client.ask("subscribe")["cursor"]
        submission_id = producer.received(tenant)
        client.until_held(lambda held: submission_id in held)
        client.view.clear()
        reply = client.ask("sync", cursor=cursor)

    assert reply["type"] == "synced"
    assert submission_id in client.held


def test_a_connection_gets_nothing_before_it_subscribes_or_after_it_unsubscribes(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with (
        dashboard(stack, token(tenant)) as watcher,
        dashboard(stack, token(tenant), subscribe=False) as silent,
        dashboard(stack, token(tenant)) as left,
    ):
        assert left.ask("unsubscribe")["type"] == "unsubscribed"
        submission_id = producer.received(tenant)
        watcher.until_held(lambda held: submission_id in held)
        assert silent.ask("ping")["type"] == "pong"
        assert left.ask("ping")["type"] == "pong"

    assert silent.held == {}
    assert left.held == {}


def test_the_dashboards_of_a_tenant_that_is_too_large_for_one_lambda_are_told_by_others(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    with dashboard(stack, token(tenant)) as first, dashboard(stack, token(tenant)) as second:
        # As many as the connections table counts, there are.
        aws(stack, "dynamodb").update_item(
            TableName=stack.output("connections_table_name"),
            Key={"PK": {"S": f"TENANT#{tenant}"}, "SK": {"S": "TENANT"}},
            UpdateExpression="SET connections = :many",
            ExpressionAttributeValues={":many": {"N": "5001"}},
        )
        submission_id = producer.received(tenant)
        for client in (first, second):
            client.until_held(lambda held: submission_id in held)


@without_iam
def test_a_poison_record_has_its_tenant_told_to_resync_while_others_flow(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    table = aws(stack, "dynamodb")
    with dashboard(stack, token(tenant)) as client, dashboard(stack, token(f"{tenant}x")) as other:
        # An item that calls itself a submission and is none.
        poison = {"PK": {"S": f"SUB#{tenant}"}, "SK": {"S": "META"}, "tenant_id": {"S": tenant}}
        table.put_item(TableName=stack.output("table_name"), Item=poison)
        sent = {producer.received(tenant) for _ in range(10)}
        client.until(lambda frame: frame == {"type": "resync", "reason": "behind"})
        client.until_held(lambda held: held.keys() >= sent)
        assert other.ask("ping")["type"] == "pong"

    assert {frame["type"] for frame in other.frames} == {"subscribed", "pong"}


@without_iam
def test_a_poison_record_that_names_no_tenant_is_kept_for_a_person_with_its_place(
    stack: Stack, producer: Producer, token: Mint, tenant: str
) -> None:
    table = aws(stack, "dynamodb")
    with dashboard(stack, token(tenant)) as client:
        table.put_item(TableName=stack.output("table_name"), Item={"PK": {"S": f"SUB#{tenant}"}, "SK": {"S": "META"}})
        sent = {producer.received(tenant) for _ in range(10)}
        client.until_held(lambda held: held.keys() >= sent)

    letter = json.loads(one_message(stack, "recovery-dead-letters", containing="have no valid tenant_id"))
    where = json.loads(letter["dead_letter"])["DDBStreamBatchInfo"]
    assert all(where[part] in letter["reason"] for part in ("startSequenceNumber", "shardId", "streamArn"))
    assert letter["reason"].endswith("have no valid tenant_id")


def test_a_malformed_event_reaches_the_dead_letter_queue_with_its_reason(
    stack: Stack, producer: Producer, tenant: str
) -> None:
    producer.put("submission.received", {"tenant_id": tenant, "submission_id": "one", "form_id": ""})

    letter = json.loads(one_message(stack, "ingest-dead-letters", containing=tenant))
    assert letter["reason"].startswith("form_id: must not be empty")
    assert letter["event"]["detail"]["submission_id"] == "one"


def test_the_submit_command_puts_events_on_the_bus(stack: Stack, state_dir: Path, token: Mint, tenant: str) -> None:
    command = local("submit", "--tenant", tenant, "--form", "survey", "--count", "7", "--state-dir", str(state_dir))
    with dashboard(stack, token(tenant)) as client:
        subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
        client.until_held(lambda held: len(held) == 7)

    assert {data["form_id"] for data in client.held.values()} == {"survey"}


def one_message(stack: Stack, queue_prefix: str, containing: str = "") -> str:
    """The body of the first message, of the one queue so named, that contains a text."""
    queues = aws(stack, "sqs")
    (url,) = queues.list_queues(QueueNamePrefix=queue_prefix)["QueueUrls"]
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        answer = queues.receive_message(QueueUrl=url, WaitTimeSeconds=1, MaxNumberOfMessages=10, VisibilityTimeout=1)
        for message in answer.get("Messages", []):
            if containing in message["Body"]:
                return message["Body"]
    raise AssertionError(f"nothing in {queue_prefix}")
