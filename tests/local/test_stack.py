from __future__ import annotations

import json
import subprocess
import sys
from typing import IO, TYPE_CHECKING, Any

import pytest

from local import stack
from local.stack import StackError
from tests.support.local.stacks import make_stack

if TYPE_CHECKING:
    from pathlib import Path

STACK = make_stack(outputs={"issuer": "https://i"})


def test_what_is_written_is_read(tmp_path: Path) -> None:
    stack.write(STACK, tmp_path)
    assert stack.read(tmp_path) == STACK
    path = tmp_path / "stack.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert set(json.loads(path.read_text())) == {
        *("endpoint_url", "region", "access_key_id", "secret_access_key"),
        *("dashboard_url", "dashboard_key", "pid", "outputs"),
    }
    assert list(tmp_path.iterdir()) == [path]
    stack.remove(tmp_path)
    stack.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_an_interrupted_write_is_never_read_and_leaves_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_document: object, file: IO[str], **_options: object) -> None:
        file.write('{"endpoint_url": ')
        raise KeyboardInterrupt

    monkeypatch.setattr(stack.json, "dump", interrupt)
    with pytest.raises(KeyboardInterrupt):
        stack.write(STACK, tmp_path)
    with pytest.raises(StackError, match="no such file"):
        stack.read(tmp_path)
    stack.remove(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_tenant_ids_are_those_that_the_program_exports_or_all_that_are_safe() -> None:
    exported = make_stack(outputs={"tenant_id_pattern": "org_[a-z]+"})

    assert [exported.tenant_ids.matches(one) for one in ("org_a", "t_a")] == [True, False]
    assert [STACK.tenant_ids.matches(one) for one in ("org_a", "t_a", "a#b")] == [True, True, False]


def test_without_a_stack(tmp_path: Path) -> None:
    with pytest.raises(StackError, match=r"no such file.*python -m local up"):
        stack.read(tmp_path)


def test_a_stack_whose_process_has_ended(tmp_path: Path) -> None:
    ended = subprocess.Popen([sys.executable, "-c", ""])
    ended.wait()
    stack.write(make_stack(pid=ended.pid), tmp_path)
    with pytest.raises(StackError, match=f"left by process {ended.pid}, which has ended"):
        stack.read(tmp_path)


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ("{", "must be valid JSON"),
        ("[]", "endpoint_url: must be str, got None"),
        ('{"endpoint_url": "x", "region": 5}', "region: must be str, got 5"),
        ('{"endpoint_url": "x", "region": "y"}', "access_key_id: must be str, got None"),
    ],
)
def test_a_file_that_is_no_stack(tmp_path: Path, document: str, problem: str) -> None:
    (tmp_path / "stack.json").write_text(document)
    with pytest.raises(StackError, match=problem):
        stack.read(tmp_path)


@pytest.mark.parametrize(("outputs", "value"), [({}, "None"), ({"issuer": 5}, "5")])
def test_an_export_that_is_missing(outputs: dict[str, Any], value: str) -> None:
    assert STACK.output("issuer") == "https://i"
    with pytest.raises(StackError, match=f"issuer: .* as a string, got {value}"):
        make_stack(outputs=outputs).output("issuer")


def test_a_stack_shows_no_secret() -> None:
    assert STACK.secret_access_key not in repr(STACK)
    assert STACK.dashboard_key not in repr(STACK)


def test_the_page_opens_with_the_key_if_it_needs_one() -> None:
    assert STACK.page_url == "http://127.0.0.1:2/?key=dashboard-key"
    assert make_stack(dashboard_key="").page_url == "http://127.0.0.1:2/"
