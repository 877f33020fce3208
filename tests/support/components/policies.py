"""Policy documents, as a test expects them and as a program declares them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from tests.support.components.provider import arn, physical_name

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.components.harness import Recording

Statement = dict[str, Any]
Document = dict[str, Any]

HOLDERS = {
    "cloudwatch/logResourcePolicy:LogResourcePolicy": "policyDocument",
    "iam/role:Role": "assumeRolePolicy",
    "iam/rolePolicy:RolePolicy": "policy",
    "kms/keyPolicy:KeyPolicy": "policy",
    "s3/bucketPolicy:BucketPolicy": "policy",
    "sns/topicPolicy:TopicPolicy": "policy",
    "sqs/queuePolicy:QueuePolicy": "policy",
}
"""Each type of the program that has a policy document, and the input that holds it."""


def document(*statements: Statement) -> Document:
    return {"Version": "2012-10-17", "Statement": [*statements]}


def allow(actions: list[str], *resources: str) -> Statement:
    return {"Effect": "Allow", "Action": actions, "Resource": [*resources]}


def deny_without_tls(action: str, *resources: str) -> Statement:
    """What the policy of each queue, topic and bucket says to a request without TLS."""
    return {
        "Effect": "Deny",
        "Principal": "*",
        "Action": action,
        "Resource": [*resources],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }


def allow_logs(function: str) -> Statement:
    """What each Lambda may do with the streams of its own log group."""
    group = arn("logs", f"log-group:{physical_name(f'{function}-logs')}")
    return allow(["logs:CreateLogStream", "logs:PutLogEvents"], f"{group}:*")


def trust(service: str, condition: dict[str, Any] | None = None) -> Document:
    """A role's trust in one service."""
    statement: Statement = {"Effect": "Allow", "Principal": {"Service": service}, "Action": "sts:AssumeRole"}
    return document(statement | ({"Condition": condition} if condition else {}))


def declared_documents(recording: Recording) -> Iterator[tuple[str, Document]]:
    """Every policy document of a program, by the name of the resource that holds it."""
    for kind, key in HOLDERS.items():
        for resource in recording.of_type(kind):
            yield resource.name, json.loads(resource.inputs[key])
