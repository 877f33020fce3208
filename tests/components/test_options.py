"""What a caller's options do to a component: what Pulumi says that they do, to each child."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pulumi
import pulumi_aws as aws
import pytest

from tests.support.components.examples import EXAMPLES, example
from tests.support.components.harness import Declared, Recording, run
from tests.support.local.programs import preview_program, write_program

if TYPE_CHECKING:
    from pathlib import Path

TAGS = {"Owner": "team-a"}

pytestmark = pytest.mark.parametrize("name", EXAMPLES)


def made(recording: Recording, name: str) -> list[Declared]:
    """The AWS resources of the component `name`."""
    return [resource for resource in recording.below(name) if resource.custom]


def test_a_provider_makes_every_child(name: str) -> None:
    def program() -> None:
        example(name, TAGS, pulumi.ResourceOptions(provider=aws.Provider("other", region="eu-north-1")))

    recording = run(program)
    provider = recording.one("other").urn

    assert made(recording, name)
    assert {one.provider.rpartition("::")[0] for one in made(recording, name)} == {provider}


def test_a_parent_has_it_below(name: str) -> None:
    def program() -> None:
        shop = pulumi.ComponentResource("shop:index:Shop", "shop")
        example(name, TAGS, pulumi.ResourceOptions(parent=shop))

    recording = run(program)

    assert recording.resources[recording.one(name).parent].name == "shop"


def test_protection_protects_every_child(name: str) -> None:
    recording = run(lambda: example(name, TAGS, pulumi.ResourceOptions(protect=True)))

    assert [one.name for one in made(recording, name) if not one.protected] == []


def test_nothing_is_protected_unless_asked_for(name: str) -> None:
    assert not [one.name for one in made(run(lambda: example(name, TAGS)), name) if one.protected]


def test_an_alias_keeps_every_child_where_it_is(name: str) -> None:
    """A child's alias is inferred by the engine: what its name adds to its parent's follows the parent's old name."""
    alias = pulumi.ResourceOptions(aliases=[pulumi.Alias(name=name)])
    before = run(lambda: example(name, TAGS))
    after = run(lambda: EXAMPLES[name]("renamed", TAGS, alias))

    inferred = {one.urn.replace("::renamed", f"::{name}") for one in after.below("renamed")}

    assert after.one("renamed").aliases == {before.one(name).urn}
    assert inferred == {one.urn for one in before.below(name)}


def test_a_transform_reaches_every_child(name: str, tmp_path: Path) -> None:
    """Under the local run's monitor, which asks a program's transforms as the engine does."""
    source = f"""
    from tests.support.components.examples import example

    def see(args):
        pulumi.log.info(args.name)

    example({name!r}, {{}}, pulumi.ResourceOptions(transforms=[see]))
    """
    monitor = preview_program(write_program(tmp_path, source))

    assert {one.text for one in monitor.logs} == {one.name for one in run(lambda: example(name, {})).below(name)}


def test_what_it_depends_on_comes_first(name: str) -> None:
    def program() -> None:
        queue = aws.sqs.Queue("first")
        example(name, TAGS, pulumi.ResourceOptions(depends_on=[queue]))

    recording = run(program)

    assert "first" in recording.dependencies(name)


def test_two_of_it_live_in_one_program(name: str) -> None:
    def program() -> None:
        EXAMPLES[name]("one", TAGS)
        EXAMPLES[name]("two", TAGS)

    recording = run(program)

    assert len(recording.below("one")) == len(recording.below("two")) > 1


def test_nothing_of_it_depends_on_the_stacks_name(name: str) -> None:
    stacks = [run(lambda: example(name, TAGS), stack=stack) for stack in ("dev", "prod")]

    dev, prod = ({one.name: one.message for one in made(recording, name)} for recording in stacks)

    assert dev == prod
