"""docs/security.md says what is so: verdicts follow from the program, and what is named as evidence exists."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.support.components.packages import small_packages
from tests.support.security import checkov, page
from tests.support.security.controls import CDK_NAG, SECURITY_HUB
from tests.support.security.page import Outcome, Row
from tests.support.security.programs import CONFIGURATIONS, record

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.components.harness import Recording

ROOT = Path(__file__).resolve().parents[2]
TEXT = page.PAGE.read_text()
DERIVED = ("AWS Security Hub", "cdk-nag", "checkov")
WRITTEN = ("Attacks and answers", "OWASP WebSocket Security Cheat Sheet", "OWASP ASVS 5.0.0")
VERDICTS = {page.PASS, page.ACCEPTED, page.NOT_APPLICABLE}
EVIDENCE = re.compile(r"\[`([Tt]est\w+)`\]\(\.\./(tests/[\w/.]+\.py)\)")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Recording]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        return record()


@pytest.fixture(scope="module")
def derived(recordings: Mapping[str, Recording]) -> Mapping[str, page.Outcomes]:
    return page.derive(recordings, checkov.load(checkov.read()))


@pytest.mark.parametrize("heading", DERIVED)
def test_the_verdicts_are_those_of_the_program(derived: Mapping[str, page.Outcomes], heading: str) -> None:
    """If this fails, run `make security`, and answer what newly fails."""
    written = page.rows(TEXT, heading)

    assert written == {rule: page.judge(rule, outcome, written.get(rule)) for rule, outcome in derived[heading].items()}


def test_make_security_would_change_nothing(derived: Mapping[str, page.Outcomes]) -> None:
    assert page.refresh(TEXT, derived) == TEXT


@pytest.mark.parametrize("heading", DERIVED)
def test_whatever_fails_has_an_answer(heading: str) -> None:
    rows = page.rows(TEXT, heading).values()

    assert [row.rule for row in rows if (page.ACCEPTED in row.verdicts) != bool(row.answer)] == []
    assert [row.rule for row in rows if not row.title] == []


@pytest.mark.parametrize("heading", WRITTEN)
def test_a_written_row_has_a_verdict_and_an_answer(heading: str) -> None:
    rows = page.plain_rows(TEXT, heading)

    assert rows
    assert [row for row in rows if row[1] not in VERDICTS or not row[2]] == []


def test_nothing_is_open() -> None:
    """A failure is fixed or accepted with a reason. No answer promises a change."""
    assert re.findall(r"\| open \||\bOpen: |is being (?:added|built)", TEXT) == []


def test_the_evidence_exists() -> None:
    named = set(EVIDENCE.findall(TEXT))

    assert len(named) > 50
    assert [one for one in named if not defines(ROOT / one[1], one[0])] == []
    assert TEXT.count("](../tests/") == len(EVIDENCE.findall(TEXT))


def defines(path: Path, name: str) -> bool:
    return path.is_file() and re.search(rf"^\s*(?:def|class) {name}\b", path.read_text(), re.MULTILINE) is not None


def test_each_control_is_named_once() -> None:
    assert set(page.rows(TEXT, "AWS Security Hub")) == set(SECURITY_HUB)
    assert set(page.rows(TEXT, "cdk-nag")) == set(CDK_NAG)


def test_the_page_says_what_the_configurations_are() -> None:
    assert list(CONFIGURATIONS) == ["Default", "Strict"]
    assert "`Strict` has `hardened`, `protectData`, a `logRetentionDays` of 365 and a `webAclArn`." in " ".join(
        TEXT.split()
    )
    strict = CONFIGURATIONS["Strict"]
    assert set(strict) == {"hardened", "protectData", "logRetentionDays", "webAclArn"}
    assert (strict["hardened"], strict["protectData"], strict["logRetentionDays"]) == ("true", "true", "365")


class TestJudge:
    """What becomes of a row when the program changes."""

    FAILS = Outcome("title", frozenset({"a", "b"}), frozenset({"a"}))
    PASSES = Outcome("title", frozenset({"a", "b"}), frozenset())
    ABSENT = Outcome("title", frozenset(), frozenset())
    ROW = Row("R.1", "title", (page.ACCEPTED,), "`a`", "It is so.")

    def test_a_failure_is_accepted_with_the_answer_that_there_is(self) -> None:
        assert page.judge("R.1", [self.FAILS], self.ROW) == self.ROW

    def test_what_is_fixed_needs_no_answer(self) -> None:
        row = page.judge("R.1", [self.PASSES], self.ROW)

        assert row == replace(self.ROW, verdicts=(page.PASS,), failed="", answer="")

    def test_what_is_fixed_in_one_configuration_keeps_its_answer(self) -> None:
        row = page.judge("R.1", [self.FAILS, self.PASSES], self.ROW)

        assert row == replace(self.ROW, verdicts=(page.ACCEPTED, page.PASS))

    def test_what_the_program_does_not_have_is_not_applicable(self) -> None:
        assert page.judge("R.1", [self.ABSENT], None).verdicts == (page.NOT_APPLICABLE,)

    def test_a_new_rule_has_no_answer(self) -> None:
        row = page.judge("R.2", [self.FAILS], None)

        assert row == Row("R.2", "title", (page.ACCEPTED,), "`a`", "")

    def test_all_of_many_are_counted(self) -> None:
        many = frozenset({"a", "b"})

        assert page.judge("R.1", [Outcome("title", many, many)], None).failed == "all 2"
