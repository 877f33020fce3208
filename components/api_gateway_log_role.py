"""The role by which API Gateway writes logs: one setting for a whole account and region."""

from typing import NotRequired, TypedDict

import pulumi
import pulumi_aws as aws

from . import _checks
from ._iam import trust_policy
from ._naming import MAX_ROLE_NAME, check_name
from ._tags import Tags

PUSH_TO_LOGS = "iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"


class ApiGatewayLogRoleArgs(TypedDict):
    """What an `ApiGatewayLogRole` takes."""

    tags: NotRequired[Tags]
    """Tags of the role. Default: none."""


class ApiGatewayLogRole(pulumi.ComponentResource):
    """Lets API Gateway write logs. A WebSocket stage with an access log is refused in an account without it.

    It is a setting of the account in a region, not of one API: let one stack make it. It stays when that stack goes.
    """

    role_arn: pulumi.Output[str]
    """The role's ARN."""

    def __init__(self, name: str, args: ApiGatewayLogRoleArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        check_name(name, "-role", MAX_ROLE_NAME)
        _checks.fields(args, ApiGatewayLogRoleArgs)
        super().__init__("formbridge:index:ApiGatewayLogRole", name, {}, opts)
        # What the whole account may rest on by now must not go with one stack.
        own = pulumi.ResourceOptions(parent=self, retain_on_delete=True)
        role = aws.iam.Role(
            f"{name}-role",
            assume_role_policy=trust_policy("apigateway.amazonaws.com"),
            tags=args.get("tags"),
            opts=own,
        )
        may_log = aws.iam.RolePolicyAttachment(
            f"{name}-policy",
            role=role.name,
            policy_arn=role.arn.apply(_push_to_logs),
            opts=own,
        )
        aws.apigateway.Account(
            f"{name}-account",
            cloudwatch_role_arn=role.arn,
            # API Gateway tries the role when it is set.
            opts=pulumi.ResourceOptions(parent=self, depends_on=[may_log], retain_on_delete=True),
        )
        self.role_arn = role.arn
        self.register_outputs({"role_arn": self.role_arn})


def _push_to_logs(role_arn: str) -> str:
    """AWS's own policy for it, as it is called in the role's partition."""
    return f"arn:{role_arn.split(':')[1]}:{PUSH_TO_LOGS}"
