"""Roles and role policies of IAM."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..resource import CreatedResource, Resource
from ._arguments import pick_arguments, to_json, to_tag_list
from ._names import choose_name
from ._resource_type import ResourceType, properties

if TYPE_CHECKING:
    from ._aws import Aws


def _create_role(aws: Aws, resource: Resource) -> CreatedResource:
    inputs, name = resource.inputs, choose_name(resource)
    trust = to_json(inputs["assumeRolePolicy"])
    iam = aws.client("iam")
    role = iam.create_role(
        RoleName=name,
        AssumeRolePolicyDocument=trust,
        Tags=to_tag_list(inputs),
        **pick_arguments(inputs, ["description", "maxSessionDuration", "path"]),
    )["Role"]
    for policy_arn in inputs.get("managedPolicyArns", []):
        iam.attach_role_policy(RoleName=name, PolicyArn=policy_arn)
    return CreatedResource(
        name,
        {
            "name": name,
            "arn": role["Arn"],
            "uniqueId": role["RoleId"],
            "path": role["Path"],
            "createDate": role["CreateDate"].strftime("%Y-%m-%dT%H:%M:%SZ"),
            "assumeRolePolicy": trust,
        },
    )


def _create_role_policy(aws: Aws, resource: Resource) -> CreatedResource:
    role, name, policy = resource.inputs["role"], choose_name(resource), to_json(resource.inputs["policy"])
    aws.client("iam").put_role_policy(RoleName=role, PolicyName=name, PolicyDocument=policy)
    return CreatedResource(f"{role}:{name}", {"name": name, "policy": policy})


def _create_role_policy_attachment(aws: Aws, resource: Resource) -> CreatedResource:
    role, policy_arn = resource.inputs["role"], resource.inputs["policyArn"]
    aws.client("iam").attach_role_policy(RoleName=role, PolicyArn=policy_arn)
    return CreatedResource(f"{role}/{policy_arn}", {})


TYPES = {
    "aws:iam/role:Role": ResourceType(
        _create_role,
        properties(
            *("name", "tags", "description", "path", "assumeRolePolicy", "maxSessionDuration", "managedPolicyArns")
        ),
        # `forceDetachPolicies` concerns deletion, and the local run deletes nothing. The boundary is a policy
        # in AWS. The emulator does not have it, and with `--enforce-iam` it refuses a role with it.
        ignored=properties("forceDetachPolicies", "permissionsBoundary"),
    ),
    "aws:iam/rolePolicy:RolePolicy": ResourceType(_create_role_policy, properties("name", "role", "policy")),
    "aws:iam/rolePolicyAttachment:RolePolicyAttachment": ResourceType(
        _create_role_policy_attachment, properties("role", "policyArn")
    ),
}
