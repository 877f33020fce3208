"""Policy documents, written as what they grant."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi


@dataclass(frozen=True)
class Statement:
    """One permission: these actions on these resources."""

    actions: Sequence[str]
    resources: Sequence[pulumi.Input[str]]


def policy_document(statements: Sequence[Statement]) -> pulumi.Output[str]:
    """The JSON of a policy that allows `statements` and nothing else."""
    return _document(
        [{"Effect": "Allow", "Action": [*one.actions], "Resource": [*one.resources]} for one in statements]
    )


def trust_policy(service: str, source_account: pulumi.Input[str] | None = None) -> pulumi.Output[str]:
    """The JSON of a role's trust in an AWS service, for work on behalf of `source_account` alone where it is given."""
    condition = {"StringEquals": {"aws:SourceAccount": source_account}} if source_account is not None else None
    return _document([_service_statement(service, "sts:AssumeRole", condition=condition)])


def queue_policy(service: str, queue_arn: pulumi.Input[str], source_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a queue's policy that lets an AWS service send to it on behalf of `source_arn` alone."""
    condition = {"ArnEquals": {"aws:SourceArn": source_arn}}
    return _document([_service_statement(service, "sqs:SendMessage", resource=queue_arn, condition=condition)])


def bucket_policy(service: str, bucket_arn: pulumi.Input[str], source_arn: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a bucket's policy that lets an AWS service read its objects on behalf of `source_arn` alone."""
    condition = {"StringEquals": {"AWS:SourceArn": source_arn}}
    objects = pulumi.Output.concat(bucket_arn, "/*")
    return _document([_service_statement(service, "s3:GetObject", resource=objects, condition=condition)])


def topic_policy(service: str, topic_arn: pulumi.Input[str], source_account: pulumi.Input[str]) -> pulumi.Output[str]:
    """The JSON of a topic's policy that lets an AWS service publish to it on behalf of `source_account` alone."""
    condition = {"StringEquals": {"aws:SourceAccount": source_account}}
    return _document([_service_statement(service, "sns:Publish", resource=topic_arn, condition=condition)])


def _service_statement(
    service: str,
    action: str,
    *,
    resource: pulumi.Input[str] | None = None,
    condition: Mapping[str, object] | None = None,
) -> dict[str, object]:
    statement: dict[str, object] = {"Effect": "Allow", "Principal": {"Service": service}, "Action": action}
    if resource is not None:
        statement["Resource"] = resource
    if condition is not None:
        statement["Condition"] = condition
    return statement


def _document(statements: Sequence[Mapping[str, object]]) -> pulumi.Output[str]:
    return pulumi.Output.json_dumps({"Version": "2012-10-17", "Statement": statements})
