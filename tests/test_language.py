"""Phrases that readers stumbled over appear in no text of ours."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PHRASES = ("a text", "whole number", "it is none", "as it comes", "is told")
SUFFIXES = {".css", ".html", ".js", ".json", ".md", ".py", ".toml", ".txt", ".yaml", ".yml"}
FOLDERS = (
    *(".github", "bench", "components", "dashboard", "docs", "examples", "handlers", "local", "policy", "tools"),
)
OTHERS = (ROOT / "dashboard" / "vendor", ROOT / "policy" / ".venv")


def our_files() -> list[Path]:
    """Return the project's own text files, apart from the tests, which no user reads."""
    paths = [*ROOT.iterdir(), *(path for folder in FOLDERS for path in (ROOT / folder).rglob("*"))]
    return [path for path in paths if path.suffix in SUFFIXES and not {*OTHERS} & {*path.parents}]


@pytest.mark.parametrize("phrase", PHRASES)
def test_no_text_has_the_phrase(phrase: str) -> None:
    # Line breaks and comment signs may stand between the words.
    words = re.compile(r"\b" + r"[\s#*/]+".join(phrase.split()) + r"\b", re.IGNORECASE)
    found = [
        f"{path.relative_to(ROOT)}: {match[0]!r}" for path in our_files() for match in words.finditer(path.read_text())
    ]

    assert found == []
