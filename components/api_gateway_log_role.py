"""IAM role with which API Gateway writes logs. An account has one such role per region.

Example:
    from components import ApiGatewayLogRole

    ApiGatewayLogRole("api-gateway", {})
"""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._iam import build_trust_policy
from ._input_error import InputError
from ._naming import MAX_ROLE_NAME, check_name
from ._tags import Tags

LOG_POLICY = "iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
"""ARN of the AWS managed policy for this role, without the start `arn:{partition}:`."""


class ApiGatewayLogRoleArgs(TypedDict):
    """The inputs of an `ApiGatewayLogRole`."""

    tags: NotRequired[Tags]
    """Tags of the role. Default: none."""


class ApiGatewayLogRole(pulumi.ComponentResource):
    """The role with which API Gateway writes logs.

    Without this role, AWS rejects a WebSocket stage that has an access log. The role is not a setting of one API. It is
    a setting of the account in a region, so create this component in exactly one stack per account and region. The
    role and the setting remain when you destroy that stack.

    If the account has another role in the region, a preview or an update fails, and the setting stays as it is. Leave
    the component out then: every API of the region can use that role.
    """

    role_arn: pulumi.Output[str]
    """The ARN of the role."""

    def __init__(self, name: str, args: ApiGatewayLogRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-role", MAX_ROLE_NAME)
        _checks.check_fields(args, ApiGatewayLogRoleArgs)
        super().__init__("formbridge:index:ApiGatewayLogRole", name, {}, opts)
        # Pulumi keeps the role when this stack is destroyed, because other stacks of the account may use it.
        child_options = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        role = aws.iam.Role(
            f"{name}-role",
            # There is no condition on `aws:SourceAccount`: AWS does not document that API Gateway sends this key. If it
            # does not, it rejects the role, and the first stage of the account fails.
            assume_role_policy=build_trust_policy("apigateway.amazonaws.com"),
            tags=args.get("tags"),
            opts=child_options,
        )
        attachment = aws.iam.RolePolicyAttachment(
            f"{name}-policy",
            role=role.name,
            policy_arn=role.arn.apply(_build_policy_arn),
            opts=child_options,
        )
        # This reads the setting and does not manage it. AWS has one per account and region, so any id is right.
        current = aws.apigateway.Account.get(
            f"{name}-current", "api-gateway-account", opts=pulumi.ResourceOptions(parent=self)
        )
        # In a preview the ARN of a role that does not exist yet is unknown.
        checked = current.cloudwatch_role_arn.apply(
            lambda found: role.arn.apply(lambda own: _check_role(name, found, own), run_with_unknowns=True)
        )
        aws.apigateway.Account(
            f"{name}-account",
            cloudwatch_role_arn=pulumi.Output.all(role.arn, checked).apply(lambda values: str(values[0])),
            # The policy must be attached first: API Gateway tests the role when this setting changes.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[attachment], retain_on_delete=True),
        )
        self.role_arn = role.arn
        self.register_outputs({"role_arn": self.role_arn})


def _check_role(name: str, found: str | None, own: object) -> None:
    """Check that the account has no role yet, or one of this stack.

    A stack that was destroyed and created again finds its earlier role. Pulumi's automatic naming tells whose it is, if
    its pattern begins with the project and the stack, as that of this project's `Pulumi.yaml` does.

    Args:
        name: Name of the component.
        found: ARN of the account's role. Empty or None: it has none.
        own: ARN of this stack's role, or unknown if the stack has none yet.

    Raises:
        InputError: The account has another role.
    """
    earlier = f"{pulumi.get_project()}-{pulumi.get_stack()}-{name}-role-"
    if found and found != own and not found.rpartition("/")[2].startswith(earlier):
        raise InputError(
            "apiGatewayLogRole",
            f"must be false, because API Gateway has the role {found} already in this account and region, got true",
        )


def _build_policy_arn(role_arn: str) -> str:
    """Return the ARN of `LOG_POLICY` in the partition of the role."""
    return f"arn:{role_arn.split(':')[1]}:{LOG_POLICY}"
