"""Rule about requests without TLS."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .resources import BUCKETS, QUEUE, TOPIC, Inputs, Resource, find_dependents, get_value, to_list

POLICIES = {
    **dict.fromkeys(BUCKETS, "aws:s3/bucketPolicy:BucketPolicy"),
    QUEUE: "aws:sqs/queuePolicy:QueuePolicy",
    TOPIC: "aws:sns/topicPolicy:TopicPolicy",
}
"""The type of a resource's policy, by the type of the resource."""

DENIED = {
    **{bucket: {"s3:*"} for bucket in BUCKETS},
    QUEUE: {"sqs:*"},
    # SNS accepts no `sns:*` in the policy of a topic. This action carries messages:
    # https://docs.aws.amazon.com/sns/latest/dg/sns-security-best-practices.html
    TOPIC: {"sns:Publish"},
}
"""The actions that must be denied without TLS, by the type of the resource."""


def check_tls(stack: Sequence[Resource]) -> Iterator[tuple[Resource, str]]:
    """Report a bucket, queue or topic whose policy does not deny requests without TLS."""
    for resource in stack:
        policy_type = POLICIES.get(resource.type)
        if policy_type is not None:
            policies = find_dependents(stack, resource, policy_type)
            denied = {action for policy in policies for action in _denied_without_tls(policy.inputs)}
            missing = DENIED[resource.type] - denied
            if missing:
                actions = ", ".join(sorted(missing))
                yield resource, f"accepts requests without TLS: deny {actions} if aws:SecureTransport is false"


def _denied_without_tls(inputs: Inputs) -> Iterator[str]:
    """Yield the actions that a policy denies to everyone without TLS."""
    policy: Any = inputs.get("policy", "{}")
    document: Inputs = cast("Inputs", policy) if isinstance(policy, Mapping) else json.loads(policy)
    for statement in to_list(document.get("Statement")):
        everyone = statement.get("Principal") == "*" or get_value(statement, "Principal", "AWS") == "*"
        condition = get_value(statement, "Condition", "Bool", "aws:SecureTransport")
        if statement.get("Effect") == "Deny" and everyone and str(condition).lower() == "false":
            yield from to_list(statement.get("Action"))
