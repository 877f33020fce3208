"""`protectData`: Pulumi refuses to delete or replace what holds data, before it changes anything else."""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

import pytest

from components import stream_table
from tests.support.engine.stacks import EngineStack

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.engine.stacks import Outcome, World

PROTECTED = {"submissions-table", "gateway-revocations", "identity-users"}
CHANGES = {"create", "update", "delete"}


@pytest.fixture
def stack(deployed: World) -> EngineStack:
    """The stack `dev` with `protectData`."""
    stack = deployed.stack(config={"protectData": True})
    outcome = stack.up()
    assert not outcome.failed, outcome.output
    assert outcome.operations == dict.fromkeys(PROTECTED, "update")
    deployed.cloud.calls.clear()
    return stack


def changes(world: World) -> Counter[str]:
    """Return how often each method that changes something was called."""
    return Counter(call.method for call in world.cloud.calls if call.method in CHANGES)


@pytest.mark.parametrize("operation", [EngineStack.preview, EngineStack.up])
def test_a_change_of_keys_is_refused_before_anything_changes(
    deployed: World, stack: EngineStack, monkeypatch: pytest.MonkeyPatch, operation: Callable[[EngineStack], Outcome]
) -> None:
    monkeypatch.setattr(stream_table, "RANGE_KEY", "another")

    outcome = operation(stack)

    assert outcome.failed
    (error,) = [one for one in outcome.errors if "submissions-table" in one]
    assert "marked for protection" in error
    assert not changes(deployed)


def test_a_destroy_is_refused_before_anything_changes(deployed: World, stack: EngineStack) -> None:
    outcome = stack.destroy_after_preview()

    assert outcome.failed
    assert set(re.findall(r'"urn:\S+::(\S+)" cannot be deleted', outcome.output)) == PROTECTED
    assert not changes(deployed)


def test_a_destroy_without_its_preview_keeps_only_what_is_protected(deployed: World, stack: EngineStack) -> None:
    """This is why nobody may use `--skip-preview` with it."""
    outcome = stack.destroy()

    assert outcome.failed
    assert set(changes(deployed)) == {"delete"}
    assert len(deployed.cloud.called("delete")) > 100
    assert [len(deployed.cloud.of_name(name)) for name in PROTECTED] == [1] * len(PROTECTED)


def test_the_guards_are_taken_away_in_one_update_and_then_the_stack_goes(deployed: World, stack: EngineStack) -> None:
    unprotected = deployed.stack(config={"protectData": False})

    updated = unprotected.up()

    assert not updated.failed, updated.output
    assert updated.operations == dict.fromkeys(PROTECTED, "update")
    assert sorted(deployed.cloud.called("update")) == sorted(PROTECTED)

    destroyed = unprotected.destroy_after_preview()

    assert not destroyed.failed, destroyed.output
    assert unprotected.resources() == {}
