"""The tables of docs/security.md whose verdicts follow from what the program declares.

`make security` writes the columns of the verdicts. People write the others, above all the answer to what fails.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.support.security.controls import CDK_NAG, SECURITY_HUB

if TYPE_CHECKING:
    from collections.abc import Iterable

    from tests.support.components.harness import Recording
    from tests.support.security.checkov import Finding
    from tests.support.security.controls import Control

PAGE: Final = Path(__file__).resolve().parents[3] / "docs" / "security.md"

PASS: Final = "pass"
ACCEPTED: Final = "accepted"
NOT_APPLICABLE: Final = "not applicable"


@dataclass(frozen=True)
class Outcome:
    """What a rule says of a program: the resources that it is about, and those of them that fail."""

    title: str
    subjects: frozenset[str]
    failed: frozenset[str]


@dataclass(frozen=True)
class Row:
    """A row of a table."""

    rule: str
    title: str
    verdicts: tuple[str, ...]
    """One for each configuration."""
    failed: str
    """The resources that fail in the first configuration."""
    answer: str

    def render(self) -> str:
        return (
            " ".join(f"| {cell}".rstrip() for cell in (self.rule, self.title, *self.verdicts, self.failed, self.answer))
            + " |"
        )


Outcomes = Mapping[str, tuple[Outcome, ...]]
"""By rule: one for each configuration."""


def derive(recordings: Mapping[str, Recording], findings: Mapping[str, Mapping[str, Finding]]) -> dict[str, Outcomes]:
    """What the program's outcomes are, by the heading of their table."""
    return {
        "AWS Security Hub": _of_controls(SECURITY_HUB, recordings),
        "cdk-nag": _of_controls(CDK_NAG, recordings),
        "checkov": _of_findings(findings),
    }


def _of_controls(controls: Mapping[str, Control], recordings: Mapping[str, Recording]) -> Outcomes:
    return {
        rule: tuple(
            Outcome("", frozenset(control.subjects(one)), frozenset(control.failing(one)))
            for one in recordings.values()
        )
        for rule, control in controls.items()
    }


def _of_findings(findings: Mapping[str, Mapping[str, Finding]]) -> Outcomes:
    titles = {rule: found.title for program in findings.values() for rule, found in program.items()}
    return {
        rule: tuple(_outcome(title, program.get(rule)) for program in findings.values())
        for rule, title in sorted(titles.items())
    }


def _outcome(title: str, found: Finding | None) -> Outcome:
    if found is None:
        return Outcome(title, frozenset(), frozenset())
    return Outcome(title, found.passed | found.failed, found.failed)


def rows(text: str, heading: str) -> dict[str, Row]:
    """The rows of the table below a heading, by rule."""
    found: dict[str, Row] = {}
    for line in _table(text, heading).splitlines()[2:]:
        rule, title, *verdicts, failed, answer = (cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1])
        found[rule] = Row(rule, title, tuple(verdicts), failed, answer)
    return found


def plain_rows(text: str, heading: str) -> list[list[str]]:
    """The rows of a table that people write: what it is about, verdict, answer."""
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in _table(text, heading).splitlines()[2:]]


def refresh(text: str, derived: Mapping[str, Outcomes]) -> str:
    """The page with the verdicts that follow from `derived`. New rules have no answer, and gone ones no row."""
    for heading, outcomes in derived.items():
        before = rows(text, heading)
        after = [judge(rule, outcome, before.get(rule)) for rule, outcome in outcomes.items()]
        table = _table(text, heading)
        head = table.splitlines()[:2]
        text = text.replace(table, "".join(f"{line}\n" for line in (*head, *(row.render() for row in after))))
    return text


def judge(rule: str, outcomes: Iterable[Outcome], before: Row | None) -> Row:
    """The row of a rule: verdicts from the outcomes, title and answer from the row that there is."""
    first, *_ = outcomes = tuple(outcomes)
    row = before or Row(rule, first.title, (), "", "")
    return replace(
        row,
        title=first.title.replace("|", r"\|") or row.title,
        verdicts=tuple(_verdict(one) for one in outcomes),
        failed=_list(first),
        answer=row.answer if any(one.failed for one in outcomes) else "",
    )


def _verdict(outcome: Outcome) -> str:
    if not outcome.subjects:
        return NOT_APPLICABLE
    return ACCEPTED if outcome.failed else PASS


def _list(outcome: Outcome) -> str:
    if len(outcome.failed) > 1 and outcome.failed == outcome.subjects:
        return f"all {len(outcome.failed)}"
    return ", ".join(f"`{name}`" for name in sorted(outcome.failed))


def _table(text: str, heading: str) -> str:
    (found,) = re.findall(rf"^### {re.escape(heading)}\n(?:(?!^\||^#).*\n)*((?:^\|.*\n)+)", text, re.MULTILINE)
    return found
