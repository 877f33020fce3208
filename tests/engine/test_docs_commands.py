"""The commands of docs/deploying.md, word by word, from the bootstrap to the end of the stack.

They run against the emulator of the local run, in eu-west-1. Replaced are only the released AWS provider, by one over
`local.provisioners`, and the names in capital letters or angle brackets that a reader replaces too.
"""

from __future__ import annotations

import re
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from local.emulator import Emulator
from local.emulator_client import client
from tests.support.engine.aws_provider import serving
from tests.support.engine.checkout import Checkout
from tests.support.engine.cloud import Urn
from tests.support.engine.emulated_cloud import EmulatedCloud

if TYPE_CHECKING:
    from collections.abc import Iterator

PAGE: Final = (Path(__file__).parents[2] / "docs" / "deploying.md").read_text()
REGION: Final = "eu-west-1"
PLACEHOLDERS: Final = {
    "ORG@ORG_ID/REPO@REPO_ID": "example@123/formbridge@456",
    "ORG/REPO": "example/formbridge",
    "ACCOUNT": "000000000000",
    "REGION": REGION,
    "BUCKET": f"formbridge-state-000000000000-{REGION}",
    "STACK": "dev",
    "<stack>": "dev",
    "--stack prod": "--stack dev",
    "<commit>": "HEAD~1",
}
"""What a reader replaces, by what the test puts there."""
NOT_RUN: Final = {
    "make check": "other tests run these targets",
    "make test": "it runs this test",
    "make preview": "tests/local runs it",
    "gh ": "GitHub cannot be reached",
    "git push": "GitHub cannot be reached",
}
"""Commands that the test leaves out, by their beginnings, and why."""
PROGRAMS: Final = ("make", "pulumi", "git", "gh", ".venv/bin/python", "python", "export")

CHANGES: Final = ("create", "update", "delete")


def read_section(heading: str) -> str:
    """Return the text below a heading of the page, up to the next heading."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return text


def find_commands(text: str) -> list[str]:
    """Return the commands of a text in their order: the blocks of shell, and the commands in running text."""
    blocks = r"^ *```sh\n(.*?)^ *```$"
    inline = rf"`((?:{'|'.join(map(re.escape, PROGRAMS))}) [^`]+)`"
    found = re.finditer(rf"{blocks}|{inline}", text, re.MULTILINE | re.DOTALL)
    commands = [textwrap.dedent(one[1] or one[2]) for one in found]
    return [fill(one) for one in commands if not one.startswith(tuple(NOT_RUN))]


def fill(command: str) -> str:
    """Replace the placeholders. A name after `$` or before `=` is a variable of the shell."""
    for name, value in PLACEHOLDERS.items():
        command = re.sub(rf"(?<![$\w]){re.escape(name)}(?![\w=])", value, command)
    return command


def run_section(checkout: Checkout, text: str) -> list[str]:
    """Run the commands of a text, and return what each printed."""
    commands = find_commands(text)
    assert commands
    return [checkout.run(one) for one in commands]


def count_changes(output: str) -> dict[str, int]:
    """Return the last summary of an operation, such as `{"updated": 1, "unchanged": 169}`."""
    summary = output.rpartition("\nResources:\n")[2]
    return {name: int(count) for count, name in re.findall(r"^ +(?:[-+~]+ )?(\d+) ([a-z ]+)$", summary, re.MULTILINE)}


@pytest.fixture
def emulator(tmp_path: Path) -> Iterator[Emulator]:
    with Emulator(tmp_path, REGION) as running:
        yield running


@pytest.fixture
def cloud(emulator: Emulator, tmp_path: Path) -> Iterator[EmulatedCloud]:
    made = EmulatedCloud(emulator, tmp_path / "project")
    yield made
    made.close()


@pytest.fixture
def checkout(emulator: Emulator, cloud: EmulatedCloud, tmp_path: Path) -> Iterator[Checkout]:
    made = Checkout(tmp_path, emulator)
    with serving(cloud, made.plugins):
        yield made


def test_from_bootstrap_to_destroy(checkout: Checkout, cloud: EmulatedCloud, emulator: Emulator) -> None:
    run_section(checkout, read_section("Bootstrap"))
    roles = list_roles(emulator)

    first = run_section(checkout, read_section("First deployment"))

    made = count_changes(first[-2])
    assert set(made) == {"created"}
    assert count_changes(first[-1]) == {"unchanged": made["created"]}

    checkout.run("echo '# A change.' >> handlers/persist.py && git commit --quiet --all --message 'Change the code'")
    cloud.calls.clear()
    changed = count_changes(checkout.run("pulumi up --stack dev --policy-pack policy"))

    assert changed == {"updated": 1, "unchanged": made["created"] - 1}
    assert find_changes(cloud) == {("update", "aws:lambda/function:Function", "ingest-persist-function")}

    cloud.calls.clear()
    run_section(checkout, read_section("Rolling back").partition("\n| ")[0])

    assert find_changes(cloud) == {("update", "aws:lambda/function:Function", "ingest-persist-function")}

    run_section(checkout, read_section("Tearing down"))

    assert {Urn(one.urn).name for one in cloud.existing()} == {
        "api-gateway-account",
        "api-gateway-policy",
        "api-gateway-role",
    }
    assert list_roles(emulator) - roles == {
        one.id for one in cloud.existing() if Urn(one.urn).type == "aws:iam/role:Role"
    }


def list_roles(emulator: Emulator) -> set[str]:
    return {one["RoleName"] for one in client("iam", emulator).list_roles()["Roles"]}


def find_changes(cloud: EmulatedCloud) -> set[tuple[str, str, str]]:
    return {(one.method, Urn(one.urn).type, one.name) for one in cloud.calls if one.method in CHANGES}
