from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from tests.support.local.programs import by_name
from tests.support.local.provisioning import outputs

if TYPE_CHECKING:
    from local.monitor import Monitor


def test_role_with_policy_and_attachment(made: Monitor, call: Any) -> None:
    own, policy = outputs(made, "role"), outputs(made, "policy")
    role = call("iam", "get_role", RoleName=own["name"])["Role"]
    assert (role["Arn"], role["RoleId"], role["Description"]) == (own["arn"], own["uniqueId"], "a role")
    assert datetime.fromisoformat(own["createDate"]) == role["CreateDate"].replace(microsecond=0)
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "lambda.amazonaws.com"}
    assert role["Tags"] == [{"Key": "team", "Value": "forms"}]
    inline = call("iam", "get_role_policy", RoleName=own["name"], PolicyName=policy["name"])["PolicyDocument"]
    assert inline["Statement"][0]["Resource"] == outputs(made, "table")["arn"]
    assert by_name(made, "policy").id == f"{own['name']}:{policy['name']}"
    (attached,) = call("iam", "list_attached_role_policies", RoleName=own["name"])["AttachedPolicies"]
    assert by_name(made, "attachment").id == f"{own['name']}/{attached['PolicyArn']}"


def test_policies_may_be_objects(made: Monitor, call: Any) -> None:
    role = call("iam", "get_role", RoleName=outputs(made, "role-from-object")["name"])["Role"]
    assert role["AssumeRolePolicyDocument"]["Statement"][0]["Principal"] == {"Service": "pipes.amazonaws.com"}
