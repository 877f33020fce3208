"""`pulumi:autonaming` in `Pulumi.yaml` decides on the physical names of every stack."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pulumi_aws as aws
import pytest

from tests.support.engine.cloud import Urn
from tests.support.program.naming import choose_name, name_property

if TYPE_CHECKING:
    from tests.support.engine.stacks import World


def run_program() -> None:
    aws.sqs.Queue("queue")
    aws.sqs.QueuePolicy("policy", queue_url="https://sqs.eu-west-1.amazonaws.com/123456789012/queue", policy="{}")


def test_every_name_that_pulumi_chooses_has_project_and_stack(deployed: World) -> None:
    names = {
        urn: one.inputs.fields[key].string_value
        for one in deployed.cloud.existing
        for urn in [Urn(one.urn)]
        if (key := name_property(urn.type)) and key in one.inputs.fields
    }
    own = {urn.name: name for urn, name in names.items() if not name.startswith("formbridge-realtime-dev-")}

    assert own == {"gateway-authorizer": "tenant", "gateway-stage": "live"}
    for urn, name in names.items():
        if urn.name not in own:
            assert without_digits(name) == without_digits(choose_name(urn.type, urn.name, "dev"))


def without_digits(name: str) -> str:
    """Return a name with an `x` for each of its random digits, which are the last ones."""
    return re.sub("[0-9a-f]+$", lambda found: "x" * len(found[0]), name)


def test_a_stack_may_have_another_pattern(empty: World) -> None:
    pattern = {"pattern": "${project}-${stack}-${name}"}

    outcome = empty.stack(program=run_program, config={"pulumi:autonaming": pattern}).up()

    assert not outcome.failed, outcome.output
    (queue,) = empty.cloud.of_name("queue")
    assert queue.outputs.fields["name"].string_value == "formbridge-realtime-dev-queue"


@pytest.mark.parametrize("name", ["my-dev", "productions"])
def test_a_stack_whose_name_does_not_fit_is_refused_in_one_line(empty: World, name: str) -> None:
    outcome = empty.stack(name).up()

    assert outcome.errors == [
        "stack: must be at most 9 lower-case letters and digits that begin with a letter, and not 'preview', "
        f"got {name!r}"
    ]
    assert empty.cloud.calls == []
