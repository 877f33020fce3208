from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tools.console import UsageError
from tools.stack_outputs import StackOutputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize(
    "written", [{"table_name": "t"}, {"endpoint_url": "http://127.0.0.1:1", "outputs": {"table_name": "t"}}]
)
def test_outputs_are_read_from_what_pulumi_prints_and_from_the_file_of_a_local_run(
    tmp_path: Path, written: object
) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(json.dumps(written))
    outputs = StackOutputs.read(str(file))

    assert (outputs.get("table_name"), outputs.find("table_name"), outputs.find("issuer")) == ("t", "t", "")
    with pytest.raises(UsageError, match="must have the output 'issuer', got table_name"):
        outputs.get("issuer")


def test_an_output_that_is_an_integer_may_be_0() -> None:
    assert StackOutputs("outputs.json", {"seconds": 0}).get_integer("seconds") == 0


@pytest.mark.parametrize("outputs", [{}, {"seconds": "30"}, {"seconds": True}, {"seconds": 0.5}])
def test_an_output_that_is_no_integer_is_an_error_that_names_it(outputs: dict[str, object]) -> None:
    message = f"^--outputs outputs.json: seconds: must be an integer, got {outputs.get('seconds')!r}$"
    with pytest.raises(UsageError, match=message):
        StackOutputs("outputs.json", outputs).get_integer("seconds")


@pytest.mark.parametrize(("written", "message"), [("no JSON", "must be JSON"), ("[]", "must be a JSON object")])
def test_a_file_of_another_form_is_an_error_that_names_it(tmp_path: Path, written: str, message: str) -> None:
    file = tmp_path / "outputs.json"
    file.write_text(written)
    with pytest.raises(UsageError, match=f"--outputs {file}: {message}"):
        StackOutputs.read(str(file))


def test_a_file_that_is_not_there_is_an_error_that_names_it() -> None:
    with pytest.raises(UsageError, match=r"--outputs missing\.json: No such file"):
        StackOutputs.read("missing.json")


def test_a_list_of_strings() -> None:
    outputs = StackOutputs("outputs.json", {"audiences": ["a", "b"], "none": [], "text": "a"})

    assert outputs.get_strings("audiences") == ["a", "b"]
    for name, got in (("none", r"\[\]"), ("text", "'a'"), ("missing", "None")):
        with pytest.raises(UsageError, match=rf"--outputs outputs\.json: must have the list '{name}', got {got}"):
            outputs.get_strings(name)


@pytest.mark.parametrize(("key", "page"), [("", "http://127.0.0.1:8400"), ("secret", "")])
def test_the_page_of_a_local_run_is_the_one_that_it_serves_if_users_sign_in_there(
    tmp_path: Path, key: str, page: str
) -> None:
    file = tmp_path / "stack.json"
    outputs = {"dashboard_url": "https://d1.cloudfront.net"}
    file.write_text(json.dumps({"dashboard_url": "http://127.0.0.1:8400", "dashboard_key": key, "outputs": outputs}))

    assert StackOutputs.read(str(file)).find("dashboard_url") == page
