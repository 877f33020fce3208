"""`docs/protocol.md`, cut into what it states, and the mark of a test that shows one of its statements."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final, TypeVar

PAGE: Final = (Path(__file__).resolve().parents[3] / "docs" / "protocol.md").read_text()

_FENCE: Final = re.compile(r"^```.*\n", re.M)
_HEADINGS: Final = re.compile(r"^#.*$|^\|.*\n\|[-|]+$", re.M)
"""Of sections, and of tables."""
_BLOCK: Final = re.compile(r"\n\s*\n|\n(?=- |\|)")
_SENTENCE: Final = re.compile(r"(?<=[.?!]) |(?<=[.?!]\*\*) ")
_CODES: Final = re.compile(r"(?P<of>[A-Z][\w ]*): (?P<one>`\w+`(?:, `\w+`)+)\.")

Test = TypeVar("Test", bound=Callable[..., object])


def states(*statements: str) -> Callable[[Test], Test]:
    """Mark a test as one that shows these statements of the page, word for word."""

    def mark(test: Test) -> Test:
        vars(test)["statements"] = statements
        return test

    return mark


def stated_by(test: object) -> tuple[str, ...]:
    """What a test is marked with."""
    marked: dict[str, Any] = getattr(test, "__dict__", {})
    return marked.get("statements", ())


def statements(text: str) -> list[str]:
    """What a page states: its sentences, rows of tables, lines of examples, and each code of an enumeration."""
    found: list[str] = []
    for number, part in enumerate(_FENCE.split(text)):
        if number % 2:
            found += part.splitlines()
            continue
        for block in _BLOCK.split(_HEADINGS.sub("", part)):
            found += _of_prose(" ".join(block.removeprefix("- ").split()))
    return found


def _of_prose(text: str) -> Iterator[str]:
    for sentence in _SENTENCE.split(text):
        if enumeration := _CODES.fullmatch(sentence):
            yield from (f"{enumeration['of']}: {one}" for one in enumeration["one"].split(", "))
        elif sentence:
            yield sentence
