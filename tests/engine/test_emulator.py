"""What the engine does with resources that exist in the emulator of the local run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pulumi
import pulumi_aws as aws
import pytest

from local.emulator import Emulator
from local.emulator_client import client
from tests.support.engine.emulated_cloud import EmulatedCloud
from tests.support.engine.stacks import World, world

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

REGION = "us-east-1"  # as in Pulumi.dev.yaml
CODE = "def handler(event, context):\n    return 1\n"
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": "lambda.amazonaws.com"}},
    ],
}


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    with Emulator(tmp_path_factory.mktemp("emulator"), REGION) as running:
        yield running


@pytest.fixture
def emulated(emulator: Emulator, tmp_path: Path) -> Iterator[World]:
    """A world without stacks, whose resources exist in the emulator."""
    cloud = EmulatedCloud(emulator, tmp_path)
    with world(tmp_path, backend=cloud) as made:
        yield made
    cloud.close()


def declare_table(key: str) -> aws.dynamodb.Table:
    return aws.dynamodb.Table(
        "table", billing_mode="PAY_PER_REQUEST", hash_key=key, attributes=[{"name": key, "type": "S"}]
    )


def run_program(code: str = CODE, key: str = "pk") -> None:
    role = aws.iam.Role("role", assume_role_policy=pulumi.Output.json_dumps(TRUST))
    function = aws.lambda_.Function(
        "function",
        code=pulumi.AssetArchive({"main.py": pulumi.StringAsset(code)}),
        environment={"variables": {"TABLE": declare_table(key).name}},
        handler="main.handler",
        memory_size=128,
        role=role.arn,
        runtime="python3.13",
        timeout=3,
    )
    pulumi.export("function", function.name)


def physical_name(world: World, name: str) -> str:
    (found,) = [one["id"] for urn, one in world.stack().resources().items() if urn.endswith(f"::{name}")]
    return found


def tables(emulator: Emulator) -> list[str]:
    return client("dynamodb", emulator).list_tables()["TableNames"]


def invoke(emulator: Emulator, name: str) -> Any:
    return client("lambda", emulator).invoke(FunctionName=name)["Payload"].read()


def test_a_change_of_code_runs_in_the_function_that_exists(emulated: World, emulator: Emulator) -> None:
    first = emulated.stack(program=run_program).up()
    name = physical_name(emulated, "function")
    before = invoke(emulator, name)

    second = emulated.stack(program=lambda: run_program(CODE.replace("1", "2"))).up()

    assert not first.failed, first.output
    assert second.operations == {"function": "update"}
    assert (before, invoke(emulator, name)) == (b"1", b"2")


def test_a_change_of_keys_makes_another_table_and_deletes_the_first(emulated: World, emulator: Emulator) -> None:
    assert not emulated.stack(program=run_program).up().failed
    first = physical_name(emulated, "table")

    outcome = emulated.stack(program=lambda: run_program(key="id")).up()

    assert not outcome.failed, outcome.output
    second = physical_name(emulated, "table")
    assert [one for one in (first, second) if one in tables(emulator)] == [second]


def test_a_refresh_finds_what_was_deleted_by_hand(emulated: World, emulator: Emulator) -> None:
    stack = emulated.stack(program=run_program)
    assert not stack.up().failed
    client("dynamodb", emulator).delete_table(TableName=physical_name(emulated, "table"))

    refreshed, repaired = stack.refresh(), stack.up()

    assert refreshed.changes == {"delete": 1, "same": 3}
    assert repaired.operations["table"] == "create"
    assert physical_name(emulated, "table") in tables(emulator)


def test_destroy_deletes_everything(emulated: World, emulator: Emulator) -> None:
    stack = emulated.stack(program=run_program)
    assert not stack.up().failed
    table, role = physical_name(emulated, "table"), physical_name(emulated, "role")

    outcome = stack.destroy()

    assert not outcome.failed, outcome.output
    assert table not in tables(emulator)
    assert role not in [one["RoleName"] for one in client("iam", emulator).list_roles()["Roles"]]
