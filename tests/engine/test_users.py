"""What a setting changes of a user pool that has users."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from tests.engine.conftest import Deployed
    from tests.support.engine.stacks import World

POOL = "identity-users"
SENDER = "arn:aws:ses:us-east-1:123456789012:identity/no-reply@example.com"


def pool_inputs(world: World) -> dict[str, Any]:
    (pool,) = [one for urn, one in world.stack().resources().items() if urn.endswith(f"::{POOL}")]
    return pool["inputs"]


def test_capital_letters_make_no_other_user_from_the_first_up_on(deployment: Deployed) -> None:
    """A later change would replace the pool."""
    assert pool_inputs(deployment.world)["usernameConfiguration"]["caseSensitive"] is False


@pytest.mark.parametrize(
    ("config", "key", "value"),
    [
        ({"mfa": "optional"}, "mfaConfiguration", "OPTIONAL"),
        ({"mailSender": SENDER}, "emailConfiguration", {"emailSendingAccount": "DEVELOPER", "sourceArn": SENDER}),
    ],
)
def test_a_setting_changes_the_pool_in_place(deployed: World, config: dict[str, str], key: str, value: object) -> None:
    outcome = deployed.stack(config=config).up()

    assert not outcome.failed, outcome.output
    assert outcome.operations == {POOL: "update"}
    assert pool_inputs(deployed)[key] == value
