"""The documents of docs/iam keep the rules of the policy pack, and the page links each of them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from policy.rules import RESOURCE_RULES

DOCS = Path(__file__).resolve().parents[2] / "docs"
FILES = sorted((DOCS / "iam").iterdir())


def test_the_page_links_each_document() -> None:
    page = (DOCS / "deploying.md").read_text()

    assert {path.name for path in FILES} <= set(re.findall(r"\]\(iam/([\w-]+\.json)\)", page))


@pytest.mark.parametrize("path", FILES, ids=[path.stem for path in FILES])
@pytest.mark.parametrize("name", ["no-wildcard-actions", "no-public-policies"])
def test_a_document_keeps_the_rule(path: Path, name: str) -> None:
    (rule,) = [one for one in RESOURCE_RULES if one.name == name]

    assert list(rule.check("aws:iam/role:Role", {"policy": path.read_text()})) == []
