"""Policy documents: who may do what to which resource."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

from .resources import Inputs, listed

KNOWN_WILDCARDS = {
    r"arn:aws[a-z-]*:logs:[^*?]+:log-group:[^*?]+:\*": "the streams of one log group: Lambda names them itself",
    r"arn:aws[a-z-]*:execute-api:[^*?]+/[^*?/]+/(POST|GET|DELETE)/@connections/\*": (
        "the connections of one stage: API Gateway makes their ids"
    ),
    r"arn:aws[a-z-]*:s3:::[^*?/]+/\*": "the objects of one bucket: the next deployment may bring others",
}
"""The resources that a policy cannot name beforehand, and why."""

KNOWN_MANAGED_POLICIES = {
    "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": (
        "API Gateway takes no narrower one for an account's logs"
    ),
}
"""AWS's own policies that a role may have, and why; each of AWS's own holds wildcards."""

SOURCE_KEYS = {"aws:sourcearn", "aws:sourceaccount"}
"""The conditions by which a service acts on behalf of one resource or one account."""
SOURCE_OPERATORS = {"StringEquals", "StringLike", "ArnEquals", "ArnLike"}
"""Those that fail where the key is missing."""


def _documents(value: Any) -> Iterator[Inputs]:
    """Every policy document in the value of an input: a text, an object, or a role's list of inline ones."""
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
            yield from _documents(document["policy"])
    elif isinstance(value, Sequence) and not isinstance(value, str):
        for one in cast("Sequence[Any]", value):
            yield from _documents(one)


def _allowed(inputs: Inputs) -> Iterator[tuple[str, Inputs]]:
    """Every statement that allows something, after the input that holds it; in this project's AWS types that is one
    whose name ends in `policy`."""
    for key in inputs:
        if key.lower().endswith(("policy", "policies")):
            for document in _documents(inputs[key]):
                for statement in listed(document["Statement"]):
                    if statement.get("Effect") == "Allow":
                        yield key, statement


def wildcard_action(_: str, inputs: Inputs) -> Iterator[str]:
    for key, statement in _allowed(inputs):
        if "NotAction" in statement:
            yield f"{key}: allows all but some actions (NotAction); name those that it needs"
        for action in listed(statement.get("Action")):
            if "*" in action or "?" in action:
                yield f"{key}: the action {action} has a wildcard; name the actions that it needs"


def wildcard_resource(_: str, inputs: Inputs) -> Iterator[str]:
    for key, statement in _allowed(inputs):
        if "NotResource" in statement:
            yield f"{key}: allows all but some resources (NotResource); name those that it needs"
        for resource in listed(statement.get("Resource")):
            wild = "*" in resource or "?" in resource
            if wild and not any(re.fullmatch(shape, resource) for shape in KNOWN_WILDCARDS):
                yield f"{key}: the resource {resource} has a wildcard that KNOWN_WILDCARDS does not hold"


def managed_policy(resource_type: str, inputs: Inputs) -> Iterator[str]:
    attached: list[Any] = []
    if resource_type == "aws:iam/rolePolicyAttachment:RolePolicyAttachment":
        attached = listed(inputs.get("policyArn"))
    elif resource_type == "aws:iam/role:Role":
        attached = listed(inputs.get("managedPolicyArns"))
    for arn in attached:
        if ":iam::aws:policy/" in arn and arn not in KNOWN_MANAGED_POLICIES:
            yield f"{arn} is one of AWS's own, which hold wildcards, and not of KNOWN_MANAGED_POLICIES"


def public_policy(resource_type: str, inputs: Inputs) -> Iterator[str]:
    for key, statement in _allowed(inputs):
        if "NotPrincipal" in statement:
            yield f"{key}: allows all but some principals (NotPrincipal); name those that it is for"
        principal = statement.get("Principal")
        by_kind = cast("Inputs", principal) if isinstance(principal, Mapping) else {"": principal}
        if any("*" in listed(names) for names in by_kind.values()):
            yield f"{key}: everyone is a principal (*); name those that it is for"
        elif "Service" in by_kind and not resource_type.startswith("aws:iam/") and not _has_source(statement):
            yield f"{key}: {by_kind['Service']} may act for any account; add a condition on aws:SourceArn"


def _has_source(statement: Inputs) -> bool:
    """Whether a statement holds for the work of one resource or one account alone."""
    conditions: Mapping[str, Inputs] = statement.get("Condition", {})
    return any(
        key.lower() in SOURCE_KEYS and "*" not in listed(values)
        for operator, keys in conditions.items()
        if operator in SOURCE_OPERATORS
        for key, values in keys.items()
    )
