"""The components as Pulumi's other languages see them: a schema, read from types and docstrings."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

import pytest

from components.__main__ import VERSION
from docs import generate

ROOT = Path(__file__).parents[2]

PLAIN = {
    "StreamTable": {"hashKey", "rangeKey"},
    "SubmissionIngest": {"packageFor"},
    "WebSocketGateway": {"access", "limits", "posting", "packageFor"},
    "DeadLetterResync": {"packageFor"},
    "TenantIdentity": {"callbackUrls"},
    "DashboardPage": {"signIn"},
}
"""The inputs that decide which resources there are, or what they are made of: these must be known at once."""

SCHEMA = generate.build_schema()
COMPONENTS: dict[str, dict[str, Any]] = {token.split(":")[-1]: body for token, body in SCHEMA["resources"].items()}

each_component = pytest.mark.parametrize("component", COMPONENTS)


def test_is_the_one_that_was_reviewed() -> None:
    """Whoever means a change writes it: `make docs`, and reads the difference."""
    assert json.loads(generate.SNAPSHOT.read_text()) == SCHEMA


@each_component
def test_describes_every_component_input_and_output(component: str) -> None:
    described = COMPONENTS[component]

    assert described["description"]
    for kind in ("inputProperties", "properties"):
        assert described[kind]
        for name, value in described[kind].items():
            assert value.get("description"), name


@each_component
def test_requires_few_inputs_and_gives_every_output(component: str) -> None:
    assert len(COMPONENTS[component]["requiredInputs"]) <= 4
    assert set(COMPONENTS[component]["required"]) == set(COMPONENTS[component]["properties"])


@each_component
def test_states_the_default_of_every_input_that_is_not_required(component: str) -> None:
    inputs = COMPONENTS[component]["inputProperties"]
    optional = {name: value for name, value in inputs.items() if name not in COMPONENTS[component]["requiredInputs"]}

    assert [name for name, value in optional.items() if "Default:" not in value["description"]] == []


@each_component
def test_is_plain_only_where_meant(component: str) -> None:
    inputs = COMPONENTS[component]["inputProperties"]

    assert {name for name, value in inputs.items() if value.get("plain")} == PLAIN.get(component, set())


def test_the_plugins_version_is_the_projects() -> None:
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION


def test_the_page_of_the_components_is_current() -> None:
    assert (ROOT / "docs" / "components.md").read_text() == generate.build_components_page(), "write it anew: make docs"
