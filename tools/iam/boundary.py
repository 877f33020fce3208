"""Permissions boundary of every role that a stack creates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from .document import Document, allow, build_document, match_tags_of_existing

if TYPE_CHECKING:
    from .facts import StackFacts

LOG_POLICY_ACTIONS: Final = (
    *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams"),
    *("logs:FilterLogEvents", "logs:GetLogEvents", "logs:PutLogEvents"),
)
"""Actions of AWS's policy for API Gateway's log role.
https://docs.aws.amazon.com/aws-managed-policy/latest/reference/AmazonAPIGatewayPushToCloudWatchLogs.html"""


def build_policy(facts: StackFacts, *, creates_log_role: bool) -> Document:
    """Return the boundary: the most that the Lambdas and the pipe of the stack need, and its log role.

    Args:
        facts: The facts about the stack.
        creates_log_role: Whether the stack creates API Gateway's log role. A role with its name can read every log of
            the region, and the deploy role can create such a role.
    """
    prefix = facts.prefix
    log_role = [
        # API Gateway writes the logs of every API of the account with this role.
        allow(
            "LogRole",
            LOG_POLICY_ACTIONS,
            [facts.build_arn("logs", "*")],
            {"ArnLike": {"aws:PrincipalArn": facts.build_global_arn("iam", f"role/{prefix}api-gateway-role-*")}},
        )
    ]
    return build_document(
        allow("Logs", ["logs:CreateLogStream", "logs:PutLogEvents"], [facts.build_arn("logs", f"log-group:{prefix}*")]),
        *(log_role if creates_log_role else []),
        allow(
            "Tables",
            [
                *("dynamodb:GetItem", "dynamodb:BatchGetItem", "dynamodb:PutItem", "dynamodb:UpdateItem"),
                *("dynamodb:DeleteItem", "dynamodb:Query", "dynamodb:Scan", "dynamodb:DescribeStream"),
                *("dynamodb:GetRecords", "dynamodb:GetShardIterator", "dynamodb:ListStreams"),
            ],
            [facts.build_arn("dynamodb", f"table/{prefix}*")],
        ),
        allow(
            "Queues",
            ["sqs:SendMessage", "sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes"],
            [facts.build_arn("sqs", f"{prefix}*")],
        ),
        allow("AlarmTopic", ["sns:Publish"], [facts.build_arn("sns", f"{prefix}*")]),
        allow(
            "DataKey",
            ["kms:Decrypt", "kms:GenerateDataKey"],
            [facts.build_arn("kms", "key/*")],
            match_tags_of_existing(facts),
        ),
        allow("Functions", ["lambda:InvokeFunction"], [facts.build_arn("lambda", f"function:{prefix}*")]),
        # API Gateway generates the id of the API, and its connections have no tags.
        allow("Connections", ["execute-api:ManageConnections"], [facts.build_arn("execute-api", "*")]),
    )
