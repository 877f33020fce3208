"""A wrong setting stops the program before the engine creates anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.engine.stacks import World

MESSAGE = "retentionDays: must be an integer of at least 0, got -1"


def test_the_error_names_the_setting(empty: World) -> None:
    outcome = empty.stack(config={"retentionDays": -1}).up()

    assert outcome.failed
    assert MESSAGE in outcome.output
    assert empty.cloud.calls == []
