"""Two stacks in one account exist side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.support.engine.cloud import Existing
    from tests.support.engine.stacks import World


def test_a_second_stack_shares_nothing_with_the_first(deployed: World) -> None:
    first = list(deployed.cloud.existing)
    other = deployed.stack("other", config={"apiGatewayLogRole": False})

    created = other.up()

    assert not created.failed, created.output
    second = [one for one in deployed.cloud.existing if one not in first]
    # The program reads the state of its pipe.
    assert {call.method for call in deployed.cloud.calls} == {"create", "invoke"}
    assert all(one.urn.startswith("urn:pulumi:other::") for one in second)
    assert arns(second).isdisjoint(arns(first))

    destroyed = other.destroy()

    assert not destroyed.failed, destroyed.output
    assert deployed.cloud.existing == first


def arns(resources: list[Existing]) -> set[str]:
    return {value for one in resources if (value := one.outputs.fields["arn"].string_value)}
