"""`python -m tools export` and `erase` against the running stack, and a search for what is left."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest

from local.emulator import build_local_environment
from tests.e2e.conftest import ROOT
from tests.support.e2e.client import PATIENCE, Producer, aws, aws_environment, dashboard
from tests.support.e2e.places import find, find_in_streams
from tools.dead_letters import Scope, search

if TYPE_CHECKING:
    from pathlib import Path

    from local.stack import Stack

Mint = Callable[..., str]


@dataclass(frozen=True)
class Tools:
    """The command line of the privacy tools, with the stack's outputs."""

    stack: Stack

    def export(self, tenant: str) -> tuple[int, str, str]:
        return self._run("export", "--tenant", tenant, "--table", self.stack.output("table_name"))

    def erase(self, tenant: str, *options: str) -> tuple[int, str, str]:
        outputs = {
            "--table": "table_name",
            "--queue": "ingest_dead_letter_queue_url",
            "--bus": "event_bus_name",
        }
        words = [word for option, name in outputs.items() for word in (option, self.stack.output(name))]
        return self._run("erase", "--tenant", tenant, *words, *options)

    def _run(self, *words: str) -> tuple[int, str, str]:
        environment = build_local_environment({}) | aws_environment(self.stack)
        command = [sys.executable, "-m", "tools", *words]
        done = subprocess.run(command, cwd=ROOT, env=environment, check=False, capture_output=True, text=True)
        return done.returncode, done.stdout, done.stderr


@pytest.fixture
def tools(stack: Stack) -> Tools:
    return Tools(stack)


@pytest.fixture
def email() -> str:
    """An address that no other test has."""
    return f"ada-{uuid.uuid4()}@example.com"


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def detail(tenant: str, submission_id: str, email: str, **fields: object) -> dict[str, Any]:
    return {"tenant_id": tenant, "submission_id": submission_id, "payload": {"email": email}, **fields}


def test_no_table_queue_log_or_file_has_the_content_of_an_erased_tenant(
    stack: Stack, producer: Producer, token: Mint, tenant: str, tools: Tools, email: str, state_dir: Path, log: Path
) -> None:
    other, other_email = f"{tenant}-other", f"grace-{uuid.uuid4()}@example.com"
    table, queue = stack.output("table_name"), stack.output("ingest_dead_letter_queue_url").rpartition("/")[2]
    paths = (state_dir, log)
    too_large = {"tenant_id": tenant, "submission_id": "large", "form_id": "contact", "payload": [email, "ä" * 200_000]}

    with dashboard(stack, token(tenant)) as watcher:
        stored = {producer.received(tenant, payload={"email": email}) for _ in range(3)}
        watcher.until_held(lambda held: held.keys() >= stored)
        producer.put("submission.updated", detail(tenant, "pending", email))
        producer.put("submission.received", detail(tenant, "malformed", email, form_id=""))
        producer.put("submission.received", too_large)
        producer.received(other, payload={"email": other_email})
        producer.put("submission.received", detail(other, "malformed", other_email, form_id=""))
        wait_until(lambda: count(stack, tenant) == 4 and count(stack, other) == 1)
        # The dead letter of the large event is above 1 MiB and has three parts.
        wait_until(lambda: count_dead_letters(stack, tenant) == 4)
        wait_until(lambda: find(stack, paths, other_email) == {table, queue})
        assert find(stack, paths, email) == {table, queue}
        # The search also looks into logs and files.
        assert any(place.startswith("ingest-persist-logs") for place in find(stack, paths, "START RequestId: "))
        assert find(stack, paths, "Dashboard: http") == {str(log)}

        code, output, _ = tools.export(tenant)
        assert code == 0
        exported = {line["submission_id"]: line["payload"] for line in map(json.loads, output.splitlines())}
        assert exported == {submission_id: {"email": email} for submission_id in (*stored, "pending")}

        code, output, errors = tools.erase(tenant, "--dry-run")
        assert (code, errors) == (0, "")
        assert output.splitlines()[:2] == [
            "submissions to erase: 4; without content before: 0",
            "messages of the ingest dead-letter queue to delete: 4",
        ]
        assert find(stack, paths, email) == {table, queue}

        code, output, errors = tools.erase(tenant)
        assert (code, errors) == (0, "")
        assert output.splitlines()[:2] == [
            "submissions erased: 4; without content before: 0",
            "messages of the ingest dead-letter queue deleted: 4",
        ]
        assert "- point-in-time recovery of the submissions table: until " in output
        watcher.until_held(lambda held: not held)

    assert find(stack, paths, email) == set()
    assert email not in json.dumps(watcher.frames)
    # The report says that the stream keeps the old rows for 24 hours. So does the emulator's.
    assert "- stream of the submissions table: until " in output
    assert find_in_streams(stack, email) == {table}

    code, output, _ = tools.export(tenant)
    assert code == 0
    assert email not in output
    assert tools.erase(tenant)[1].startswith("submissions erased: 0; without content before: 4\n")
    assert find(stack, paths, other_email) == {table, queue}
    assert tools.export(other)[1].count(other_email) == 1


def test_one_submission_is_erased_and_no_other(stack: Stack, producer: Producer, tenant: str, tools: Tools) -> None:
    for submission_id in ("one", "two"):
        producer.put("submission.received", detail(tenant, submission_id, "ada@example.com", form_id="contact"))
        producer.put("submission.updated", detail(tenant, submission_id, "ada@example.com", status=""))
    wait_until(lambda: count(stack, tenant) == 2)
    wait_until(lambda: count_dead_letters(stack, tenant) == 2)

    code, output, errors = tools.erase(tenant, "--submission", "one")
    assert (code, errors) == (0, "")
    assert output.splitlines()[:2] == [
        "submissions erased: 1; without content before: 0",
        "messages of the ingest dead-letter queue deleted: 1",
    ]
    exported = [json.loads(line) for line in tools.export(tenant)[1].splitlines()]
    assert {line["submission_id"]: "payload" in line for line in exported} == {"one": False, "two": True}


def test_a_tenant_without_submissions_is_an_error(tenant: str, tools: Tools) -> None:
    assert tools.erase(tenant) == (1, "", f"error: --tenant: nothing of {tenant} is in the table or the queue\n")
    assert tools.export(tenant)[:2] == (1, "")


def count_dead_letters(stack: Stack, tenant: str) -> int:
    """The number of messages of the dead-letter queue that belong to a tenant."""
    url = stack.output("ingest_dead_letter_queue_url")
    return search(aws(stack, "sqs"), url, Scope(tenant), dry_run=True, advance=lambda _: None).found


def count(stack: Stack, tenant: str) -> int:
    """The number of a tenant's rows, as the index has them."""
    return aws(stack, "dynamodb").query(
        TableName=stack.output("table_name"),
        IndexName="GSI1",
        KeyConditionExpression="GSI1PK = :partition",
        ExpressionAttributeValues={":partition": {"S": f"TENANT#{tenant}"}},
    )["Count"]
