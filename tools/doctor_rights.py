"""The check whether a principal may do what a stack's deploy policies allow."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from .aws_errors import get_error_code
from .doctor_check import Check

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from mypy_boto3_iam import IAMClient
    from mypy_boto3_iam.type_defs import ContextEntryTypeDef, EvaluationResultTypeDef

    from .iam.document import Document, Statement

SUBJECT: Final = "rights"
MAX_NAMES: Final = 5
"""Maximum number of actions that a failure names."""


def find_principal(iam: IAMClient, arn: str) -> str | None:
    """Return the ARN of the user or the role that IAM can simulate. None: it is the account's root user.

    Args:
        iam: The client.
        arn: ARN of the caller. That of an assumed role has the name of the session, but not the path of the role.
    """
    kind, _, name = arn.split(":", 5)[5].partition("/")
    match kind:
        case "root":
            return None
        case "assumed-role":
            return iam.get_role(RoleName=name.partition("/")[0])["Role"]["Arn"]
        case _:
            return arn


def check_rights(iam: IAMClient, who: str, principal: str, policies: Mapping[str, Document]) -> Iterator[Check]:
    """Let IAM simulate each statement for a principal. The organization's policies and its boundary count too.

    Args:
        iam: The client.
        who: Name of the principal in the result.
        principal: ARN of a user or a role.
        policies: Policies whose statements allow what is simulated.
    """
    results: list[EvaluationResultTypeDef] = []
    try:
        for document in policies.values():
            for statement in document["Statement"]:
                if statement["Effect"] == "Allow":
                    results += _simulate(iam, principal, statement)
    except ClientError as error:
        if get_error_code(error) != "AccessDenied":
            raise
        yield Check.noted(SUBJECT, f"{who}: not checked, because the credentials lack iam:SimulatePrincipalPolicy")
        return
    actions = {one["EvalActionName"] for one in results}
    denied = {one["EvalActionName"]: one for one in results if one["EvalDecision"] != "allowed"}
    if not denied:
        yield Check.passed(SUBJECT, f"{who}: may call all {len(actions)} actions of the deploy policies")
        return
    names = ", ".join([*sorted(denied)[:MAX_NAMES], *(["…"] if len(denied) > MAX_NAMES else [])])
    reasons = "".join(sorted({reason for one in denied.values() if (reason := _explain(one))}))
    yield Check.failed(SUBJECT, f"{who}: {len(denied)} of {len(actions)} actions are denied: {names}{reasons}")


def _simulate(iam: IAMClient, principal: str, statement: Statement) -> Iterator[EvaluationResultTypeDef]:
    pages = iam.get_paginator("simulate_principal_policy").paginate(
        PolicySourceArn=principal,
        ActionNames=_to_list(statement["Action"]),
        ResourceArns=[_fill(one) for one in _to_list(statement["Resource"])],
        ContextEntries=list(_build_context(statement.get("Condition", {}))),
    )
    for page in pages:
        yield from page["EvaluationResults"]


def _build_context(condition: Mapping[str, Mapping[str, str | list[str]]]) -> Iterator[ContextEntryTypeDef]:
    """Yield the values with which a request meets a condition."""
    for operator, keys in condition.items():
        for key, values in keys.items():
            texts = [_fill(one) for one in _to_list(values)]
            is_list = operator.startswith("For")
            yield {
                "ContextKeyName": key,
                "ContextKeyValues": texts if is_list else texts[:1],
                "ContextKeyType": "stringList" if is_list else "string",
            }


def _fill(pattern: str) -> str:
    """Return a name that matches a pattern of IAM. `*` alone stays."""
    return pattern if pattern == "*" else pattern.replace("*", "x").replace("?", "x")


def _to_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [*value]


def _explain(result: EvaluationResultTypeDef) -> str:
    if not result.get("OrganizationsDecisionDetail", {}).get("AllowedByOrganizations", True):
        return "; the organization denies some"
    if not result.get("PermissionsBoundaryDecisionDetail", {}).get("AllowedByPermissionsBoundary", True):
        return "; the principal's permissions boundary denies some"
    return ""
