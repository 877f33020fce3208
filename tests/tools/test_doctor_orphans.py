"""`python -m tools doctor --state` as a person uses it, in an account in memory."""

from __future__ import annotations

import io
import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.tools.account import ACCOUNT, look

if TYPE_CHECKING:
    from collections.abc import Callable

    Run = Callable[..., tuple[object, str, str]]

NAME = "formbridge-realtime-dev"
TAGS = {"Project": "formbridge-realtime", "Stack": "dev"}
pytestmark = pytest.mark.usefixtures("account")
URN = "urn:pulumi:dev::formbridge-realtime::formbridge:index:StreamTable$aws:dynamodb/table:Table::submissions-table"


@pytest.fixture
def doctor(run: Run) -> Callable[[dict[str, Any]], list[str]]:
    """What the command says about the resources of the stack, for the deployment of an export."""

    def doctor(deployment: dict[str, Any]) -> list[str]:
        Path("state.json").write_text(json.dumps({"version": 3, "deployment": deployment}))
        _, output, _ = run("doctor", "--state", "state.json")
        return output.splitlines()[1:]

    return doctor


def resource(kind: str, arn: str, **outputs: object) -> dict[str, Any]:
    """Return a resource of a state."""
    return {"urn": f"urn::{kind}", "custom": True, "type": kind, "id": "id", "outputs": {"arn": arn, **outputs}}


def create_table(name: str, region: str = "us-east-1", **tags: str) -> str:
    """Create a table with the stack's tags. Return its ARN."""
    created = look("dynamodb", region).create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
        Tags=[{"Key": key, "Value": value} for key, value in {**TAGS, **tags}.items()],
    )
    return created["TableDescription"]["TableArn"]


def test_what_is_in_the_state_is_no_orphan(doctor: Callable[[dict[str, Any]], list[str]]) -> None:
    table = create_table(f"{NAME}-submissions")
    create_table("formbridge-realtime-prod-submissions", Stack="prod")
    create_table("other", Project="other")

    assert doctor(
        {
            "resources": [
                {"urn": "urn::component", "custom": False, "type": "formbridge:index:StreamTable"},
                {"urn": "urn::provider", "custom": True, "type": "pulumi:providers:aws", "id": "id"},
                resource("aws:dynamodb/table:Table", table, tags=TAGS),
                resource("aws:iam/rolePolicy:RolePolicy", ""),
            ]
        }
    ) == [
        "pass  state                  each resource with the stack's tags is in the state",
        "note  state                  not seen, because they have no tags: RolePolicy",
    ]


def test_orphans_are_named_in_the_stacks_region_and_in_us_east_1(
    doctor: Callable[[dict[str, Any]], list[str]],
) -> None:
    file = Path("Pulumi.dev.yaml")
    file.write_text(file.read_text().replace("us-east-1", "eu-west-1"))
    tables = [create_table(f"{NAME}-submissions", region) for region in ("eu-west-1", "us-east-1", "eu-north-1")]
    role = look("iam").create_role(RoleName=f"{NAME}-gateway-connect-role-1a2b3c4", AssumeRolePolicyDocument="{}")
    look("iam").create_role(RoleName="formbridge-realtime-dev2-role", AssumeRolePolicyDocument="{}")

    expected = sorted([tables[0], tables[1], role["Role"]["Arn"]])
    assert doctor({"resources": None})[:-1] == [
        f"FAIL  state                  not in the state: {arn}; delete it, or import it" for arn in expected
    ]


def test_what_pulumi_keeps_on_purpose_is_a_note(doctor: Callable[[dict[str, Any]], list[str]]) -> None:
    tags = [{"TagKey": key, "TagValue": value} for key, value in TAGS.items()]
    key = look("kms", "us-east-1").create_key(Tags=tags)["KeyMetadata"]["Arn"]
    role = f"{NAME}-api-gateway-role-1a2b3c4"
    look("iam").create_role(RoleName=role, AssumeRolePolicyDocument="{}")

    assert [line[:4] + line[29:] for line in doctor({"resources": []})] == [
        f"notenot in the state: arn:aws:iam::{ACCOUNT}:role/{role}; Pulumi keeps such a resource on purpose",
        f"notenot in the state: {key}; Pulumi keeps such a resource on purpose",
        "notenot seen, because they have no tags: the parts of other resources",
    ]


@pytest.mark.parametrize(
    ("inputs", "hint"),
    [
        ({"name": f"{NAME}-submissions-table-1a2b3c4"}, f": look for {NAME}-submissions-table-1a2b3c4"),
        ({"bucket": f"{NAME}-site-1a2b3c4"}, f": look for {NAME}-site-1a2b3c4"),
        ({}, ""),
    ],
)
def test_an_interrupted_creation_is_named_with_its_physical_name(
    doctor: Callable[[dict[str, Any]], list[str]], inputs: dict[str, Any], hint: str
) -> None:
    pending = [
        {"type": "creating", "resource": {"urn": URN, "inputs": inputs}},
        {"type": "updating", "resource": {"urn": URN, "inputs": inputs}},
    ]

    assert doctor({"pending_operations": pending})[:-1] == [
        "FAIL  state                  the creation of submissions-table (aws:dynamodb/table:Table) was interrupted"
        f"{hint}"
    ]


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"deployment": {"resources": [1]}}'])
def test_a_file_that_is_no_export(run: Run, text: str) -> None:
    Path("state.json").write_text(text)
    assert run("doctor", "--state", "state.json") == (
        1,
        "",
        "error: --state state.json: must be what `pulumi stack export` prints\n",
    )


def test_a_file_that_does_not_exist(run: Run) -> None:
    assert run("doctor", "--state", "none.json")[2] == ("error: --state none.json: No such file or directory\n")


def test_the_state_from_stdin(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO('{"deployment": {}}'))
    assert "pass  state" in run("doctor", "--state", "-")[1]
