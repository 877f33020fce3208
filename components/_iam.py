"""IAM policy documents as JSON. Each document allows only the actions that its statements name.

The policy of a queue, topic or bucket also denies requests without TLS. A resource can have only one policy.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Statement:
    """A permission: the allowed actions, and the resources on which they are allowed."""

    actions: Sequence[str]
    """Actions, such as `sqs:SendMessage`."""
    resources: Sequence[pulumi.Input[str]]
    """ARNs of the resources."""


def build_policy(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """Return a policy that allows only the actions of `statements`."""
    return _build_document(
        [
            {"Effect": "Allow", "Action": [*statement.actions], "Resource": [*statement.resources]}
            for statement in statements
        ]
    )


def build_trust_policy(
    service: str,
    source_account: pulumi.Input[str] | None = None,
    source_arn: pulumi.Input[str] | None = None,
) -> pulumi.Output[str]:
    """Return the trust policy of a role that an AWS service can assume.

    Args:
        service: The service, such as `lambda.amazonaws.com`.
        source_account: The account for which the service can assume the role. None: the service can assume it for
            every account.
        source_arn: The ARN of the resource for which the service can assume the role. It may contain wildcards. None:
            the service can assume it for every resource.
    """
    condition: dict[str, object] = {}
    if source_account is not None:
        condition["StringEquals"] = {"aws:SourceAccount": source_account}
    if source_arn is not None:
        condition["ArnLike"] = {"aws:SourceArn": source_arn}
    return _build_document([_build_service_statement(service, "sts:AssumeRole", condition=condition)])


def build_queue_policy(queue_arn: pulumi.Input[str], rule_arn: pulumi.Input[str] | None = None) -> pulumi.Output[str]:
    """Return a queue policy that denies requests without TLS.

    If there is a `rule_arn`, the policy also allows EventBridge to send messages for this rule.
    """
    statements = [_deny_without_tls("sqs:*", queue_arn)]
    if rule_arn is not None:
        condition = {"ArnEquals": {"aws:SourceArn": rule_arn}}
        statements.insert(
            0,
            _build_service_statement(
                "events.amazonaws.com", "sqs:SendMessage", resource=queue_arn, condition=condition
            ),
        )
    return _build_document(statements)


def build_bucket_policy(
    service: str, bucket_arn: pulumi.Input[str], source_arn: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Return a bucket policy that denies requests without TLS.

    The policy also allows a service to read objects only for the resource `source_arn`.
    """
    condition = {"StringEquals": {"AWS:SourceArn": source_arn}}
    objects = pulumi.Output.concat(bucket_arn, "/*")
    return _build_document(
        [
            _build_service_statement(service, "s3:GetObject", resource=objects, condition=condition),
            _deny_without_tls("s3:*", bucket_arn, objects),
        ]
    )


def build_topic_policy(
    service: str, topic_arn: pulumi.Input[str], source_account: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Return a topic policy that denies messages without TLS.

    The policy also allows a service to publish only for the account `source_account`.
    """
    condition = {"StringEquals": {"aws:SourceAccount": source_account}}
    return _build_document(
        [
            _build_service_statement(service, "sns:Publish", resource=topic_arn, condition=condition),
            # SNS does not accept `sns:*` in a topic policy.
            _deny_without_tls("sns:Publish", topic_arn),
        ]
    )


def build_log_policy(service: str, log_group_arn: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return a policy with which a service of the log group's account can write to the streams of the log group.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/AWS-logs-infrastructure-V2-CloudWatchLogs.html
    """
    return _build_document(
        [
            {
                "Effect": "Allow",
                "Principal": {"Service": service},
                "Action": ["logs:CreateLogStream", "logs:PutLogEvents"],
                # The service chooses the names of the log streams.
                "Resource": pulumi.Output.concat(log_group_arn, ":log-stream:*"),
                "Condition": {
                    "StringEquals": {"aws:SourceAccount": log_group_arn.apply(lambda arn: arn.split(":")[4])}
                },
            }
        ]
    )


KEY_ACTIONS = (
    *("kms:CancelKeyDeletion", "kms:CreateAlias", "kms:CreateGrant", "kms:Decrypt", "kms:DeleteAlias"),
    *("kms:DescribeKey", "kms:DisableKey", "kms:DisableKeyRotation", "kms:EnableKey", "kms:EnableKeyRotation"),
    *("kms:Encrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext", "kms:GetKeyPolicy"),
    *("kms:GetKeyRotationStatus", "kms:ListGrants", "kms:ListKeyPolicies", "kms:ListKeyRotations"),
    *("kms:ListResourceTags", "kms:PutKeyPolicy", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:RetireGrant"),
    *("kms:RevokeGrant", "kms:RotateKeyOnDemand", "kms:ScheduleKeyDeletion", "kms:TagResource", "kms:UntagResource"),
    *("kms:UpdateAlias", "kms:UpdateKeyDescription"),
)
"""Actions on a symmetric KMS key of one region.
https://docs.aws.amazon.com/kms/latest/developerguide/kms-api-permissions-reference.html"""


def build_key_policy(key_arn: pulumi.Output[str]) -> pulumi.Output[str]:
    """Return the policy of a KMS key for tables, queues, topics and log groups of its account and region.

    The policy delegates to the IAM policies of the account. Three AWS services may use the key: CloudWatch Logs for log
    groups, EventBridge for queues, and CloudWatch for alarms.
    """
    return key_arn.apply(_build_key_statements).apply(_build_document)


def _build_key_statements(key_arn: str) -> list[dict[str, object]]:
    _, partition, _, region, account, _ = key_arn.split(":", 5)
    domain = "amazonaws.com.cn" if partition == "aws-cn" else "amazonaws.com"
    send = ["kms:Decrypt", "kms:GenerateDataKey"]

    def allow(principal: dict[str, str], actions: Sequence[str], condition: Mapping[str, object]) -> dict[str, object]:
        # In the policy of a key, `*` stands for this key.
        statement: dict[str, object] = {
            "Effect": "Allow",
            "Principal": principal,
            "Action": [*actions],
            "Resource": "*",
        }
        return {**statement, "Condition": condition} if condition else statement

    return [
        # Without this statement, nobody could use the key by an IAM policy, or change this policy.
        allow({"AWS": f"arn:{partition}:iam::{account}:root"}, KEY_ACTIONS, {}),
        # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
        allow(
            {"Service": f"logs.{region}.{domain}"},
            [
                *("kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"),
                *("kms:GenerateDataKeyWithoutPlaintext", "kms:ReEncryptFrom", "kms:ReEncryptTo"),
            ],
            {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": f"arn:{partition}:logs:{region}:{account}:log-group:*"}},
        ),
        # AWS does not document that EventBridge sends `aws:SourceAccount` to KMS. SQS names the queue.
        allow(
            {"Service": "events.amazonaws.com"},
            send,
            {"ArnLike": {"kms:EncryptionContext:aws:sqs:arn": f"arn:{partition}:sqs:{region}:{account}:*"}},
        ),
        # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
        allow({"Service": "cloudwatch.amazonaws.com"}, send, {"StringEquals": {"aws:SourceAccount": account}}),
    ]


def _deny_without_tls(action: str, *resources: pulumi.Input[str]) -> dict[str, object]:
    """Return a statement that denies requests without TLS."""
    return {
        "Effect": "Deny",
        # The statement allows nothing. It must apply to everybody, so that nobody sends data without TLS.
        "Principal": "*",
        "Action": action,
        "Resource": [*resources],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def _build_service_statement(
    service: str,
    action: str,
    *,
    resource: pulumi.Input[str] | None = None,
    condition: Mapping[str, object],
) -> dict[str, object]:
    """Return a statement that allows an AWS service to perform one action."""
    statement: dict[str, object] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action}
    if resource is not None:
        statement["Resource"] = resource
    if condition:
        statement["Condition"] = condition
    return statement


def _build_document(statements: Sequence[Mapping[str, object]]) -> pulumi.Output[str]:
    """Return a policy document as JSON."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
