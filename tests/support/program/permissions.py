"""IAM, as far as this program uses it: what a program grants, and whether that allows a request."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from tests.support.components.policies import declared_documents, deny_without_tls
from tests.support.components.provider import ACCOUNT, arn, physical_name

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from tests.support.components.harness import Declared, Recording

MANAGED: Final = {
    "arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs": [
        *("logs:CreateLogGroup", "logs:CreateLogStream", "logs:DescribeLogGroups", "logs:DescribeLogStreams"),
        *("logs:PutLogEvents", "logs:GetLogEvents", "logs:FilterLogEvents"),
    ]
}
"""The actions that AWS's own policies allow, on every resource."""


@dataclass(frozen=True)
class Request:
    """What a principal asks of AWS."""

    principal: str
    """A role's ARN, or an AWS service such as `events.amazonaws.com`."""
    action: str
    resource: str
    context: Mapping[str, str] = field(default_factory=dict[str, str])
    """What the request says of itself, by condition key."""


@dataclass(frozen=True)
class Permission:
    """One action on one resource, as one statement allows it."""

    statement: str
    """The name of the resource that holds the statement, and which of its statements it is: `persist-policy/2`."""
    principal: str
    action: str
    resource: str
    conditions: tuple[tuple[str, str, str], ...] = ()
    """Operator, condition key and value: all of them must hold."""
    ours: bool = True
    """Whether the program could grant less: not where AWS's own policy says what is granted."""

    def allows(self, request: Request) -> bool:
        return (
            (self.principal, self.action) == (request.principal, request.action)
            and _like(self.resource, request.resource)
            and all(_holds(*condition, request.context) for condition in self.conditions)
        )


def allowed(request: Request, permissions: Iterable[Permission]) -> bool:
    """Whether any of them allows it: within one account a role's policy or the resource's own is enough."""
    return any(permission.allows(request) for permission in permissions)


def role_arn(name: str) -> str:
    """The ARN of the role that the program calls `{name}-role`."""
    return _role(physical_name(f"{name}-role"))


def permissions(recording: Recording) -> list[Permission]:
    """All that a program grants."""
    return [*_of_documents(recording), *_of_attachments(recording), *_of_functions(recording)]


def _of_documents(recording: Recording) -> Iterator[Permission]:
    for name, document in declared_documents(recording):
        holder = recording.one(name)
        if holder.type == "aws:kms/keyPolicy:KeyPolicy":
            continue  # it leaves the roles of the account to their own policies
        for number, statement in enumerate(document["Statement"], start=1):
            if statement == deny_without_tls(statement["Action"], *_words(statement.get("Resource", []))):
                continue  # every request here is made over TLS
            if statement["Effect"] != "Allow":
                raise ValueError(f"{name}: only Allow is understood here, got {statement!r}")
            conditions = tuple(
                (operator, key, value)
                for operator, tests in statement.get("Condition", {}).items()
                for key, value in tests.items()
            )
            for action in _words(statement["Action"]):
                # A role's trust names no resource: it is about the role itself.
                for resource in _words(statement.get("Resource", _role(physical_name(name)))):
                    yield Permission(f"{name}/{number}", _principal(holder, statement), action, resource, conditions)


def _of_attachments(recording: Recording) -> Iterator[Permission]:
    for attachment in recording.of_type("iam/rolePolicyAttachment:RolePolicyAttachment"):
        for action in MANAGED[attachment.inputs["policyArn"]]:
            yield Permission(f"{attachment.name}/1", _role(attachment.inputs["role"]), action, "*", ours=False)


def _of_functions(recording: Recording) -> Iterator[Permission]:
    for permission in recording.of_type("lambda/permission:Permission"):
        inputs = permission.inputs
        yield Permission(
            f"{permission.name}/1",
            inputs["principal"],
            inputs["action"],
            arn("lambda", f"function:{inputs['function']}"),
            # As Lambda itself writes down what AddPermission was given.
            (("ArnLike", "AWS:SourceArn", inputs["sourceArn"]),),
        )


def _principal(holder: Declared, statement: Mapping[str, Any]) -> str:
    """Whom a statement is about: in a role's own policy it is the role."""
    return statement["Principal"]["Service"] if "Principal" in statement else _role(holder.inputs["role"])


def _role(name: str) -> str:
    return f"arn:aws:iam::{ACCOUNT}:role/{name}"


def _words(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def _like(pattern: str, text: str) -> bool:
    return re.fullmatch(".*".join(map(re.escape, pattern.split("*"))), text) is not None


def _holds(operator: str, key: str, value: str, context: Mapping[str, str]) -> bool:
    # The names of condition keys are the same in any case.
    (given,) = [text for name, text in context.items() if name.lower() == key.lower()] or [None]
    if given is None:
        return False
    match operator:
        case "StringEquals":
            return value == given
        case "ArnEquals" | "ArnLike":
            return _like(value, given)
        case _:
            raise ValueError(f"{key}: the condition operator {operator!r} is not understood here")
