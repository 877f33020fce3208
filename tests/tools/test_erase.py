"""Erasing a tenant or a submission, under moto."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError
from rich.console import Console

import tools.console
from formbridge.runtime import clock
from formbridge.submissions.submission import Submission, is_pending
from formbridge.submissions.table import SubmissionsTable
from tests.support.handlers.builders import NOW, image, partial, received, submission, updated
from tests.support.handlers.region import SUBMISSIONS
from tools import erase
from tools.dead_letters import Scope
from tools.erase import Copy, Erasure, erase_rows, list_bus_copies, list_table_copies

if TYPE_CHECKING:
    from formbridge.submissions.table import SaveResult
    from tests.support.tools.stack import Stack

Run = Callable[..., tuple[object, str, str]]

ACME = Scope("t_acme")


@pytest.fixture(autouse=True)
def _quiet(monkeypatch: pytest.MonkeyPatch) -> None:
    # moto keeps its tables in plain dictionaries, and two requests at once may trip over one.
    monkeypatch.setattr(erase, "WRITER_THREADS", 1)
    monkeypatch.setattr(clock, "now_ms", lambda: NOW)


def erase_all(stack: Stack, scope: Scope = ACME, *, dry_run: bool = False) -> Erasure:
    return erase_rows(stack.table, scope, dry_run=dry_run, advance=lambda _: None)


def fill(stack: Stack) -> None:
    """One complete, one pending, one deleted submission, and the tombstone of one with a payload; another tenant's."""
    stack.save(
        received(submission_id="complete"),
        partial(submission_id="pending", payload={"email": "ada@example.com"}),
        received(submission_id="deleted"),
        partial(submission_id="deleted", status="deleted"),
        received(submission_id="left-over"),
        partial(submission_id="left-over", status="deleted"),
        received(submission_id="complete", tenant_id="t_globex"),
    )
    left_over = {**stack.item("left-over"), "payload": {"S": '"ada@example.com"'}}
    stack.dynamodb.put_item(TableName=SUBMISSIONS, Item=left_over)


def with_content(stack: Stack) -> set[str]:
    """The partition keys of the rows that hold an e-mail address."""
    return {item["PK"].get("S", "") for item in stack.items() if "ada@example.com" in str(item)}


class TestRows:
    def test_every_row_of_the_tenant_becomes_a_tombstone(self, stack: Stack) -> None:
        fill(stack)
        before = stack.item("deleted")

        assert erase_all(stack) == Erasure(erased=3, empty=1)
        assert with_content(stack) == {"SUB#t_globex#complete"}
        for submission_id in ("complete", "pending", "deleted", "left-over"):
            assert stack.item(submission_id)["status"] == {"S": "deleted"}
        assert stack.item("deleted") == before
        assert is_pending(stack.item("pending"))

    def test_dashboards_receive_the_deletion_as_the_next_version(self, stack: Stack) -> None:
        stack.save(received(), updated())
        before = Submission.from_item(stack.item("s1"))

        erase_all(stack)
        after = Submission.from_item(stack.item("s1"))
        assert after.is_deleted
        assert (after.incarnation, after.version) == (before.incarnation, before.version + 1)

    def test_a_second_run_changes_nothing(self, stack: Stack) -> None:
        fill(stack)
        erase_all(stack)
        before = stack.items()

        assert erase_all(stack) == Erasure(erased=0, empty=4)
        assert stack.items() == before

    def test_a_dry_run_counts_the_same_and_changes_nothing(self, stack: Stack) -> None:
        fill(stack)
        before = stack.items()

        assert erase_all(stack, dry_run=True) == Erasure(erased=3, empty=1)
        assert stack.items() == before

    @pytest.mark.parametrize(
        ("submission_id", "expected"),
        [
            ("complete", Erasure(erased=1)),
            ("pending", Erasure(erased=1)),
            ("left-over", Erasure(erased=1)),
            ("deleted", Erasure(empty=1)),
            ("missing", Erasure()),
        ],
    )
    @pytest.mark.parametrize("dry_run", [False, True])
    def test_one_submission_is_erased_and_no_other(
        self, stack: Stack, submission_id: str, expected: Erasure, dry_run: bool
    ) -> None:
        fill(stack)
        before = with_content(stack)

        assert erase_all(stack, Scope("t_acme", submission_id), dry_run=dry_run) == expected
        assert before - with_content(stack) == ({f"SUB#t_acme#{submission_id}"} & before if not dry_run else set())
        assert len(stack.items()) == 5

    def test_a_row_that_changes_during_the_read_is_erased_too(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack.save(received(), received(submission_id="s2"))
        delete = SubmissionsTable.delete

        def delete_and_receive(table: SubmissionsTable, tenant_id: str, submission_id: str, now_ms: int) -> SaveResult:
            if submission_id == "s2":
                stack.save(received(submission_id="s3"))
            return delete(table, tenant_id, submission_id, now_ms)

        monkeypatch.setattr(SubmissionsTable, "delete", delete_and_receive)
        assert erase_all(stack) == Erasure(erased=3)

    def test_a_tenant_that_never_comes_to_rest_is_a_problem(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        stack.save(received(submission_id="s0"))
        delete = SubmissionsTable.delete

        def delete_and_receive(table: SubmissionsTable, tenant_id: str, submission_id: str, now_ms: int) -> SaveResult:
            stack.save(received(submission_id=f"s{int(submission_id[1:]) + 1}"))
            return delete(table, tenant_id, submission_id, now_ms)

        monkeypatch.setattr(SubmissionsTable, "delete", delete_and_receive)
        problem = "the tenant still receives submissions; stop its forms and run the command again"
        assert erase_all(stack) == Erasure(erased=5, problems=[problem])

    def test_an_error_that_is_not_about_a_row_ends_the_erasure(
        self, stack: Stack, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def throttle(*_: object) -> SaveResult:
            raise ClientError({"Error": {"Code": "ThrottlingException", "Message": "…"}}, "UpdateItem")

        stack.save(received())
        monkeypatch.setattr(SubmissionsTable, "delete", throttle)
        with pytest.raises(ClientError, match="ThrottlingException"):
            erase_all(stack)

    def test_a_row_that_another_program_wrote_is_reported_and_stops_no_other(self, stack: Stack) -> None:
        stack.save(received())
        foreign_key = {**image(submission("s2")), "PK": {"S": "SUB#s2"}}
        foreign_type = {**image(submission("s3")), "version": {"S": "one"}}
        for item in (foreign_key, foreign_type):
            stack.dynamodb.put_item(TableName=SUBMISSIONS, Item=item)

        erasure = erase_all(stack)
        assert erasure.erased == 1
        foreign, mistyped = sorted(erasure.problems)
        expected = "row SUB#s2: not erased, because its key is not that of its submission; delete it yourself"
        assert foreign == expected
        assert mistyped.startswith("row SUB#t_acme#s3: not erased: An error occurred (ValidationException)")


class TestCopies:
    def test_the_stream_keeps_the_old_content_for_a_day(self, stack: Stack) -> None:
        stream = Copy("stream of the submissions table", "until 2026-11-23 20:00 UTC")
        assert list_table_copies(stack.dynamodb, SUBMISSIONS, NOW) == [stream]

    def test_backups_are_named(self, stack: Stack) -> None:
        stack.dynamodb.update_continuous_backups(
            TableName=SUBMISSIONS, PointInTimeRecoverySpecification={"PointInTimeRecoveryEnabled": True}
        )
        arn = stack.dynamodb.create_backup(TableName=SUBMISSIONS, BackupName="before")["BackupDetails"]["BackupArn"]

        assert list_table_copies(stack.dynamodb, SUBMISSIONS, NOW)[1:] == [
            Copy("point-in-time recovery of the submissions table", "until 2026-12-27 20:00 UTC"),
            Copy(f"backup {arn}", "until you delete it"),
        ]

    def test_archives_of_the_bus_are_named(self, stack: Stack) -> None:
        bus = stack.events.describe_event_bus(Name="forms")["Arn"]
        default = stack.events.describe_event_bus(Name="default")["Arn"]
        for name, source, days in (("all", bus, 0), ("month", bus, 30), ("other", default, 1)):
            stack.events.create_archive(ArchiveName=name, EventSourceArn=source, RetentionDays=days)

        assert list_bus_copies(stack.events, "forms", NOW) == [
            Copy("events on their way to the table", "until 2026-11-22 22:00 UTC"),
            Copy("archive all of the event bus", "until you delete it"),
            Copy("archive month of the event bus", "until 2026-12-22 20:00 UTC"),
        ]

    def test_every_page_of_the_archives_is_read(self, stack: Stack, monkeypatch: pytest.MonkeyPatch) -> None:
        pages = {
            None: {"Archives": [{"ArchiveName": "one"}], "NextToken": "2"},
            "2": {"Archives": [{"ArchiveName": "two"}]},
        }

        def list_archives(**request: Any) -> Any:
            return pages[request.get("NextToken")]

        monkeypatch.setattr(stack.events, "list_archives", list_archives)
        assert [copy.place for copy in list_bus_copies(stack.events, "forms", NOW)[1:]] == [
            "archive one of the event bus",
            "archive two of the event bus",
        ]


class TestCommand:
    def words(self, stack: Stack, **changed: str) -> list[str]:
        """The command line with every option that is required."""
        options = {"--tenant": "t_acme", **stack.options} | {f"--{name}": value for name, value in changed.items()}
        return ["erase", *(word for option in options.items() for word in option)]

    def test_it_erases_rows_and_dead_letters_and_names_the_copies(self, stack: Stack, run: Run) -> None:
        fill(stack)
        stack.send(received(form_id=""), received(tenant_id="t_globex"))

        assert run(*self.words(stack)) == (
            0,
            "submissions erased: 3; without content before: 1\n"
            "messages of the ingest dead-letter queue deleted: 1\n"
            "not searched, as they hold no content: all other tables, all other queues, the logs\n"
            "copies that remain:\n"
            "- stream of the submissions table: until 2026-11-23 20:00 UTC\n"
            "- events on their way to the table: until 2026-11-22 22:00 UTC\n",
            "",
        )
        assert with_content(stack) == {"SUB#t_globex#complete"}
        assert stack.visible() == stack.sent[1:]

    def test_a_dry_run_says_what_would_be_erased(self, stack: Stack, run: Run) -> None:
        fill(stack)
        stack.send(received())
        before = stack.items()

        code, output, errors = run(*self.words(stack), "--dry-run")
        assert (code, errors) == (0, "")
        assert output.splitlines()[:2] == [
            "submissions to erase: 3; without content before: 1",
            "messages of the ingest dead-letter queue to delete: 1",
        ]
        assert stack.items() == before
        assert stack.visible() == stack.sent

    def test_on_a_terminal_stderr_has_a_progress_bar(
        self, stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tools.console, "error_console", Console(stderr=True, force_terminal=True))
        fill(stack)

        code, output, errors = run(*self.words(stack), "--dry-run")
        assert code == 0
        assert output.startswith("submissions to erase: 3;")
        assert re.search(r"submissions .*4/\?", errors)

    def test_one_submission(self, stack: Stack, run: Run) -> None:
        fill(stack)
        stack.send(received(submission_id="pending"), received())

        code, output, _ = run(*self.words(stack, submission="pending"))
        assert code == 0
        assert output.splitlines()[:2] == [
            "submissions erased: 1; without content before: 0",
            "messages of the ingest dead-letter queue deleted: 1",
        ]

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"tenant": "t_acm"}, "--tenant: nothing of t_acm is in the table or the queue"),
            ({"submission": "s1"}, "--submission: nothing of submission s1 of t_acme is in the table or the queue"),
        ],
    )
    def test_finding_nothing_is_an_error(self, stack: Stack, run: Run, changed: dict[str, str], message: str) -> None:
        fill(stack)

        assert run(*self.words(stack, **changed)) == (1, "", f"error: {message}\n")

    def test_what_could_not_be_erased_is_an_error(self, stack: Stack, run: Run) -> None:
        fill(stack)
        stack.send("ada@example.com", received())

        code, output, errors = run(*self.words(stack))
        assert (code, errors) == (
            1,
            f"error: dead letter {stack.sent[0]}: kept, because it is not JSON; check it and delete it yourself\n",
        )
        assert output.startswith("submissions erased: 3;")

    @pytest.mark.parametrize(
        ("changed", "message"),
        [
            ({"tenant": "a#b"}, "--tenant: must match ^[A-Za-z0-9_][A-Za-z0-9_.:-]{0,65}$, got 'a#b'"),
            ({"submission": "a b"}, "--submission: must match ^[A-Za-z0-9_.:-]{1,64}$, got 'a b'"),
            ({"queue": "ingest"}, "--queue: must be https://HOST/ACCOUNT/NAME, got 'ingest'"),
            ({"table": "missing"}, "--table missing: An error occurred (TableNotFoundException)"),
            ({"bus": "missing"}, "--bus missing: An error occurred (ResourceNotFoundException)"),
            (
                {"queue": "https://sqs.us-east-1.amazonaws.com/123456789012/missing"},
                "--queue https://sqs.us-east-1.amazonaws.com/123456789012/missing: An error occurred",
            ),
        ],
    )
    def test_bad_input_is_an_error_that_names_option_and_value_before_anything_is_erased(
        self, stack: Stack, run: Run, changed: dict[str, str], message: str
    ) -> None:
        fill(stack)
        before = stack.items()

        code, output, errors = run(*self.words(stack, **changed))
        assert (code, output) == (1, "")
        assert errors.startswith(f"error: {message}")
        assert stack.items() == before

    def test_without_a_region_it_says_so(self, stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.delenv("AWS_DEFAULT_REGION")
        assert run(*self.words(stack)) == (1, "", "error: You must specify a region.\n")

    def test_an_interrupt_is_an_error_that_says_how_to_continue(
        self, stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def interrupt(*_: object) -> None:
            raise KeyboardInterrupt

        fill(stack)
        monkeypatch.setattr(SubmissionsTable, "delete", interrupt)
        expected = "error: interrupted; run the command again to continue\n"
        assert run(*self.words(stack)) == (1, "", expected)

    def test_an_error_during_the_erasure_names_the_table(
        self, stack: Stack, run: Run, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def list_no_copies(*_: object) -> list[Copy]:
            return []

        fill(stack)
        stack.dynamodb.delete_table(TableName=SUBMISSIONS)
        monkeypatch.setattr(erase, "list_table_copies", list_no_copies)

        code, _, errors = run(*self.words(stack))
        assert code == 1
        assert re.match(r"error: --table submissions: An error occurred \(ResourceNotFoundException\)", errors)
