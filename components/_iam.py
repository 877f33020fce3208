"""IAM policy documents as JSON. Each document allows only the actions that its statements name."""

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


def build_trust_policy(service: str, source_account: pulumi.Input[str] | None = None) -> pulumi.Output[str]:
    """Return the trust policy of a role that an AWS service can assume.

    Args:
        service: The service, such as `lambda.amazonaws.com`.
        source_account: The account for which the service can assume the role. None: the service can assume it for
            every account.
    """
    condition = {"StringEquals": {"aws:SourceAccount": source_account}} if source_account is not None else None
    return _build_document([_build_service_statement(service, "sts:AssumeRole", condition=condition)])


def build_queue_policy(service: str, queue_arn: pulumi.Input[str], source_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """Return a queue policy that allows a service to send messages only for the resource `source_arn`."""
    condition = {"ArnEquals": {"aws:SourceArn": source_arn}}
    return _build_document(
        [_build_service_statement(service, "sqs:SendMessage", resource=queue_arn, condition=condition)]
    )


def build_bucket_policy(
    service: str, bucket_arn: pulumi.Input[str], source_arn: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Return a bucket policy that allows a service to read objects only for the resource `source_arn`."""
    condition = {"StringEquals": {"AWS:SourceArn": source_arn}}
    objects = pulumi.Output.concat(bucket_arn, "/*")
    return _build_document([_build_service_statement(service, "s3:GetObject", resource=objects, condition=condition)])


def build_topic_policy(
    service: str, topic_arn: pulumi.Input[str], source_account: pulumi.Input[str]
) -> pulumi.Output[str]:
    """Return a topic policy that allows a service to publish only for the account `source_account`."""
    condition = {"StringEquals": {"aws:SourceAccount": source_account}}
    return _build_document([_build_service_statement(service, "sns:Publish", resource=topic_arn, condition=condition)])


def _build_service_statement(
    service: str,
    action: str,
    *,
    resource: pulumi.Input[str] | None = None,
    condition: Mapping[str, object] | None = None,
) -> dict[str, object]:
    """Return a statement that allows an AWS service to perform one action."""
    statement: dict[str, object] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action}
    if resource is not None:
        statement["Resource"] = resource
    if condition is not None:
        statement["Condition"] = condition
    return statement


def _build_document(statements: Sequence[Mapping[str, object]]) -> pulumi.Output[str]:
    """Return a policy document as JSON."""
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
