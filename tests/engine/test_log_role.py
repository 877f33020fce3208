"""The account's role for the logs of API Gateway belongs to one stack, and no other stack overwrites it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from components import ApiGatewayLogRole

if TYPE_CHECKING:
    from tests.support.engine.stacks import World

OTHER = "arn:aws:iam::123456789012:role/someone-elses"


def declare() -> None:
    ApiGatewayLogRole("api-gateway", {})


def refusal(role: str) -> str:
    return (
        f"apiGatewayLogRole: must be false, because API Gateway has the role {role} already in this account and "
        "region, got true"
    )


def test_another_role_is_refused_before_anything_is_created(empty: World) -> None:
    empty.cloud.api_gateway_log_role = OTHER

    outcome = empty.stack(program=declare).preview()

    assert outcome.errors == [refusal(OTHER)]


def test_another_role_is_not_overwritten_without_a_preview(empty: World) -> None:
    empty.cloud.api_gateway_log_role = OTHER

    outcome = empty.stack(program=declare).up()

    assert outcome.errors == [refusal(OTHER)]
    assert empty.cloud.api_gateway_log_role == OTHER


def test_a_second_stack_of_the_account_leaves_the_role_of_the_first(empty: World) -> None:
    first, second = empty.stack(program=declare), empty.stack("other", program=declare)
    created = first.up()
    assert not created.failed, created.output
    role = empty.cloud.api_gateway_log_role

    refused = second.preview()

    assert refused.errors == [refusal(role)]
    assert [first.preview().changes, first.up().changes] == [{"same": 5}] * 2
    assert not first.destroy().failed
    assert empty.cloud.api_gateway_log_role == role


def test_a_stack_that_is_created_again_replaces_its_earlier_role(empty: World) -> None:
    naming = {"pulumi:autonaming": {"pattern": "${project}-${stack}-${name}-${hex(7)}"}}
    stack = empty.stack(program=declare, config=naming)
    assert not stack.up().failed
    earlier = empty.cloud.api_gateway_log_role
    assert not stack.destroy().failed

    again = [stack.preview(), stack.up()]

    assert [outcome.errors for outcome in again] == [[], []]
    assert empty.cloud.api_gateway_log_role not in ("", earlier)
