"""The boundary holds all that the program grants its roles, and nothing of another stack."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

import pytest

from tests.support.components.packages import small_packages
from tests.support.components.provider import ACCOUNT
from tests.support.program.permissions import MANAGED
from tests.support.tools.iam_evaluator import Request, is_allowed
from tests.support.tools.stack_requests import Made, build_facts, record_stack
from tools.iam.boundary import build_policy

if TYPE_CHECKING:
    from collections.abc import Iterator

DEV: Final = build_facts("dev")
BOUNDARY: Final = build_policy(DEV, creates_log_role=True)
MAX_MANAGED_POLICY: Final = 6_144


@pytest.fixture(scope="module")
def stacks(tmp_path_factory: pytest.TempPathFactory) -> dict[str, list[Made]]:
    with small_packages(tmp_path_factory.mktemp("packages")):
        return {name: record_stack(build_facts(name)) for name in ("dev", "dev2")}


def granted(stack: str, resources: list[Made]) -> Iterator[Request]:
    """Yield a request for each action on each resource in the policies of a stack's roles."""
    for made in resources:
        if made.type == "iam/rolePolicy:RolePolicy":
            statements: list[dict[str, Any]] = json.loads(made.inputs["policy"])["Statement"]
            for action, resource in [(a, r) for one in statements for a in one["Action"] for r in one["Resource"]]:
                yield Request(
                    action,
                    resource.replace("*", "x"),
                    {
                        "aws:PrincipalArn": f"arn:aws:iam::{ACCOUNT}:role/{made.inputs['role']}",
                        "aws:ResourceTag/Project": "formbridge-realtime",
                        "aws:ResourceTag/Stack": stack,
                    },
                )


def test_the_roles_may_do_what_the_program_grants(stacks: dict[str, list[Made]]) -> None:
    requests = list(granted("dev", stacks["dev"]))

    assert len(requests) > 50
    assert [one for one in requests if not is_allowed([BOUNDARY], one)] == []


def test_the_log_role_may_do_what_its_policy_of_aws_allows(stacks: dict[str, list[Made]]) -> None:
    (attachment,) = [one for one in stacks["dev"] if one.type == "iam/rolePolicyAttachment:RolePolicyAttachment"]
    group = f"arn:aws:logs:{DEV.region}:{ACCOUNT}:log-group:/aws/apigateway/welcome:log-stream:x"
    roles = {name: f"arn:aws:iam::{ACCOUNT}:role/{name}" for name in (attachment.inputs["role"], "gateway-role")}
    allowed = {
        name: {
            action
            for action in MANAGED[attachment.inputs["policyArn"]]
            if is_allowed([BOUNDARY], Request(action, group, {"aws:PrincipalArn": role}))
        }
        for name, role in roles.items()
    }

    assert allowed == {attachment.inputs["role"]: {*MANAGED[attachment.inputs["policyArn"]]}, "gateway-role": set()}


def test_only_a_stack_that_creates_the_log_role_reads_logs() -> None:
    actions = {
        creates: {
            action for one in build_policy(DEV, creates_log_role=creates)["Statement"] for action in one["Action"]
        }
        for creates in (False, True)
    }

    assert {one for one in actions[False] if one.startswith("logs:")} == {"logs:CreateLogStream", "logs:PutLogEvents"}
    assert "logs:FilterLogEvents" in actions[True]


def test_a_role_gets_at_nothing_of_another_stack_but_the_connections(stacks: dict[str, list[Made]]) -> None:
    crossing = {one.action for one in granted("dev2", stacks["dev2"]) if is_allowed([BOUNDARY], one)}

    assert crossing == {"execute-api:ManageConnections"}


def test_no_role_makes_others() -> None:
    services = {action.partition(":")[0] for one in BOUNDARY["Statement"] for action in one["Action"]}

    assert not services & {"iam", "sts", "organizations"}


def test_it_fits_into_a_managed_policy() -> None:
    policy = build_policy(build_facts("x" * 9, "ap-southeast-1"), creates_log_role=True)

    assert len(json.dumps(policy, separators=(",", ":"))) <= MAX_MANAGED_POLICY
