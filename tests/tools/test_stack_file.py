from __future__ import annotations

from pathlib import Path

import pytest

from tools.console import UsageError
from tools.stack_file import StackFile

PROJECT = """\
name: forms
config:
  protectData:
    type: boolean
    default: true
  retentionDays:
    type: integer
    default: 7
  audience:
    type: string
"""


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    monkeypatch.chdir(tmp_path)


def stack_file(text: str | None) -> StackFile:
    if text is not None:
        Path("Pulumi.dev.yaml").write_text(text)
    return StackFile("dev")


def test_a_setting_or_its_default() -> None:
    file = stack_file("config:\n  aws:region: eu-west-1\n")
    assert (file.project, file.region) == ("forms", "eu-west-1")
    assert (file.get("protectData"), file.get("unknown"), file.find("forms:protectData")) == (True, None, None)

    assert stack_file("config:\n  forms:protectData: false\n").get("protectData") is False
    assert stack_file("encryptedkey: abc\n").region is None


def test_a_setting_that_pulumi_has_written_has_the_type_of_the_project() -> None:
    config = {"protectData": "false", "retentionDays": "20", "audience": "12"}
    file = stack_file("config:\n" + "".join(f'  forms:{key}: "{value}"\n' for key, value in config.items()))

    assert [file.get(key) for key in config] == [False, 20, "12"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (None, "config:\n  aws:region: eu-west-1\n"),
        ("encryptedkey: abc\n", "encryptedkey: abc\nconfig:\n  aws:region: eu-west-1\n"),
        ("config:\n  aws:region: us-east-1 # near\n", "config:\n  aws:region: eu-west-1\n"),
        (
            "# mine\nconfig:\n  # theirs\n  forms:a: 1\nencryptedkey: abc\n",
            "# mine\nconfig:\n  aws:region: eu-west-1\n  # theirs\n  forms:a: 1\nencryptedkey: abc\n",
        ),
        ("config:\n    b:c: 2\n", "config:\n    aws:region: eu-west-1\n    b:c: 2\n"),
        ("config:\n    aws:region: us-east-1\n    b:c: 2", "config:\n    aws:region: eu-west-1\n    b:c: 2"),
    ],
)
def test_one_line_changes(before: str | None, after: str) -> None:
    file = stack_file(before)
    file.set("aws:region", "eu-west-1")

    assert Path("Pulumi.dev.yaml").read_text() == after
    assert file.region == StackFile("dev").region == "eu-west-1"


@pytest.mark.parametrize(
    "text", ["config: {}\n", "config:\n  aws:region:\n    secure: abc\n", "config:\n", "config:\n\n  b:c: 2\n"]
)
def test_a_form_that_one_line_would_break_is_left_alone(text: str) -> None:
    file = stack_file(text)
    with pytest.raises(UsageError, match=r"^Pulumi.dev.yaml: cannot change it in place; set aws:region to x by hand$"):
        file.set("aws:region", "x")
    assert Path("Pulumi.dev.yaml").read_text() == text


@pytest.mark.parametrize(
    ("text", "error"),
    [("- a\n", "must be an object"), ("config: [a]\n", "config: must be an object"), ("a: [\n", r"must be YAML \(.*")],
)
def test_a_malformed_file_is_named(text: str, error: str) -> None:
    with pytest.raises(UsageError, match=rf"^Pulumi.dev.yaml: {error}$"):
        stack_file(text)
