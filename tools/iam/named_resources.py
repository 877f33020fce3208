"""Statements of the deploy role's policies for resources whose ARN contains their name."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .document import Statement, allow, limit_to_regions, match_tags_of_existing, match_tags_of_new
from .provider_actions import select_actions

if TYPE_CHECKING:
    from .facts import StackFacts

LOG_POLICY: Final = "policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs"
"""AWS's policy for API Gateway's log role, as the last part of its ARN."""


def build_data(facts: StackFacts) -> list[Statement]:
    """Return the statements for tables, queues, the alarm topic, alarms and parameters."""
    prefix = facts.prefix
    return [
        allow(
            "Tables",
            select_actions("dynamodb", "dynamodb/table:Table"),
            [facts.build_arn("dynamodb", f"table/{prefix}*")],
        ),
        allow(
            "Queues",
            select_actions("sqs", "sqs/queue:Queue", "sqs/queuePolicy:QueuePolicy"),
            [facts.build_arn("sqs", f"{prefix}*")],
        ),
        # For an action on a subscription, AWS checks the ARN of the topic.
        allow(
            "AlarmTopic",
            select_actions(
                "sns", "sns/topic:Topic", "sns/topicPolicy:TopicPolicy", "sns/topicSubscription:TopicSubscription"
            ),
            [facts.build_arn("sns", f"{prefix}*")],
        ),
        allow(
            "Parameters",
            select_actions("ssm", "ssm/parameter:Parameter"),
            [facts.build_arn("ssm", f"parameter/{prefix}*")],
        ),
        allow("FindParameters", ["ssm:DescribeParameters"], ["*"], limit_to_regions(facts.region)),
        allow(
            "Alarms",
            select_actions("cloudwatch", "cloudwatch/metricAlarm:MetricAlarm", without=["DescribeAlarms"]),
            [facts.build_arn("cloudwatch", f"alarm:{prefix}*")],
        ),
        # AWS checks this action for all alarms, even if the request names one.
        allow("FindAlarms", ["cloudwatch:DescribeAlarms"], [facts.build_arn("cloudwatch", "alarm:*")]),
    ]


def build_compute(facts: StackFacts) -> list[Statement]:
    """Return the statements for functions, event source mappings, rules, pipes and log groups."""
    prefix = facts.prefix
    return [
        allow(
            "Functions",
            select_actions(
                "lambda",
                "lambda/function:Function",
                "lambda/functionEventInvokeConfig:FunctionEventInvokeConfig",
                "lambda/permission:Permission",
            ),
            [facts.build_arn("lambda", f"function:{prefix}*")],
        ),
        *_build_mappings(facts),
        allow(
            "Rules",
            select_actions(
                "events",
                "cloudwatch/eventBus:EventBus",
                "cloudwatch/eventRule:EventRule",
                "cloudwatch/eventTarget:EventTarget",
            ),
            [facts.build_arn("events", f"event-bus/{prefix}*"), facts.build_arn("events", f"rule/{prefix}*")],
        ),
        allow("Pipes", select_actions("pipes", "pipes/pipe:Pipe"), [facts.build_arn("pipes", f"pipe/{prefix}*")]),
        # For the check of the pipe's state. Cloud Control calls EventBridge Pipes with the rights of this role.
        allow("CloudControl", ["cloudformation:GetResource"], ["*"], limit_to_regions(facts.region)),
        allow(
            "Logs",
            select_actions("logs", "cloudwatch/logGroup:LogGroup", without=["AssociateKmsKey", "DisassociateKmsKey"]),
            [facts.build_arn("logs", f"log-group:{prefix}*")],
        ),
        allow("FindLogs", ["logs:DescribeLogGroups"], ["*"], limit_to_regions(facts.region)),
    ]


def build_roles(facts: StackFacts) -> list[Statement]:
    """Return the statements for roles. Only a role with the boundary can get rights."""
    roles = facts.build_global_arn("iam", f"role/{facts.prefix}*")
    limited = {
        *("iam:CreateRole", "iam:PutRolePolicy", "iam:UpdateAssumeRolePolicy", "iam:PutRolePermissionsBoundary"),
    }
    other = ("AttachRolePolicy", "PassRole")
    return [
        allow("RolesWithBoundary", limited, [roles], _require_boundary(facts)),
        allow(
            "Roles",
            select_actions(
                "iam",
                "iam/role:Role",
                "iam/rolePolicy:RolePolicy",
                "iam/rolePolicyAttachment:RolePolicyAttachment",
                without=other,
            )
            - limited,
            [roles],
        ),
        allow(
            "PassRoles",
            ["iam:PassRole"],
            [roles],
            {"StringEquals": {"iam:PassedToService": ["lambda.amazonaws.com", "pipes.amazonaws.com"]}},
        ),
    ]


def build_log_role(facts: StackFacts) -> list[Statement]:
    """Return the statements for API Gateway's log role and for the setting of the account that names it."""
    role = facts.build_global_arn("iam", f"role/{facts.prefix}api-gateway-role-*")
    policy = {"ArnEquals": {"iam:PolicyARN": f"arn:{facts.partition}:iam::aws:{LOG_POLICY}"}}
    return [
        allow("AttachLogPolicy", ["iam:AttachRolePolicy"], [role], {**policy, **_require_boundary(facts)}),
        allow(
            "PassLogRole",
            ["iam:PassRole"],
            [role],
            {"StringEquals": {"iam:PassedToService": "apigateway.amazonaws.com"}},
        ),
        allow(
            "AccountSetting",
            select_actions("apigateway", "apigateway/account:Account"),
            [f"arn:{facts.partition}:apigateway:{facts.region}::/account"],
        ),
    ]


def _build_mappings(facts: StackFacts) -> list[Statement]:
    """Return the statements for event source mappings. AWS generates their ids; the functions limit them."""
    functions = facts.build_arn("lambda", f"function:{facts.prefix}*")
    mappings = [facts.build_arn("lambda", "event-source-mapping:*")]
    of_function = {"ArnLike": {"lambda:FunctionArn": functions}}
    return [
        allow("NewMappings", ["lambda:CreateEventSourceMapping"], ["*"], of_function),
        allow(
            "Mappings", ["lambda:DeleteEventSourceMapping", "lambda:UpdateEventSourceMapping"], mappings, of_function
        ),
        # A mapping that is gone has no function, and the provider reads it until it is gone.
        allow(
            "ReadMappings",
            ["lambda:GetEventSourceMapping"],
            mappings,
            {"ArnLikeIfExists": {"lambda:FunctionArn": functions}},
        ),
        allow("TagsOfMappings", ["lambda:ListTags", "lambda:UntagResource"], mappings, match_tags_of_existing(facts)),
        allow("TagMappings", ["lambda:TagResource"], mappings, match_tags_of_new(facts)),
    ]


def _require_boundary(facts: StackFacts) -> dict[str, dict[str, str]]:
    return {"StringEquals": {"iam:PermissionsBoundary": facts.boundary_arn}}
