"""What holds for every component: names, parents, tags, outputs, previews."""

from __future__ import annotations

import inspect
from functools import cache
from typing import TYPE_CHECKING

import pytest

from local.type_metadata import find_problems
from tests.support.components.contract import takes_tags
from tests.support.components.examples import EXAMPLES, example
from tests.support.components.harness import Recording, run

if TYPE_CHECKING:
    import pulumi

TAGS = {"Project": "forms", "Owner": "team-a"}

pytestmark = pytest.mark.parametrize("name", EXAMPLES)


@cache  # no test changes a recording
def declare(name: str, *, preview: bool = False) -> Recording:
    return run(lambda: example(name, TAGS), preview=preview)


def test_each_resource_is_below_the_component(name: str) -> None:
    recording = declare(name)
    _stack, *rest = recording.resources.values()

    assert len(rest) > 1
    assert rest == recording.below(name)


def test_each_name_starts_with_the_name_of_its_parent(name: str) -> None:
    recording = declare(name)

    for resource in recording.below(name)[1:]:
        assert resource.name.startswith(f"{recording.resources[resource.parent].name}-")


def test_each_resource_that_can_have_tags_has_them(name: str) -> None:
    made = list(declare(name).custom())

    assert {one.name for one in made if one.inputs.get("tags") == TAGS} == {one.name for one in made if takes_tags(one)}


def test_without_tags_nothing_is_tagged(name: str) -> None:
    untagged = run(lambda: example(name, {}))

    assert not [one.name for one in untagged.custom() if one.inputs.get("tags")]


def test_its_type_is_called_as_its_class(name: str) -> None:
    made: list[pulumi.ComponentResource] = []
    recording = run(lambda: made.append(example(name, TAGS)))

    assert recording.one(name).type == f"formbridge:index:{type(made[0]).__name__}"


def test_it_registers_each_output_that_its_class_declares(name: str) -> None:
    made: list[pulumi.ComponentResource] = []
    recording = run(lambda: made.append(example(name, TAGS)))
    declared = {key for key, hint in inspect.get_annotations(type(made[0])).items() if "Output" in str(hint)}

    assert declared
    assert set(recording.registered(name)) == declared
    assert all(recording.registered(name).values())


def test_every_input_is_one_that_pulumi_aws_knows(name: str) -> None:
    made = list(declare(name).custom())

    assert made
    assert {one.name: find_problems(one.type, one.inputs) for one in made} == {one.name: [] for one in made}


def test_a_preview_declares_the_same_resources(name: str) -> None:
    preview, recording = declare(name, preview=True), declare(name)

    assert {one.urn: one.dependencies for one in preview.resources.values()} == {
        one.urn: one.dependencies for one in recording.resources.values()
    }
    assert {one.urn: set(one.inputs) for one in preview.custom()} == {
        one.urn: set(one.inputs) for one in recording.custom()
    }
