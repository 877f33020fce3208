"""Exporting a tenant, under moto."""

from __future__ import annotations

import json
import resource
import stat
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from tests.support.handlers.builders import NOW, image, iso, partial, received, submission
from tests.support.handlers.region import SUBMISSIONS
from tools import tenant_rows
from tools.export import build_line, write_file
from tools.tenant_rows import TenantRows

if TYPE_CHECKING:
    from pathlib import Path

    from formbridge.submissions.table import Item
    from tests.support.tools.stack import Stack

Run = Callable[..., tuple[object, str, str]]

WORDS = ("export", "--tenant", "t_acme", "--table", SUBMISSIONS)


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def put(stack: Stack, *numbers: int) -> None:
    """Put rows; the number of a row is the time of its last change."""
    for number in numbers:
        held = submission(f"s{number}", updated_at=iso(number))
        stack.dynamodb.put_item(TableName=SUBMISSIONS, Item={**image(held), "payload": {"S": f"{number}"}})


def cursor(number: int) -> str:
    return f"{iso(number)}#s{number}"


def test_a_line_has_everything_that_the_row_has(stack: Stack) -> None:
    stack.save(received(payload={"email": "ada@example.com", "name": "Ädä", "age": 36, "height": 1.7}))

    assert json.loads(build_line(stack.item("s1"))) == {
        "tenant_id": "t_acme",
        "submission_id": "s1",
        "form_id": "contact",
        "status": "processing",
        "version": 1,
        "submitted_at": "2026-11-22T19:59:59.000Z",
        "updated_at": iso(0),
        "payload": {"email": "ada@example.com", "name": "Ädä", "age": 36, "height": 1.7},
    }


def test_a_line_lacks_what_the_row_lacks(stack: Stack) -> None:
    stack.save(partial(payload=None), received(submission_id="s2"), partial(submission_id="s2", status="deleted"))

    pending, deleted = json.loads(build_line(stack.item("s1"))), json.loads(build_line(stack.item("s2")))
    assert pending.keys() == {"tenant_id", "submission_id", "version", "updated_at", "expires_at", "payload"}
    assert pending["payload"] is None
    assert deleted["status"] == "deleted"
    assert deleted["expires_at"] > NOW // 1000
    assert "payload" not in deleted


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"payload": {"S": "not JSON"}}, {"payload": "not JSON"}),
        ({"payload": {"M": {"size": {"N": "1.5"}}}}, {"payload": {"size": "1.5"}}),
        ({"version": {"S": "one"}}, {"version": "one"}),
    ],
)
def test_a_line_shows_what_another_program_wrote(row: Item, expected: object) -> None:
    assert json.loads(build_line(row)) == expected


class TestCommand:
    @pytest.fixture(autouse=True)
    def _small_pages(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tenant_rows, "PAGE_SIZE", 3)

    def test_stdout_has_the_lines_and_nothing_else(self, stack: Stack, run: Run) -> None:
        put(stack, *range(8))
        stack.save(received(tenant_id="t_globex"))

        code, output, errors = run(*WORDS)
        assert code == 0
        assert [(line["submission_id"], line["payload"]) for line in lines(output)] == [
            (f"s{number}", number) for number in range(8)
        ]
        assert errors == f"cursor: {cursor(7)}\nsubmissions exported: 8\n"

    def test_after_a_cursor_come_only_later_changes(self, stack: Stack, run: Run) -> None:
        put(stack, *range(5))

        _, output, errors = run(*WORDS, "--after", cursor(3))
        assert [line["submission_id"] for line in lines(output)] == ["s4"]
        assert errors == f"cursor: {cursor(4)}\nsubmissions exported: 1\n"
        assert run(*WORDS, "--after", cursor(4)) == (0, "", f"cursor: {cursor(4)}\nsubmissions exported: 0\n")

    def test_a_file_is_new_and_only_for_its_owner(self, stack: Stack, run: Run, tmp_path: Path) -> None:
        put(stack, *range(4))
        path = tmp_path / "acme.jsonl"

        assert run(*WORDS, "--output", str(path))[:2] == (0, "")
        assert len(lines(path.read_text())) == 4
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        error = f"error: --output: must be a new file unless --after is given, got '{path}'\n"
        assert run(*WORDS, "--output", str(path)) == (1, "", error)
        assert len(lines(path.read_text())) == 4

    def test_an_interrupted_export_continues_in_its_file(
        self, stack: Stack, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        put(stack, *range(8))
        path = tmp_path / "acme.jsonl"
        read, calls = TenantRows.read, list[int]()

        def interrupt_third(rows: TenantRows, indexed: Any) -> Any:
            calls.append(len(indexed))
            if len(calls) == 3:
                raise KeyboardInterrupt
            return read(rows, indexed)

        monkeypatch.setattr(TenantRows, "read", interrupt_third)
        assert run(*WORDS, "--output", str(path)) == (
            1,
            "",
            f"cursor: {cursor(5)}\nerror: interrupted; add --after with the cursor to continue\n",
        )
        put(stack, 9)
        assert run(*WORDS, "--output", str(path), "--after", cursor(5))[0] == 0
        assert [line["payload"] for line in lines(path.read_text())] == [0, 1, 2, 3, 4, 5, 6, 7, 9]

    def test_a_file_that_cannot_be_written_is_an_error(self, stack: Stack, run: Run, tmp_path: Path) -> None:
        put(stack, 1)
        path = tmp_path / "missing" / "acme.jsonl"

        assert run(*WORDS, "--output", str(path)) == (1, "", f"error: --output {path}: No such file or directory\n")

    def test_finding_nothing_is_an_error_and_leaves_no_file(self, stack: Stack, run: Run, tmp_path: Path) -> None:
        path = tmp_path / "acme.jsonl"

        message = "error: --tenant: no submission of t_acme is in the table submissions\n"
        assert run(*WORDS) == (1, "", message)
        assert run(*WORDS, "--output", str(path)) == (1, "", message)
        assert not path.exists()

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"--tenant": "a#b"}, "--tenant: must match ^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,65}$, got 'a#b'"),
            ({"--after": "s1"}, "--after: must be a cursor that an export printed, got 's1'"),
            ({"--table": "missing"}, "--table missing: An error occurred (ResourceNotFoundException)"),
        ],
    )
    def test_bad_input_is_an_error_that_names_option_and_value(
        self, stack: Stack, run: Run, changed: dict[str, str], message: str
    ) -> None:
        options = {"--tenant": "t_acme", "--table": SUBMISSIONS} | changed
        code, output, errors = run("export", *(word for option in options.items() for word in option))

        assert (code, output) == (1, "")
        assert errors.startswith(f"error: {message}")


def test_a_page_that_was_written_in_part_is_cut_off(tmp_path: Path) -> None:
    path = tmp_path / "acme.jsonl"
    path.write_bytes(b"[]\n")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1024 * 1024, limits[1]))
    try:
        with pytest.raises(OSError, match="File too large"):
            write_file(iter([b"{}\n", b"x" * 2 * 1024 * 1024]), path, resume=True)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert path.read_bytes() == b"[]\n{}\n"


def test_a_broken_pipe_is_no_error_of_the_output_option(
    stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_pipe(*_: object) -> None:
        raise BrokenPipeError(32, "Broken pipe")

    put(stack, 1)
    monkeypatch.setattr("tools.export.write_stream", break_pipe)
    code, output, errors = run(*WORDS)
    assert (code, output, errors) == (1, "", "")
