"""Rules about policy documents: principals, actions and resources."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .resources import Inputs, to_list

KNOWN_WILDCARDS = {
    r"arn:aws[a-z-]*:logs:[^*?]+:log-group:[^*?]+:\*": "the streams of one log group, which Lambda names itself",
    r"arn:aws[a-z-]*:execute-api:[^*?]+/[^*?/]+/(POST|GET|DELETE)/@connections/\*": (
        "the connections of one stage, whose ids API Gateway makes"
    ),
    r"arn:aws[a-z-]*:s3:::[^*?/]+/\*": "the objects of one bucket, which may change with each deployment",
}
"""Allowed wildcards: a regular expression for the ARN of a resource, and the reason why a policy needs the wildcard."""

KNOWN_MANAGED_POLICIES = {
    r"arn:aws[a-z-]*:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": (
        "API Gateway accepts no narrower policy for the logs of an account"
    ),
}
"""Policies managed by AWS that a role may have although they contain wildcards: a regular expression for the ARN, and
the reason."""

SOURCE_KEYS = {
    *("aws:sourcearn", "aws:sourceaccount"),
    # With these keys, the policy of a KMS key names the log groups or queues whose data the service may encrypt.
    *("kms:encryptioncontext:aws:logs:arn", "kms:encryptioncontext:aws:sqs:arn"),
}
"""Condition keys that limit a service to one resource or one account."""
KEY_POLICIES = {"aws:kms/key:Key", "aws:kms/keyPolicy:KeyPolicy"}
"""Types with the policy of a KMS key. In such a policy the resource `*` is this key."""
SOURCE_OPERATORS = {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
"""Condition operators that fail if the key is missing."""


def _find_documents(value: Any) -> Iterator[Inputs]:
    """Yield every policy document in the value of an input.

    The value is a document as a JSON string, a document as an object, or a list of inline policies.
    """
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, Mapping):
        document = cast("Inputs", value)
        if "Statement" in document:
            yield document
        elif "policy" in document:
            yield from _find_documents(document["policy"])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for item in cast("Sequence[Any]", value):
            yield from _find_documents(item)


def _find_allow_statements(inputs: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Yield each policy statement that allows something, with the name of the input that contains it.

    In the AWS types of this project, the name of an input with a policy document ends in `policy` or `policies`.
    """
    for key in inputs:
        if key.lower().endswith(("policy", "policies")):
            for document in _find_documents(inputs[key]):
                for statement in to_list(document["Statement"]):
                    if statement.get("Effect") == "Allow":
                        yield key, statement


def check_actions(_: str, inputs: Inputs) -> Iterator[str]:
    """Report a statement that allows actions by a wildcard or by `NotAction`."""
    for key, statement in _find_allow_statements(inputs):
        if "NotAction" in statement:
            yield f"{key}: NotAction allows all other actions; name the actions that it needs"
        for action in to_list(statement.get("Action")):
            if "*" in action or "?" in action:
                yield f"{key}: the action {action} has a wildcard; name the actions that it needs"


def check_resources(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a statement that allows resources by `NotResource` or by a wildcard that is not known.

    Known wildcards are in `KNOWN_WILDCARDS`.
    """
    for key, statement in _find_allow_statements(inputs):
        if "NotResource" in statement:
            yield f"{key}: NotResource allows all other resources; name the resources that it needs"
        for resource in to_list(statement.get("Resource")):
            wild = ("*" in resource or "?" in resource) and not (resource == "*" and resource_type in KEY_POLICIES)
            if wild and not any(re.fullmatch(shape, resource) for shape in KNOWN_WILDCARDS):
                yield f"{key}: the resource {resource} has a wildcard that is not in KNOWN_WILDCARDS"


def check_managed_policies(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a role with a policy that AWS manages, unless `KNOWN_MANAGED_POLICIES` contains it."""
    attached: list[Any] = []
    if resource_type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
        attached = to_list(inputs.get("policyArn"))
    elif resource_type == "aws:iam/role:Role":
        attached = to_list(inputs.get("managedPolicyArns"))
    for arn in attached:
        known = any(re.fullmatch(pattern, arn) for pattern in KNOWN_MANAGED_POLICIES)
        if ":iam::aws:policy/" in arn and not known:
            yield f"{arn} is managed by AWS and contains wildcards; it is not in KNOWN_MANAGED_POLICIES"


def check_principals(resource_type: str, inputs: Inputs) -> Iterator[str]:
    """Report a statement that allows too many principals.

    Such a statement allows every principal, or it has `NotPrincipal`, or it allows an AWS service to act for any
    account. The last case is not checked in IAM resources.
    """
    for key, statement in _find_allow_statements(inputs):
        if "NotPrincipal" in statement:
            yield f"{key}: NotPrincipal allows all other principals; name the principals that it is for"
        principal = statement.get("Principal")
        by_kind = cast("Inputs", principal) if isinstance(principal, Mapping) else {"": principal}
        if any("*" in to_list(names) for names in by_kind.values()):
            yield f"{key}: everyone is a principal (*); name the principals that it is for"
        elif "Service" in by_kind and not resource_type.startswith("aws:iam/") and not _has_source(statement):
            yield f"{key}: {by_kind['Service']} may act for any account; add a condition on aws:SourceArn"


def _has_source(statement: Inputs) -> bool:
    """Return whether a condition limits a statement to one resource or one account."""
    conditions: Mapping[str, Inputs] = statement.get("Condition", {})
    return any(
        key.lower() in SOURCE_KEYS and "*" not in to_list(values)
        for operator, keys in conditions.items()
        if operator in SOURCE_OPERATORS
        for key, values in keys.items()
    )
