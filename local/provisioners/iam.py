"""IAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import Created, Resource
from ._arguments import arguments, json_text, tag_list
from ._names import name_of
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _role(aws: Aws, resource: Resource) -> Created:
    inputs, name = resource.inputs, name_of(resource)
    trust = json_text(inputs["assumeRolePolicy"])
    iam = aws.client("iam")
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=trust,
        Tags=tag_list(inputs),
        **arguments(inputs, ["description", "maxSessionDuration", "path", "permissionsBoundary"]),
    )["Role"]
    for policy_arn in inputs.get("managedPolicyArns", []):
        iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn)
    return Created(
        name,
        {
            "name": name,
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "path": role["Path"],
            "assumeRolePolicy": trust,
        },
    )


def _role_policy(aws: Aws, resource: Resource) -> Created:
    role, name, policy = resource.inputs["role"], name_of(resource), json_text(resource.inputs["policy"])
    aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)
    return Created(f"{role}:{name}", {"name": name, "policy": policy})


def _role_policy_attachment(aws: Aws, resource: Resource) -> Created:
    role, policy_arn = resource.inputs["role"], resource.inputs["policyArn"]
    aws.client("iam").attach_role_policy(RoleName=role, PolicyArn=policy_arn)
    return Created(f"{role}/{policy_arn}", {})


TYPES = {
    "aws:iam/role:Role": ResourceType(
        _role,
        properties(
            *("name", "tags", "description", "path", "assumeRolePolicy", "permissionsBoundary"),
            *("maxSessionDuration", "managedPolicyArns"),
        ),
        # About deleting the role, and nothing is ever deleted here.
        ignored=properties("forceDetachPolicies"),
    ),
    "aws:iam/rolePolicy:RolePolicy": ResourceType(_role_policy, properties("name", "role", "policy")),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ResourceType(
        _role_policy_attachment, properties("role", "policyArn")
    ),
}
