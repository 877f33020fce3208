"""The commands of docs/deploying.md, word by word.

They run against the emulator of the local run, in eu-west-1. Replaced are only the released AWS provider, by one over
`local.provisioners`, and the names in capital letters or angle brackets that a reader replaces too.
"""

from __future__ import annotations

import os
import re
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest

from local import stack as stack_file
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
}
"""Commands that the test leaves out, by their beginnings, and why."""
PROGRAMS: Final = ("make", "pulumi", "git", ".venv/bin/python")
BLOCK: Final = r"^ *```sh\n(.*?)^ *```$"
INLINE: Final = rf"`((?:{'|'.join(map(re.escape, PROGRAMS))}) [^`]+)`"
FLAGS: Final = re.MULTILINE | re.DOTALL
AWS_PROVIDER: Final = "pulumi-resource-aws"
LEFT: Final = {"api-gateway-account", "api-gateway-policy", "api-gateway-role"}
"""The logical names of what remains, by the table at the end of the page."""


def read_section(heading: str) -> str:
    """Return the text below a heading of the page, up to the next heading."""
    (text,) = re.findall(rf"^## {heading}\n(.*?)(?=^##|\Z)", PAGE, re.MULTILINE | re.DOTALL)
    return text


def find_blocks(text: str) -> list[str]:
    """Return the commands in the blocks of shell of a text."""
    return [fill(textwrap.dedent(one)) for one in re.findall(BLOCK, text, FLAGS)]


def find_commands(text: str) -> list[str]:
    """Return the commands of a text in their order, those in running text included."""
    found = [textwrap.dedent(one[1] or one[2]) for one in re.finditer(f"{BLOCK}|{INLINE}", text, FLAGS)]
    return [fill(one) for one in found if not one.startswith(tuple(NOT_RUN))]


def fill(command: str) -> str:
    """Replace the placeholders. A name after `$` or before `=` is a variable of the shell."""
    for name, value in PLACEHOLDERS.items():
        command = re.sub(rf"(?<![$\w]){re.escape(name)}(?![\w=])", value, command)
    return command


def find_summaries(output: str) -> list[dict[str, int]]:
    """Return what each operation did, such as `{"updated": 1, "unchanged": 169}`, without the preview before it."""
    blocks = re.findall(r"^Resources:\n((?: +.*\n)+)", output, re.MULTILINE)
    done = [one for one in blocks if " to " not in one]
    return [{name: int(count) for count, name in re.findall(r"(\d+) (\w+)$", one, re.MULTILINE)} for one in done]


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
    checkout.run("\n".join(find_blocks(read_section("Bootstrap"))))
    roles = list_roles(emulator)

    created, unchanged = find_summaries(run_commands(checkout, read_section("First deployment")))

    assert set(created) == {"created"}
    assert unchanged == {"unchanged": created["created"]}

    checkout.run("echo '# A change.' >> handlers/persist.py && git commit --quiet --all --message 'Change the code'")
    cloud.calls.clear()
    checkout.run("pulumi up")

    assert find_changes(cloud) == [("update", "ingest-persist-function")]

    cloud.calls.clear()
    run_commands(checkout, read_section("Rolling back").partition("\n| ")[0])

    assert find_changes(cloud) == [("update", "ingest-persist-function")]

    run_commands(checkout, read_section("Tearing down"))

    assert {Urn(one.urn).name for one in cloud.existing()} == LEFT
    assert list_roles(emulator) - roles == {one.id for one in cloud.existing() if Urn(one.urn).name.endswith("-role")}


def run_commands(checkout: Checkout, text: str) -> str:
    commands = find_commands(text)
    assert commands
    return "".join(checkout.run(one) for one in commands)


@pytest.mark.parametrize("is_released", [False, True], ids=["own-provider", "released-provider"])
def test_against_the_emulator(checkout: Checkout, emulator: Emulator, is_released: bool) -> None:
    if is_released:
        if not shutil.which(AWS_PROVIDER):
            pytest.skip(f"needs the released AWS provider, {AWS_PROVIDER}, on PATH")
        (checkout.plugins / AWS_PROVIDER).unlink()
    state_dir = checkout.project / ".local"
    state_dir.mkdir()
    stack_file.write(describe_stack(emulator), state_dir)

    output = checkout.run("\n".join(find_blocks(read_section("Against the emulator"))))

    made, unchanged, deleted = find_summaries(output)
    assert set(made) == {"created"}
    assert unchanged == {"unchanged": made["created"]}
    assert deleted == {"deleted": made["created"]}
    assert not (checkout.project / "Pulumi.emulator.yaml").exists()


def describe_stack(emulator: Emulator) -> stack_file.Stack:
    """Return what `make dev` would write about this emulator."""
    return stack_file.Stack(
        endpoint_url=emulator.endpoint_url,
        region=emulator.region,
        access_key_id=emulator.access_key_id,
        secret_access_key=emulator.secret_access_key,
        dashboard_url="",
        dashboard_key="",
        pid=os.getpid(),
        outputs={},
    )


def list_roles(emulator: Emulator) -> set[str]:
    return {one["RoleName"] for one in client("iam", emulator).list_roles()["Roles"]}


def find_changes(cloud: EmulatedCloud) -> list[tuple[str, str]]:
    """Return the method and the logical name of each call that changed a resource."""
    return [(one.method, one.name) for one in cloud.calls if one.method in ("create", "update", "delete")]
