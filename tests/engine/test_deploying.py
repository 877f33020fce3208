"""The first `up` creates what the program declares, and what follows it changes nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.support.engine.stacks import EngineStack
from tests.support.program.whole_program import declare

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.engine.conftest import Deployed
    from tests.support.engine.stacks import Outcome, World

CHANGES = {"create", "update", "delete"}


def test_a_preview_creates_nothing(empty: World) -> None:
    outcome = empty.stack().preview()

    assert not outcome.failed, outcome.output
    assert set(outcome.operations.values()) == {"create"}
    assert [call for call in empty.cloud.calls if call.method in CHANGES] == []


def test_the_first_up_creates_what_the_program_declares(deployment: Deployed) -> None:
    declared = declare(alarmEmail="")
    state = deployment.world.stack().resources()

    assert set(deployment.first_up.operations.values()) == {"create"}
    managed = {urn for urn, one in state.items() if "::pulumi:providers:" not in urn and not one.get("external")}
    assert managed == set(declared.resources)
    assert {one.urn for one in deployment.world.cloud.existing} == {one.urn for one in declared.custom()}


def test_the_exports_are_known(deployment: Deployed) -> None:
    state = deployment.world.stack().resources()
    (stack,) = [one for urn, one in state.items() if "::pulumi:pulumi:Stack::" in urn]

    assert set(stack["outputs"]) == set(declare(alarmEmail="").exports)


@pytest.mark.parametrize("operation", [EngineStack.preview, EngineStack.up])
def test_nothing_changes_after_the_first_up(deployed: World, operation: Callable[[EngineStack], Outcome]) -> None:
    outcome = operation(deployed.stack())

    assert not outcome.failed, outcome.output
    assert set(outcome.changes) == {"same"}
    assert [call for call in deployed.cloud.calls if call.method in CHANGES] == []


def test_a_refresh_only_notes_that_the_account_has_a_log_role_now(deployed: World) -> None:
    stack = deployed.stack()

    first, second = stack.refresh(), stack.refresh()

    assert not first.failed, first.output
    assert first.changes["update"] == 1
    (lookup,) = [one for one in stack.resources().values() if one.get("external")]
    assert lookup["outputs"]["cloudwatchRoleArn"] == deployed.cloud.api_gateway_log_role
    assert set(second.changes) == {"same"}
    assert [call for call in deployed.cloud.calls if call.method in CHANGES] == []


def test_destroy_leaves_only_the_log_role_of_the_account(deployed: World) -> None:
    stack = deployed.stack()

    outcome = stack.destroy()

    assert not outcome.failed, outcome.output
    assert {urn.partition("$")[0].rpartition("::")[2] for urn in (one.urn for one in deployed.cloud.existing)} == {
        "formbridge:index:ApiGatewayLogRole"
    }
    assert stack.resources() == {}
