"""The components as Pulumi's other languages see them: a schema, read from types and docstrings."""

from __future__ import annotations

import json
from typing import Any

import pytest

from docs import generate
from tests.support.components.harness import run

PLAIN = {
    "StreamTable": {"deletionProtection", "hashKey", "rangeKey"},
    "SubmissionIngest": {"packageFor"},
    "WebSocketGateway": {"access", "limits", "posting", "concurrency", "deletionProtection", "packageFor"},
    "DeadLetterResync": {"packageFor"},
    "TenantIdentity": {"callbackUrls", "deletionProtection"},
    "DashboardSite": {"accessLog"},
    "DashboardPage": {"signIn"},
}
"""The inputs that decide which resources there are, what they are made of, or whether Pulumi protects them."""

SCHEMA = generate.build_schema()
COMPONENTS: dict[str, dict[str, Any]] = {token.split(":")[-1]: body for token, body in SCHEMA["resources"].items()}

GROUPS: dict[str, dict[str, Any]] = {token.split(":")[-1]: body for token, body in SCHEMA["types"].items()}
"""The groups of inputs, such as the limits of a gateway."""

each_component = pytest.mark.parametrize("component", COMPONENTS)
each_group = pytest.mark.parametrize("group", GROUPS)


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


def test_has_the_groups_of_inputs() -> None:
    assert set(GROUPS) == {
        *("GatewayAccessArgs", "GatewayConcurrencyArgs", "GatewayLimitsArgs", "GatewayPostingArgs"),
        "DashboardSignInArgs",
    }


@each_group
def test_describes_every_group_and_its_inputs(group: str) -> None:
    assert GROUPS[group]["description"]
    assert GROUPS[group]["properties"]
    assert [name for name, value in GROUPS[group]["properties"].items() if not value.get("description")] == []


@each_group
def test_states_the_default_of_every_input_of_a_group_that_is_not_required(group: str) -> None:
    required = GROUPS[group].get("required", [])
    optional = {name: value for name, value in GROUPS[group]["properties"].items() if name not in required}

    assert [name for name, value in optional.items() if "Default:" not in value["description"]] == []


@each_component
def test_has_an_example_that_creates_the_component(component: str) -> None:
    recording = run(lambda: exec(generate.read_example(component), {}))

    assert f"formbridge:index:{component}" in {one.type for one in recording.resources.values()}


@each_component
def test_has_no_python_example_in_the_descriptions_for_other_languages(component: str) -> None:
    assert "Example:" not in COMPONENTS[component]["description"]


@each_component
def test_is_plain_only_where_meant(component: str) -> None:
    inputs = COMPONENTS[component]["inputProperties"]

    assert {name for name, value in inputs.items() if value.get("plain")} == PLAIN.get(component, set())
