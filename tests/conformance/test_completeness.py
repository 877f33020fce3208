"""Each sentence of the page has a test, and each test shows a sentence that stands there."""

from __future__ import annotations

import importlib
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tests.support.conformance.document import PAGE, stated_by, statements

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

INTRODUCTIONS = {
    "This page specifies the frames that a dashboard and the gateway exchange.": "It says what the page is about.",
    "The client sends the lines with `→` and receives the lines with `←`.": "It says how to read the example.",
    "`C1` stands for a cursor, `T` for a time in epoch milliseconds, and `I` for an incarnation.": "So does this.",
}
"""Sentences that state nothing which a test could show, and why."""


def all_tests() -> Iterator[tuple[str, Callable[..., Any]]]:
    """The tests of this folder, but for those here."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        if path.stem == Path(__file__).stem:
            continue
        module = importlib.import_module(f"tests.conformance.{path.stem}")
        for name, test in vars(module).items():
            if name.startswith("test_") and callable(test):
                yield f"{path.name}::{name}", test


def test_each_sentence_of_the_page_has_a_test() -> None:
    shown = {statement for _, test in all_tests() for statement in stated_by(test)}
    missing = [statement for statement in statements(PAGE) if statement not in shown | INTRODUCTIONS.keys()]

    assert missing == []


def test_each_sentence_that_a_test_shows_stands_on_the_page() -> None:
    stale = {name: one for name, test in all_tests() for one in stated_by(test) if one not in statements(PAGE)}

    assert stale == {}


def test_each_test_shows_a_sentence() -> None:
    assert [name for name, test in all_tests() if not stated_by(test)] == []


def test_introductions_stand_on_the_page_and_have_no_test() -> None:
    shown = {statement for _, test in all_tests() for statement in stated_by(test)}

    assert INTRODUCTIONS.keys() <= set(statements(PAGE)) - shown


def test_cutting_the_page_loses_none_of_its_words() -> None:
    text = re.sub(r"^#.*|^```.*|^\|.*\n\|-.*|^- ", "", PAGE, flags=re.M)

    assert set(re.findall(r"\w+", text)) == set(re.findall(r"\w+", " ".join(statements(PAGE))))
